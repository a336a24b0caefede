/** The error of a rejected call: an error in every way, but that it costs no stack trace. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitOpen, type Policy, TripRule, withBreaker } from "@reclose/core"
import { Cause, Duration, Effect, Equal, Exit } from "effect"
import { TestClock } from "effect/testing"
import { failing, hold, key, rejection, state, succeeding, under } from "./support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const rejected = Effect.andThen(failing, rejection)

const fields = {
  key,
  phase: "Open",
  reason: "Tripped",
  retryAfter: Duration.seconds(30),
  consecutiveOpenings: 1
} as const

describe("CircuitOpen", () => {
  it.effect("is an Error of its own class, with its tag for a name", () =>
    Effect.gen(function*() {
      const open = yield* rejected
      assert.instanceOf(open, CircuitOpen)
      assert.instanceOf(open, Error)
      assert.strictEqual(open._tag, "CircuitOpen")
      assert.strictEqual(open.name, "CircuitOpen")
      assert.strictEqual(Object.prototype.toString.call(open), "[object Error]", "for tools that ask no instanceof")
    }).pipe(under(first)))

  it.effect("has no stack, for a rejection must cost little", () =>
    Effect.gen(function*() {
      const open = yield* rejected
      assert.isUndefined(open.stack)
      assert.isFalse(Object.hasOwn(open, "stack"))
    }).pipe(under(first)))

  it.effect("is a new one for each rejection", () =>
    Effect.gen(function*() {
      const open = yield* rejected
      yield* TestClock.adjust("1 second")
      const later = yield* rejection
      assert.notStrictEqual(later, open)
      assert.strictEqual(Duration.toSeconds(open.retryAfter), 30)
      assert.strictEqual(Duration.toSeconds(later.retryAfter), 29)
    }).pipe(under(first)))

  it.effect.each<[string, Effect.Effect<unknown, unknown, CircuitBreaker>]>([
    ["tripped", failing],
    ["forced open", CircuitBreaker.use((breaker) => breaker.forceOpen(key))]
  ])(
    "is the same one for a storm of calls within a millisecond, each of them counted, where it was %s",
    ([, open]) =>
      Effect.gen(function*() {
        yield* TestClock.adjust("1 hour")
        yield* open
        const storm = yield* Effect.replicateEffect(rejection, 5)
        assert.strictEqual(new Set(storm).size, 1)
        assert.strictEqual((yield* state).counts.rejected, 5)
      }).pipe(under(first))
  )

  it.effect("says in its message which circuit, why, and when to try again", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* rejected).message, `Circuit "quotes" is open; try again in 30s`)
      yield* TestClock.adjust("30 seconds")
      const probe = yield* hold()
      const probing = `Circuit "quotes" is half-open and all its probes are out; try again in 30s`
      assert.strictEqual((yield* rejection).message, probing)
      yield* probe.succeed
      yield* CircuitBreaker.use((breaker) => breaker.forceOpen(key))
      assert.strictEqual(
        (yield* rejection).message,
        `Circuit "quotes" was forced open by an operator; try again in 30s`
      )
    }).pipe(under(first)))

  it.effect("is told in one line, and in the cause of an exit", () =>
    Effect.gen(function*() {
      yield* failing
      const exit = yield* Effect.exit(succeeding)
      assert.isTrue(Exit.isFailure(exit))
      if (!Exit.isFailure(exit)) return
      assert.include(Cause.pretty(exit.cause), `CircuitOpen: Circuit "quotes" is open; try again in 30s`)
      const open = yield* rejection
      assert.strictEqual(String(open), `CircuitOpen: Circuit "quotes" is open; try again in 30s`)
    }).pipe(under(first)))

  it.effect("is caught by its tag, and fails an effect that yields it", () =>
    Effect.gen(function*() {
      const open = yield* rejected
      const caught = yield* Effect.catchTag(succeeding, "CircuitOpen", ({ key }) => Effect.succeed(`no ${key} today`))
      assert.strictEqual(caught, "no quotes today")
      const again = yield* Effect.gen(function*() {
        return yield* open
      }).pipe(Effect.flip)
      assert.strictEqual(again, open)
      assert.strictEqual(yield* Effect.flip(open), open)
    }).pipe(under(first)))

  it.effect("is written to JSON with all that it says", () =>
    Effect.gen(function*() {
      const open = yield* rejected
      const json: unknown = JSON.parse(JSON.stringify(open))
      assert.deepStrictEqual(json, JSON.parse(JSON.stringify({ ...fields, _tag: "CircuitOpen" })))
    }).pipe(under(first)))

  it.effect("holds the same as one that a program makes itself, which has a stack", () =>
    Effect.gen(function*() {
      const open = yield* rejected
      const made = new CircuitOpen(fields)
      assert.strictEqual(open.message, made.message)
      assert.deepStrictEqual(JSON.parse(JSON.stringify(open)), JSON.parse(JSON.stringify(made)))
      assert.deepStrictEqual(Object.keys(open).sort(), Object.keys(made).sort())
      assert.isString(made.stack)
      assert.isFalse(Equal.equals(open, made), "errors are equal only to themselves")
      assert.isTrue(Equal.equals(open, open))
    }).pipe(under(first)))

  it.effect("passes through other breakers unchanged, where it is a failure of what they guard", () =>
    Effect.gen(function*() {
      yield* failing
      const outer = withBreaker(succeeding, "outer")
      const open = yield* Effect.flip(outer)
      assert.strictEqual(open.key, key)
      assert.strictEqual((yield* Effect.flip(outer)).key, "outer")
    }).pipe(under(first)))
})
