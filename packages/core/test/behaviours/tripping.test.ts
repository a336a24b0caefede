/** What opens a closed circuit, and what does not. */
import { assert, describe, it } from "@effect/vitest"
import { type GuardOptions, Outcome, TripRule } from "@reclose/core"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { failing, failures, hold, isRejected, key, phase, state, succeeding, taking, under } from "../support.ts"

const successes = (calls: number) => Effect.replicateEffect(succeeding, calls)

describe("a rate over a window of calls", () => {
  it.effect("15: one failure fewer than the minimum of calls leaves the circuit closed", () =>
    Effect.gen(function*() {
      yield* failures(9)
      assert.strictEqual(yield* phase, "Closed")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.failureRate({ window: 20, minimumCalls: 10 }) })))

  it.effect("16: it opens at its threshold, not only above it", () =>
    Effect.gen(function*() {
      yield* successes(6)
      yield* failures(3)
      assert.strictEqual(yield* phase, "Closed", "3 of 9 is less than 0.4")
      yield* failing
      assert.strictEqual(yield* phase, "Open", "4 of 10 is 0.4")
    }).pipe(under({ tripRule: TripRule.failureRate({ threshold: 0.4, window: 10, minimumCalls: 1 }) })))

  it.effect("16: the success that makes the minimum of calls full can open it", () =>
    Effect.gen(function*() {
      yield* failures(5)
      yield* successes(4)
      assert.strictEqual(yield* phase, "Closed")
      yield* succeeding
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.failureRate({ threshold: 0.5, window: 10, minimumCalls: 10 }) })))

  it.effect("17: an outcome that has left the window no longer counts", () =>
    Effect.gen(function*() {
      yield* failures(4)
      yield* successes(10)
      yield* failures(4)
      assert.strictEqual(yield* phase, "Closed", "4 of 10, and not 8 of 18")
      assert.deepStrictEqual((yield* state).readings.map((reading) => "hits" in reading && reading.hits), [4])
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.failureRate({ threshold: 0.5, window: 10, minimumCalls: 10 }) })))

  it.effect("19: below the minimum of calls nothing opens the circuit, though every call fails", () =>
    Effect.gen(function*() {
      yield* failures(19)
      assert.strictEqual(yield* phase, "Closed")
      yield* TestClock.adjust("1 minute")
      yield* failures(19)
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under({ tripRule: TripRule.failureRate({ window: "1 minute", minimumCalls: 20 }) })))
})

describe("a window of time", () => {
  it.effect("18: failures older than the window don't count", () =>
    Effect.gen(function*() {
      yield* failures(4)
      yield* TestClock.adjust("59999 millis")
      assert.deepStrictEqual((yield* state).readings.map((reading) => "failures" in reading && reading.failures), [4])
      yield* TestClock.adjust("1 milli")
      yield* failures(4)
      assert.strictEqual(yield* phase, "Closed")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.failures({ failures: 5, window: "1 minute" }) })))
})

describe("slow calls", () => {
  it.effect("20: slow successes at their rate open the circuit, and their values are returned", () =>
    Effect.gen(function*() {
      const calls = yield* Effect.forEach(
        [1, 1, 2, 2],
        (seconds) => Effect.forkChild(taking(`${seconds} seconds`), { startImmediately: true })
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* phase, "Closed")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* phase, "Open")
      assert.deepStrictEqual(yield* Effect.forEach(calls, Fiber.join), ["42", "42", "42", "42"])
      assert.isTrue(isRejected(yield* Effect.exit(succeeding)))
    }).pipe(under({ tripRule: TripRule.slowCallRate({ slowerThan: "2 seconds", window: 4, minimumCalls: 4 }) })))
})

describe("quick calls", () => {
  const slow = TripRule.slowCallRate({ slowerThan: "2 seconds", window: 1, minimumCalls: 1 })

  it.effect.each<[string, GuardOptions<string, string>]>([
    ["by key", { key }],
    ["with a classifier", { key, classify: Outcome.fromExit }]
  ])("20: guarded %s are not slow for beginning late", ([, options]) =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      const call = yield* hold(options)
      yield* TestClock.adjust("1999 millis")
      yield* call.succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under({ tripRule: slow })))
})

describe("warm-up", () => {
  it.effect("21: failures during it leave the circuit closed, and afterwards it opens as ever", () =>
    Effect.gen(function*() {
      yield* failures(10)
      yield* TestClock.adjust("9999 millis")
      yield* failures(10)
      assert.strictEqual(yield* phase, "Closed")
      yield* TestClock.adjust("1 milli")
      yield* failing
      assert.strictEqual(yield* phase, "Closed", "what it saw while warming up is not held against it")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.consecutive(2), warmUp: "10 seconds" })))

  it.effect("21: a call that begins during it and ends after it counts", () =>
    Effect.gen(function*() {
      const call = yield* hold()
      yield* TestClock.adjust("10 seconds")
      yield* call.fail
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.consecutive(1), warmUp: "10 seconds" })))
})
