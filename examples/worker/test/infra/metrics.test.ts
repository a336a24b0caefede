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

const prefix = "https://quotes.example/".padEnd(300, "x")

it.each([
  ["a per cent sign and an umlaut", "größe", "100% of https://quotes.example/ü"],
  ["a Cyrillic route of 73 characters", "котировки", "GET /котировки/".padEnd(73, "ж")],
  ["a Cyrillic route of 512 characters", "ж".repeat(255), "ж".repeat(512)],
  ["a blank", "worker", " "],
  ["one of two long keys that share a prefix", "worker", `${prefix}a`],
  ["the other of two long keys that share a prefix", "worker", `${prefix}b`]
])("alarms watch the circuit of a key under the name that is written: %s", async (_, service, circuit) => {
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

it("two long keys that share a prefix are two metrics", () => {
  const [one, other] = [`${prefix}a`, `${prefix}b`].map((circuit) =>
    CircuitMetrics.metric("CallsFailed", { service: "worker", circuit }).dimensions?.["circuit"]
  )
  assert.notStrictEqual(one, other)
})

it.each([
  { service: " ", namespace: "Reclose" },
  { service: "", namespace: "Reclose" },
  { service: "x".repeat(256), namespace: "Reclose" },
  { service: "worker", namespace: "AWS/Lambda" },
  { service: "worker", namespace: "größe" }
])("what programs refuse to write under, stacks refuse to watch: %j", async (options) => {
  const writing = EmbeddedMetrics.layer(options).pipe(
    Layer.provide(LambdaBreaker.layer()),
    Layer.provide([BeforeResponse.layer, CircuitStore.layerMemory]),
    Layer.build,
    Effect.scoped,
    Effect.flip
  )
  const error = await Effect.runPromise(writing)
  const [{ allowed = "" } = {}] = error.issues
  assert.throws(() => CircuitMetrics.metric("CallsFailed", options), allowed)
  assert.throws(() => CircuitMetrics.byCircuit("CallsFailed", options), allowed)
})
