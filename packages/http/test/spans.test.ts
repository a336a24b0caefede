import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker } from "@reclose/core"
import { GuardedHttpClient } from "@reclose/http"
import { Effect, Layer, Logger, References, Tracer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { guardedOver, text } from "./clients.ts"

const url = "http://upstream.example/users/7"
const key = "http://upstream.example"

const client = HttpClient.make((request) =>
  Effect.as(Effect.logInfo("sent"), HttpClientResponse.fromWeb(request, new Response("ok")))
)

/** The spans that a program draws. */
const spansOf = <A, E, R>(program: Effect.Effect<A, E, R>) => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return Effect.as(Effect.provideService(program, Tracer.Tracer, tracer), spans)
}

const attributesOf = (span: Tracer.Span | undefined) => Object.fromEntries(span?.attributes ?? [])

describe("spans", () => {
  it.effect("a request that was admitted names its circuit, in the place where it was made", () =>
    Effect.gen(function*() {
      const [outer, request] = yield* spansOf(Effect.withSpan(text(url), "job"))
      assert.strictEqual(request?.kind, "client")
      assert.strictEqual(request?.parent._tag === "Some" ? request.parent.value.spanId : undefined, outer?.spanId)
      assert.deepInclude(attributesOf(request), {
        "circuit.key": key,
        "circuit.decision": "admitted",
        "http.response.status_code": 200
      })
      assert.notProperty(attributesOf(outer), "circuit.key")
    }).pipe(Effect.provide(guardedOver(client))))

  it.effect("a request that was rejected has a span that says so", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* breaker.forceOpen(key)
      const spans = yield* spansOf(Effect.withSpan(Effect.flip(text(url)), "job"))
      assert.strictEqual(spans.length, 2)
      assert.deepStrictEqual(attributesOf(spans[1]), {
        "http.request.method": "GET",
        "circuit.key": key,
        "circuit.decision": "rejected",
        "circuit.reason": "Forced"
      })
      assert.strictEqual(spans[1]?.kind, "client")
      assert.strictEqual(spans[1]?.parent._tag === "Some" ? spans[1].parent.value.spanId : undefined, spans[0]?.spanId)
      assert.isTrue(spans[1]?.status._tag === "Ended" && spans[1].status.exit._tag === "Failure")
    }).pipe(Effect.provide(guardedOver(client))))

  it.effect("there is none where requests have none", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* breaker.forceOpen(key)
      const spans = yield* spansOf(
        Effect.provideService(Effect.flip(text(url)), HttpClient.TracerDisabledWhen, () => true)
      )
      assert.strictEqual(spans.length, 0)
    }).pipe(Effect.provide(guardedOver(client))))

  it.effect("a stale answer has one, and none where requests have none", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* text(url)
      yield* breaker.forceOpen(key)
      const all = yield* spansOf(text(url))
      assert.deepStrictEqual(
        all.map((span) => attributesOf(span)["circuit.decision"]),
        ["rejected", "stale"]
      )
      const none = yield* spansOf(Effect.provideService(text(url), HttpClient.TracerDisabledWhen, () => true))
      assert.strictEqual(none.length, 0)
    }).pipe(Effect.provide(guardedOver(client, { policy: { stale: { maxAge: "1 minute" } } }))))

  it.effect("a request without a circuit names none", () =>
    Effect.gen(function*() {
      const [request] = yield* spansOf(text(url))
      assert.notProperty(attributesOf(request), "circuit.key")
    }).pipe(Effect.provide(guardedOver(client, { policy: { key: () => undefined } }))))
})

describe("logs", () => {
  it.effect("on behalf of a request name its circuit, beside what the program says", () =>
    Effect.gen(function*() {
      const annotations: Array<unknown> = []
      const logger = Logger.make(({ fiber }) => annotations.push(fiber.getRef(References.CurrentLogAnnotations)))
      yield* Effect.flatMap(GuardedHttpClient, (client) => client.get(url)).pipe(
        Effect.annotateLogs("job", 7),
        Effect.provide(Layer.mergeAll(Logger.layer([logger])))
      )
      assert.deepStrictEqual(annotations, [{ job: 7, "circuit.key": key, "circuit.decision": "admitted" }])
    }).pipe(Effect.provide(guardedOver(client))))
})
