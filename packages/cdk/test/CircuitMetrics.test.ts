import { Duration } from "aws-cdk-lib"
import { assert, describe, it } from "vitest"
import { CircuitMetrics } from "../src/index.ts"

describe("a metric", () => {
  it("is that of the service, or of one circuit", () => {
    assert.deepStrictEqual(CircuitMetrics.metric("CallsFailed", { service: "worker" }).dimensions, {
      service: "worker"
    })
    assert.deepStrictEqual(
      CircuitMetrics.metric("CallsFailed", { service: "worker", circuit: "quotes" }).dimensions,
      { service: "worker", circuit: "quotes" }
    )
  })

  it("has the dimensions that it is written with", () => {
    const { dimensions = {} } = CircuitMetrics.metric("CallsFailed", { service: "worker", circuit: "quotes" })
    assert.deepStrictEqual(Object.keys(dimensions), Object.values(CircuitMetrics.dimensions))
  })

  it.each([
    ["100%", "100%25"],
    ["größe 😀", "gr%C3%B6%C3%9Fe %F0%9F%98%80"],
    ["\ud800", "%ED%A0%80"],
    ["a\tb", "a%09b"],
    ["https://quotes.example:443/v1", "https://quotes.example:443/v1"]
  ])("of %j is that of the dimension that is written for it", (name, value) => {
    assert.deepStrictEqual(CircuitMetrics.metric("CallsFailed", { service: name, circuit: name }).dimensions, {
      service: value,
      circuit: value
    })
    assert.include(CircuitMetrics.byCircuit("CallsFailed", { service: name }).expression, `"service"="${value}"`)
  })

  it("is a sum, and a maximum where it is a level", () => {
    for (const name of Object.values(CircuitMetrics.names)) {
      const { namespace, period, statistic } = CircuitMetrics.metric(name, { service: "worker" })
      assert.strictEqual(statistic, name === "OpenCircuits" ? "Maximum" : "Sum")
      assert.strictEqual(namespace, "Reclose")
      assert.strictEqual(period.toSeconds(), 60)
    }
  })
})

describe("a search for circuits", () => {
  it("asks for one metric, of one service, by circuit", () => {
    const search = CircuitMetrics.byCircuit("OpenCircuits", {
      service: "worker",
      namespace: "Fleet",
      period: Duration.minutes(5)
    })
    assert.strictEqual(
      search.expression,
      `SEARCH('{"Fleet","service","circuit"} MetricName="OpenCircuits" "service"="worker"', 'Maximum', 300)`
    )
  })

  it.each(["o'neill", "a\"b", "a\\b"])("refuses a service named %s", (service) => {
    assert.throws(() => CircuitMetrics.byCircuit("CircuitOpened", { service }), "can't be searched for")
  })
})
