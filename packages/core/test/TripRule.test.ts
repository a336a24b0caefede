/** Each rule at its boundary, through the breaker, and what it gives as its reason. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, type CircuitEvent, Outcome, type Reading, TripRule, withBreaker } from "@reclose/core"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { failing, failures, hold, isRejected, key, listen, phase, state, succeeding, taking, under } from "./support.ts"

const successes = (calls: number) => Effect.replicateEffect(succeeding, calls)

const ruled = (tripRule: TripRule.TripRule) => under({ tripRule, openDuration: "30 seconds" })

/** Begins a call that takes a while, and moves the clock until it is over. */
const take = (millis: number) =>
  Effect.gen(function*() {
    const call = yield* Effect.forkChild(taking(millis), { startImmediately: true })
    yield* TestClock.adjust(millis)
    return yield* Fiber.join(call)
  })

/** What the last opening gave as its reason. */
const readingsOf = (events: ReadonlyArray<CircuitEvent>): ReadonlyArray<Reading> | undefined => {
  const reason = events.findLast((event) => event._tag === "Transition")?.reason
  return reason?._tag === "Tripped" ? reason.readings : undefined
}

describe("consecutive", () => {
  it.effect("opens at the n-th failure in a row, and says so", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* failures(6)
      assert.strictEqual(yield* phase, "Closed")
      yield* failing
      assert.deepStrictEqual(readingsOf(yield* events), [{ _tag: "Consecutive", failures: 7, threshold: 7 }])
    }).pipe(ruled(TripRule.consecutive(7))))

  it.effect("counts in the order in which calls end, not in which they begin", () =>
    Effect.gen(function*() {
      const calls = [yield* hold(), yield* hold(), yield* hold()] as const
      yield* calls[2].fail
      yield* calls[0].succeed
      yield* calls[1].fail
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(ruled(TripRule.consecutive(2))))

  it.effect("is not interrupted by a call that is", () =>
    Effect.gen(function*() {
      yield* failing
      yield* (yield* hold()).interrupt
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(ruled(TripRule.consecutive(2))))
})

describe("failures", () => {
  it.effect("opens at the n-th failure in the window, however many calls succeed beside them", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* Effect.replicateEffect(Effect.andThen(failing, successes(100)), 2)
      assert.strictEqual(yield* phase, "Closed")
      yield* failing
      const reading = { _tag: "Failures", failures: 3, threshold: 3, window: 60_000 } as const
      assert.deepStrictEqual(readingsOf(yield* events), [reading])
    }).pipe(ruled(TripRule.failures({ failures: 3, window: "1 minute" }))))

  it.effect("forgets a failure as soon as its tenth of the window is a window old", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("500 millis")
      yield* failures(2)
      yield* TestClock.adjust("9499 millis")
      assert.include((yield* state).readings[0], { failures: 2 })
      yield* TestClock.adjust("1 milli")
      assert.include((yield* state).readings[0], { failures: 0 })
    }).pipe(ruled(TripRule.failures({ failures: 3, window: "10 seconds" }))))
})

describe("failureRate", () => {
  it.effect("opens at its threshold over a window of calls, and says with what", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* successes(93)
      yield* failures(6)
      assert.strictEqual(yield* phase, "Closed")
      yield* failing
      assert.deepStrictEqual(readingsOf(yield* events), [
        { _tag: "FailureRate", rate: 0.07, hits: 7, calls: 100, threshold: 0.07, minimumCalls: 100 }
      ])
    }).pipe(ruled(TripRule.failureRate({ threshold: 0.07, window: 100, minimumCalls: 100 }))))

  it.effect("opens at its threshold over a window of time", () =>
    Effect.gen(function*() {
      yield* failures(4)
      yield* TestClock.adjust("5 seconds")
      yield* successes(4)
      yield* failing
      assert.strictEqual(yield* phase, "Closed", "5 of 9, one call too few")
      yield* TestClock.adjust("5 seconds")
      yield* successes(3)
      yield* failures(1)
      assert.strictEqual(yield* phase, "Closed", "2 of 9: four failures have left")
      yield* failures(6)
      assert.strictEqual(yield* phase, "Open", "8 of 15")
    }).pipe(ruled(TripRule.failureRate({ threshold: 0.5, window: "10 seconds", minimumCalls: 10 }))))

  it.effect("has defaults: half of the last hundred calls, of at least twenty", () =>
    Effect.gen(function*() {
      yield* successes(10)
      yield* failures(9)
      assert.strictEqual(yield* phase, "Closed")
      assert.include((yield* state).readings[0], { threshold: 0.5, minimumCalls: 20 })
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(ruled(TripRule.failureRate())))

  it.effect("never opens on successes alone", () =>
    Effect.gen(function*() {
      yield* successes(200)
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(ruled(TripRule.failureRate({ threshold: 0.000001, window: 10 }))))
})

describe("slowCallRate", () => {
  it.effect("takes a call for slow that took exactly as long as it says", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* take(1999)
      yield* take(1999)
      assert.include((yield* state).readings[0], { hits: 0, calls: 2 })
      yield* take(2000)
      assert.strictEqual(yield* phase, "Closed")
      assert.strictEqual(yield* take(2000), "42")
      assert.deepStrictEqual(readingsOf(yield* events), [
        { _tag: "SlowCallRate", rate: 0.5, hits: 2, calls: 4, threshold: 0.5, minimumCalls: 4 }
      ])
    }).pipe(ruled(TripRule.slowCallRate({ slowerThan: "2 seconds", window: 4, minimumCalls: 4 }))))

  it.effect("counts slow failures as slow, and quick failures as quick", () =>
    Effect.gen(function*() {
      yield* failing
      assert.include((yield* state).readings[0], { hits: 0, calls: 1 })
      const call = yield* hold()
      yield* TestClock.adjust("2 seconds")
      yield* call.fail
      assert.strictEqual(yield* phase, "Open")
    }).pipe(ruled(TripRule.slowCallRate({ slowerThan: "2 seconds", window: "1 minute", minimumCalls: 2 }))))

  it.effect("takes no call for slow whose classifier is", () =>
    Effect.gen(function*() {
      const guarded = withBreaker(Effect.succeed("42"), {
        key,
        classify: (exit) => Effect.delay(Effect.succeed(Outcome.fromExit(exit)), "10 seconds")
      })
      const call = yield* Effect.forkChild(guarded, { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(call)
      assert.include((yield* state).readings[0], { hits: 0, calls: 1 })
    }).pipe(ruled(TripRule.slowCallRate({ slowerThan: "2 seconds", window: 10 }))))

  it.effect("does not see a slow call that is interrupted", () =>
    Effect.gen(function*() {
      const call = yield* hold()
      yield* TestClock.adjust("1 hour")
      yield* call.interrupt
      assert.include((yield* state).readings[0], { hits: 0, calls: 0 })
    }).pipe(ruled(TripRule.slowCallRate({ slowerThan: "2 seconds", window: 10 }))))
})

describe("inFlightAge", () => {
  const rule = TripRule.inFlightAge({ olderThan: "5 seconds", calls: 2 })

  it.effect("opens before the call that finds enough others hanging, which is rejected", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const hanging = [yield* hold(), yield* hold()] as const
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(yield* succeeding, "42")
      yield* TestClock.adjust("1 milli")
      assert.isTrue(isRejected(yield* Effect.exit(succeeding)))
      const reading = { _tag: "InFlightAge", calls: 2, threshold: 2, olderThan: 5000 } as const
      assert.deepStrictEqual(readingsOf(yield* events), [reading])
      yield* hanging[0].succeed
      yield* hanging[1].fail
      assert.strictEqual(yield* phase, "Open", "late results change nothing")
    }).pipe(ruled(rule)))

  it.effect("opens at the outcome of a call, too", () =>
    Effect.gen(function*() {
      yield* Effect.replicateEffect(hold(), 2)
      const quick = yield* hold()
      yield* TestClock.adjust("5 seconds")
      const events = yield* listen()
      yield* quick.succeed
      assert.isDefined(readingsOf(yield* events))
    }).pipe(ruled(rule)))

  it.effect("stays closed while calls end in time, or by interruption", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 10; i++) {
        const [quick, cancelled] = [yield* hold(), yield* hold()]
        yield* TestClock.adjust("4 seconds")
        yield* quick.succeed
        yield* cancelled.interrupt
      }
      yield* hold()
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* phase, "Closed", "one is not enough")
    }).pipe(ruled(rule)))

  it.effect("judges nothing that an operator has disabled", () =>
    Effect.gen(function*() {
      yield* Effect.replicateEffect(hold(), 2)
      yield* CircuitBreaker.use((breaker) => breaker.forceClosed(key))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* succeeding, "42")
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(ruled(rule)))
})

describe("any", () => {
  const rule = TripRule.any([
    TripRule.failures({ failures: 3, window: "1 minute" }),
    TripRule.consecutive(2),
    TripRule.slowCallRate({ slowerThan: "1 second", window: 1 })
  ])

  it.effect("opens when one of its rules would, and gives that one for a reason", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* failures(2)
      assert.deepStrictEqual(readingsOf(yield* events), [{ _tag: "Consecutive", failures: 2, threshold: 2 }])
    }).pipe(ruled(rule)))

  it.effect("gives the first in order where several would", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* failing
      yield* succeeding
      yield* failures(2)
      assert.deepStrictEqual(readingsOf(yield* events)?.map((reading) => reading._tag), ["Failures"])
    }).pipe(ruled(rule)))

  it.effect("records with each of its rules", () =>
    Effect.gen(function*() {
      yield* failing
      const measured = (yield* state).readings.map((reading) =>
        "failures" in reading ? reading.failures : reading.calls
      )
      assert.deepStrictEqual(measured, [1, 1, 1])
    }).pipe(ruled(rule)))
})

describe("all", () => {
  const rule = TripRule.all([
    TripRule.failureRate({ threshold: 0.2, window: 10, minimumCalls: 1 }),
    TripRule.failures({ failures: 3, window: "1 minute" })
  ])

  it.effect("opens when each of its rules would at the same moment, and gives all of them for a reason", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* failures(2)
      assert.strictEqual(yield* phase, "Closed", "the rate is met, the count is not")
      yield* successes(9)
      yield* failing
      assert.strictEqual(yield* phase, "Closed", "the count is met, the rate no longer is: 1 of 10")
      yield* failing
      assert.deepStrictEqual(readingsOf(yield* events)?.map((reading) => reading._tag), ["FailureRate", "Failures"])
    }).pipe(ruled(rule)))
})
