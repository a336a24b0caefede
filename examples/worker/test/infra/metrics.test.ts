import { CircuitMetrics } from "@reclose/cdk"
import { EmbeddedMetrics } from "@reclose/lambda"
import { assert, it } from "vitest"

it("alarms and dashboards look at the metrics that are written", () => {
  assert.deepStrictEqual(CircuitMetrics.names, EmbeddedMetrics.names)
  assert.deepStrictEqual(CircuitMetrics.dimensions, EmbeddedMetrics.dimensions)
  assert.strictEqual(CircuitMetrics.namespace, EmbeddedMetrics.namespace)
})
