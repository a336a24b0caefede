import { CircuitMetrics } from "@reclose/cdk"
import { CircuitStore, withBreaker } from "@reclose/core"
import { BeforeResponse, EmbeddedMetrics, LambdaBreaker } from "@reclose/lambda"
import { Effect, Layer } from "effect"
import { assert, it } from "vitest"

it("alarms and dashboards look at the metrics that are written", () => {
  assert.deepStrictEqual(CircuitMetrics.names, EmbeddedMetrics.names)
  assert.deepStrictEqual(CircuitMetrics.dimensions, EmbeddedMetrics.dimensions)
  assert.strictEqual(CircuitMetrics.namespace, EmbeddedMetrics.namespace)
})

it("alarms look at the circuit of a key as it is written, whatever the key holds", async () => {
  const [service, circuit] = ["größe", "100% of https://quotes.example/ü"]
  const lines: Array<string> = []
  const metrics = EmbeddedMetrics.layer({ service }).pipe(
    Layer.provideMerge(LambdaBreaker.layer()),
    Layer.provide([BeforeResponse.layer, CircuitStore.layerMemory]),
    Layer.provide(Layer.succeed(EmbeddedMetrics.Sink, { write: (more) => Effect.sync(() => void lines.push(...more)) }))
  )
  await Effect.runPromise(Effect.provide(withBreaker(Effect.void, circuit), metrics))
  const written = JSON.parse(lines[1] ?? "{}")
  assert.deepStrictEqual(CircuitMetrics.metric("CallsSucceeded", { service, circuit }).dimensions, {
    service: written.service,
    circuit: written.circuit
  })
})
