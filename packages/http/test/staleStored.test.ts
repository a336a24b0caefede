/** What a store, or a `LastGood` of the program, does wrong fails no request. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, LastGoodStore } from "@reclose/core"
import { StaleAnswer } from "@reclose/http"
import { Duration, Effect } from "effect"
import { listen, TestStore, told } from "../../core/test/fallback/support.ts"
import { guarded } from "./clients.ts"
import { endOf, get, ok, trip } from "./stale.ts"
import { makeUpstream, status } from "./Upstream.ts"

describe("what a store holds that is no answer", () => {
  const headersOf = (headers: unknown) => ({ headers, body: "YQ==" })

  it.live.each<readonly [string, unknown]>([
    ["a header whose name can't be sent", headersOf({ "a b": "c" })],
    ["a header whose value can't be sent", headersOf({ a: "b\r\nc: d" })],
    ["a header of other characters", headersOf({ a: "\u4e00" })],
    ["a header that is no text", headersOf({ a: 1 })],
    ["no headers", { body: "YQ==" }],
    ["a body that is no base64", { headers: {}, body: "%%%" }],
    ["nothing", null]
  ])("is a miss that is reported: %s", ([, value]) =>
    Effect.gen(function*() {
      const store = new TestStore()
      const events = yield* listen()
      const lastGood = yield* LastGoodStore.make({ store: store.service, schema: StaleAnswer.schema })
      yield* Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        const request = get(upstream.url("/ok"))
        yield* endOf(request)
        yield* lastGood.flush
        for (const [key, text] of store.held) {
          // As another process has written it.
          store.held.set(
            key,
            JSON.stringify({ ...JSON.parse(text), writer: "another", value })
          )
        }
        const fresh = yield* LastGoodStore.make({ store: store.service, schema: StaleAnswer.schema })
        const [key = ""] = store.held.keys()
        assert.isUndefined(yield* fresh.recall(key.replace("reclose/lastGood/", "")))
      }).pipe(Effect.provide(guarded({ policy: { stale: { maxAge: "1 minute", lastGood } } })))
      assert.isTrue(told(yield* events).every((event) => event.startsWith("AnswerCorrupt")))
      assert.isAbove((yield* events).length, 0)
    }))

  it.live.each<readonly [string, unknown]>([
    ["a header that can't be sent", { value: { headers: { "a b": "c" }, body: new Uint8Array() }, age: Duration.zero }],
    ["no body", { value: { headers: {} }, age: Duration.zero }],
    ["no value", { age: Duration.zero }],
    ["a body that is too long", { value: { headers: {}, body: new Uint8Array(65_537) }, age: Duration.zero }],
    ["no age", { value: { headers: {}, body: new Uint8Array() } }]
  ])("of a LastGood of one's own, is a miss: %s", ([, answer]) =>
    Effect.gen(function*() {
      // What TypeScript forbids, a program in JavaScript may answer.
      const recall = () => Effect.succeed(answer as never)
      const lastGood = { remember: () => Effect.void, forget: () => Effect.void, recall, flush: Effect.void }
      const url = "http://a.example/"
      yield* Effect.gen(function*() {
        yield* Effect.flatMap(CircuitBreaker, ({ forceOpen }) => forceOpen("http://a.example"))
        assert.strictEqual(yield* endOf(get(url)), "CircuitOpen")
      }).pipe(Effect.provide(guarded({ policy: { stale: { maxAge: "1 minute", lastGood } } })))
    }))

  it.live("a LastGood that throws fails no request", () =>
    Effect.gen(function*() {
      const throwing = () => Effect.die(new Error("thrown"))
      const lastGood = { remember: throwing, forget: throwing, recall: throwing, flush: Effect.void }
      const upstream = yield* makeUpstream()
      yield* Effect.gen(function*() {
        upstream.next.push(ok("fresh"), status(404, {}, "gone"))
        assert.strictEqual(yield* endOf(get(upstream.url("/"))), "fresh")
        assert.strictEqual(yield* endOf(get(upstream.url("/"))), "gone")
        yield* trip(upstream)
        assert.strictEqual(yield* endOf(get(upstream.url("/"))), "CircuitOpen")
      }).pipe(Effect.provide(guarded({ policy: { stale: { maxAge: "1 minute", lastGood } } })))
    }))
})
