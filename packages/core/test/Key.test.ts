/** What may name a circuit, wherever a key is taken. */
import { assert, describe, it } from "@effect/vitest"
import { type Breaker, CircuitBreaker, CircuitOpen, PolicyError, TripRule, withBreaker } from "@reclose/core"
import { Cause, Effect, Exit } from "effect"
import { listen, over, TestStore, under } from "./support.ts"

const allowed = "1 to 512 characters, none of them a control character or half of a surrogate pair"

const unsafe: ReadonlyArray<readonly [string, string]> = [
  ["is empty", ""],
  ["is of 513 characters", "x".repeat(513)],
  ["holds NUL", "a\u0000b"],
  ["holds a tab", "a\tb"],
  ["holds a line feed", "a\nb"],
  ["ends in a line feed", "a\n"],
  ["holds a carriage return", "a\rb"],
  ["holds an escape sequence of terminals", "\u001B[31mred"],
  ["holds the last of the first control characters", "a\u001Fb"],
  ["holds DEL", "a\u007Fb"],
  ["holds the first of the second control characters", "a\u0080b"],
  ["holds NEL", "a\u0085b"],
  ["holds the last of the second control characters", "a\u009Fb"],
  ["holds a line separator", "a\u2028b"],
  ["holds a paragraph separator", "a\u2029b"],
  ["is half of a surrogate pair", "\uD83D"],
  ["holds the first half of a surrogate pair", "a\uD83Db"],
  ["holds the second half of a surrogate pair", "a\uDE42b"],
  ["holds a surrogate pair the wrong way round", "\uDE42\uD83D"],
  ["ends in half of a surrogate pair", "🙂\uD83D"]
]

const safe: ReadonlyArray<readonly [string, string]> = [
  ["is one character", "a"],
  ["is of 512 characters", "x".repeat(512)],
  ["is of 512 halves of surrogate pairs", "🙂".repeat(256)],
  ["is a space", " "],
  ["begins and ends in spaces", " a b "],
  ["holds a no-break space, beyond the last control character", "a\u00A0b"],
  ["holds a tilde, before DEL", "a~b"],
  ["is a URL", "GET https://api.example/v1/quotes?of=a%20b#c"],
  ["is of many scripts", "ключ/鍵/مفتاح/🗝️"],
  ["holds a character of a composed one", "e\u0301"],
  ["holds a joiner", "👩‍🚀"],
  ["is named like a part of every object", "__proto__"],
  ["is named like another", "constructor"],
  ["is a star", "*"]
]

/** Everything of a breaker that takes a key. */
const uses: ReadonlyArray<readonly [string, (breaker: Breaker, key: string) => Effect.Effect<unknown, PolicyError>]> = [
  ["state", (breaker, key) => breaker.state(key)],
  ["forceOpen", (breaker, key) => breaker.forceOpen(key)],
  ["forceClosed", (breaker, key) => breaker.forceClosed(key)],
  ["disable", (breaker, key) => breaker.disable(key)],
  ["metricsOnly", (breaker, key) => breaker.metricsOnly(key)],
  ["release", (breaker, key) => breaker.release(key)],
  ["reset", (breaker, key) => breaker.reset(key)],
  ["isolate", (breaker, key) => Effect.scoped(breaker.isolate(key))]
]

/** What a breaker has done so far that can be seen: its circuits, its events, what it asked of the store. */
const traces = Effect.fnUntraced(function*(store: TestStore) {
  const events = yield* listen()
  return Effect.gen(function*() {
    const { list } = yield* CircuitBreaker
    return { circuits: yield* list, events: yield* events, reads: store.reads, held: store.held.size }
  })
})

const nothing = { circuits: [], events: [], reads: 0, held: 0 }

describe("a key that", () => {
  it.effect.each(unsafe)("%s is refused by all that takes one, and leaves no trace", ([, key]) => {
    const store = new TestStore()
    return Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const seen = yield* traces(store)
      for (const [name, use] of uses) {
        const error = yield* Effect.flip(use(breaker, key))
        assert.instanceOf(error, PolicyError, name)
        assert.deepStrictEqual(error.issues, [{ field: "key", value: key, allowed }])
      }
      assert.deepStrictEqual(yield* seen, nothing)
    }).pipe(over(store))
  })

  it.effect.each(unsafe)("%s is a defect of the guarded call, which is not made", ([, key]) => {
    const store = new TestStore()
    return Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const seen = yield* traces(store)
      let calls = 0
      const call = Effect.sync(() => ++calls)
      const guarded = [
        withBreaker(call, key),
        call.pipe(withBreaker({ key })),
        breaker.withBreaker(call, key),
        Effect.suspend(() => breaker.enterUnsafe(call, key))
      ]
      for (const attempt of guarded) {
        const exit = yield* Effect.exit(attempt)
        const defects = Exit.isFailure(exit)
          ? exit.cause.reasons.map((reason) => Cause.isDieReason(reason) && reason.defect)
          : []
        assert.lengthOf(defects, 1)
        assert.instanceOf(defects[0], PolicyError)
        assert.deepStrictEqual(defects[0].issues, [{ field: "key", value: key, allowed }])
      }
      assert.strictEqual(calls, 0)
      assert.deepStrictEqual(yield* seen, nothing)
    }).pipe(over(store))
  })

  it.effect.each(safe)("%s names a circuit of its own", ([, key]) =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      for (const [, use] of uses) yield* use(breaker, key)
      assert.strictEqual(yield* withBreaker(Effect.succeed("42"), key), "42")
      yield* Effect.flip(withBreaker(Effect.fail("down"), key))
      assert.instanceOf(yield* Effect.flip(withBreaker(Effect.void, key)), CircuitOpen)
      assert.strictEqual(yield* withBreaker(Effect.succeed("42"), "another"), "42")
      assert.strictEqual((yield* breaker.state(key)).key, key)
      assert.sameMembers((yield* breaker.list).map((state) => state.key), [key, "another"])
      yield* breaker.restore(yield* breaker.snapshot)
      assert.strictEqual((yield* breaker.state(key)).phase, "Open")
    }).pipe(under({ tripRule: TripRule.consecutive(1) })))
})

describe("keys", () => {
  it.effect("are told apart by their characters, and not by how they look", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* breaker.forceOpen("\u00E9")
      assert.strictEqual((yield* breaker.state("e\u0301")).override, "None")
      assert.strictEqual((yield* breaker.state("E\u0301")).override, "None")
      assert.strictEqual((yield* breaker.state(" \u00E9")).override, "None")
    }).pipe(under()))

  it.effect("that are no text are refused, too", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      for (const key of [undefined, null, 5, {}, ["a"]]) {
        const error = yield* Effect.flip(breaker.state(key as unknown as string))
        assert.deepStrictEqual(error.issues, [{ field: "key", value: key, allowed }])
        const exit = yield* Effect.exit(withBreaker(Effect.void, { key: key as unknown as string }))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      }
    }).pipe(under()))
})
