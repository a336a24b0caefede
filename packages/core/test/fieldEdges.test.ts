/**
 * The edges on which breakers differ, each where some peer goes wrong: who counts in a trial, late results, probes that
 * give no answer. The edges of time stand in `fieldClock.test.ts`, what a changed policy does to each phase in
 * `breaker/policyUpdates.test.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Policy, TripRule, withBreaker } from "@reclose/core"
import { Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import {
  failing,
  failures,
  hold,
  isRejected,
  key,
  phase,
  rejection,
  state,
  succeeding,
  taking,
  under
} from "./support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }
const twoProbes: Policy.Policy = { ...first, halfOpen: { permits: 2, successThreshold: 2, failureThreshold: 2 } }

const readyToProbe = Effect.andThen(failing, TestClock.adjust("30 seconds"))

const remaining = Effect.map(rejection, (open) => Duration.toMillis(open.retryAfter))

describe("who counts in a half-open circuit", () => {
  it.effect("the probes do, in the order of their answers, whichever was let out first", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const [early, late] = [yield* hold(), yield* hold()]
      yield* late.succeed
      assert.strictEqual(yield* phase, "HalfOpen")
      yield* early.succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(twoProbes)))

  it.effect("a rejected call does not: it neither ends a trial nor takes a permit", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probe = yield* hold()
      yield* Effect.replicateEffect(rejection, 10)
      assert.strictEqual(yield* phase, "HalfOpen")
      yield* probe.succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("an answered probe gives its permit back, so no more are out at once than there are permits", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const [a] = [yield* hold(), yield* hold()]
      yield* a.succeed
      const b = yield* hold()
      assert.isTrue(isRejected(yield* Effect.exit(succeeding)))
      yield* b.interrupt
      assert.strictEqual((yield* state).probes, 1)
    }).pipe(under({ ...first, halfOpen: { permits: 2, successThreshold: 3 } })))

  it.effect("a slow probe has failed, though it succeeded", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probe = yield* Effect.forkChild(taking("2 seconds"), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(probe), "42")
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({
      ...first,
      tripRule: TripRule.any([TripRule.consecutive(1), TripRule.slowCallRate({ slowerThan: "2 seconds" })])
    })))
})

describe("a late result", () => {
  it.effect.each(["succeed", "fail", "die", "interrupt"] as const)(
    "of a call of the closed circuit that ends with %s changes nothing while it is open",
    (end) =>
      Effect.gen(function*() {
        const call = yield* hold()
        yield* failing
        yield* TestClock.adjust("10 seconds")
        yield* call[end]
        assert.strictEqual(yield* phase, "Open")
        assert.strictEqual(yield* remaining, 20_000, "and no opening grows longer by it")
        assert.strictEqual((yield* state).consecutiveOpenings, 1)
      }).pipe(under(first))
  )

  it.effect.each(["succeed", "fail", "die", "interrupt"] as const)(
    "of a call of the closed circuit that ends with %s decides no trial and frees no permit",
    (end) =>
      Effect.gen(function*() {
        const call = yield* hold()
        yield* readyToProbe
        yield* hold()
        yield* call[end]
        const after = yield* state
        assert.strictEqual(after.phase, "HalfOpen")
        assert.strictEqual(after.probes, 1)
      }).pipe(under(first))
  )

  it.effect.each(["succeed", "fail"] as const)(
    "of a call that ends with %s is no evidence after a recovery",
    (end) =>
      Effect.gen(function*() {
        const call = yield* hold()
        yield* failures(2)
        yield* TestClock.adjust("30 seconds")
        yield* succeeding
        yield* failing
        yield* call[end]
        assert.deepStrictEqual((yield* state).readings, [{ _tag: "Consecutive", failures: 1, threshold: 2 }])
      }).pipe(under({ ...first, tripRule: TripRule.consecutive(2) }))
  )

  it.effect("of a probe of the trial before decides nothing in this one", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const [before, failed, failedToo] = [yield* hold(), yield* hold(), yield* hold()]
      yield* failed.fail
      yield* failedToo.fail
      assert.strictEqual(yield* phase, "Open")
      yield* TestClock.adjust("30 seconds")
      yield* succeeding
      yield* before.succeed
      assert.strictEqual(yield* phase, "HalfOpen", "one of two successes")
    }).pipe(under({ ...twoProbes, halfOpen: { permits: 3, successThreshold: 2, failureThreshold: 2 } })))
})

describe("a probe that is cancelled", () => {
  it.effect("frees its permit and leaves the decision to the next", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* (yield* hold()).interrupt
      const after = yield* state
      assert.strictEqual(after.phase, "HalfOpen")
      assert.strictEqual(after.probes, 0)
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(first)))

  it.effect("before it begins leaves the circuit as it was", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const fiber = yield* Effect.forkChild(succeeding)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* state).probes, 0)
      assert.notStrictEqual(yield* phase, "Closed")
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("by the timeout of its caller is no success", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const fiber = yield* Effect.never.pipe(
        withBreaker(key),
        Effect.timeoutOption("1 second"),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* phase, "HalfOpen")
    }).pipe(under(first)))
})

describe("a probe that dies", () => {
  it.effect("has failed, and its defect surfaces", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const exit = yield* (yield* hold()).die
      assert.match(String(exit), /broken/)
      const after = yield* state
      assert.strictEqual(after.phase, "Open")
      assert.strictEqual(after.consecutiveOpenings, 2)
    }).pipe(under(first)))

  it.effect("gives its permit back where one failure decides nothing", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* (yield* hold()).die
      const after = yield* state
      assert.strictEqual(after.phase, "HalfOpen")
      assert.strictEqual(after.probes, 0)
    }).pipe(under(twoProbes)))
})

describe("a probe that is lost", () => {
  it.effect("holds the circuit half-open until the deadline, and not longer", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* hold()
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual((yield* rejection).reason, "Probing")
      yield* TestClock.adjust("1 milli")
      assert.strictEqual((yield* rejection).reason, "Tripped")
    }).pipe(under(first)))

  it.effect("is counted from its deadline on, however late that is noticed", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* hold()
      yield* TestClock.adjust("50 seconds")
      assert.strictEqual(yield* remaining, 10_000)
      yield* TestClock.adjust("10 seconds")
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("answers too late at the very deadline", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probe = yield* hold()
      yield* TestClock.adjust("30 seconds")
      yield* probe.succeed
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(first)))

  it.effect("fails the trial with all that succeeded in it", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* hold()
      yield* succeeding
      yield* TestClock.adjust("60 seconds")
      yield* succeeding
      assert.strictEqual(yield* phase, "HalfOpen", "one success of the new trial")
    }).pipe(under(twoProbes)))
})
