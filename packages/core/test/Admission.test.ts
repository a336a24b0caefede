/** Calls that are let through, and whose end is told by hand. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitOpen, Outcome, type Policy, PolicyError, TripRule, withBreaker } from "@reclose/core"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { key, listen, phase, state, under } from "./support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const admit = CircuitBreaker.use((breaker) => breaker.admit(key))

/** Opens the circuit, and waits until calls may probe. */
const onTrial = Effect.gen(function*() {
  const admission = yield* admit
  admission.settle(Outcome.failure())
  yield* TestClock.adjust("30 seconds")
})

describe("a call that is let through", () => {
  it.effect.each<[string, Outcome.Outcome, object]>([
    ["a success", Outcome.success, { succeeded: 1, failed: 0, ignored: 0 }],
    ["a failure", Outcome.failure(), { succeeded: 0, failed: 1, ignored: 0 }],
    ["nothing", Outcome.ignored, { succeeded: 0, failed: 0, ignored: 1 }]
  ])("counts as %s, if it is settled so", ([, outcome, counts]) =>
    Effect.gen(function*() {
      const admission = yield* admit
      admission.settle(outcome)
      assert.deepInclude((yield* state).counts, counts)
    }).pipe(under()))

  it.effect("opens the circuit, which rejects the next one", () =>
    Effect.gen(function*() {
      const admission = yield* admit
      admission.settle(Outcome.failure())
      const rejection = yield* Effect.flip(admit)
      assert.instanceOf(rejection, CircuitOpen)
      assert.strictEqual((yield* state).counts.rejected, 1)
    }).pipe(under(first)))

  it.effect("counts nowhere, if it is released", () =>
    Effect.gen(function*() {
      const admission = yield* admit
      admission.release()
      assert.deepStrictEqual((yield* state).counts, { succeeded: 0, failed: 0, ignored: 0, rejected: 0 })
    }).pipe(under(first)))

  it.effect("is told how it ends once: later words about it come too late", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const admission = yield* admit
      admission.settle(Outcome.success)
      admission.settle(Outcome.failure())
      admission.unclassified(Cause.die("late"))
      admission.release()
      assert.deepInclude((yield* state).counts, { succeeded: 1, failed: 0, ignored: 0 })
      assert.strictEqual(yield* phase, "Closed")
      assert.isEmpty(yield* events)
    }).pipe(under(first)))

  it.effect("says nothing any more, once it is released", () =>
    Effect.gen(function*() {
      const admission = yield* admit
      admission.release()
      admission.settle(Outcome.failure())
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("takes as long as it takes to tell its end", () =>
    Effect.gen(function*() {
      const quick = yield* admit
      yield* TestClock.adjust("999 millis")
      quick.settle(Outcome.success)
      assert.strictEqual(yield* phase, "Closed")
      const slow = yield* admit
      yield* TestClock.adjust("1 second")
      slow.settle(Outcome.success)
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({
      tripRule: TripRule.slowCallRate({ slowerThan: "1 second", threshold: 0.5, window: 10, minimumCalls: 2 })
    })))

  it.effect("has no say in a circuit that has opened and closed since", () =>
    Effect.gen(function*() {
      const late = yield* admit
      yield* onTrial
      const probe = yield* admit
      probe.settle(Outcome.success)
      late.settle(Outcome.failure())
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("counts as ignored, and is told, if its classifier failed", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const admission = yield* admit
      admission.unclassified(Cause.die("broken classifier"))
      assert.deepStrictEqual((yield* events).map(({ _tag }) => _tag), ["ClassifierFailed"])
      assert.deepInclude((yield* state).counts, { failed: 0, ignored: 1 })
    }).pipe(under(first)))

  it.effect("is one of the calls in flight until its end is told", () =>
    Effect.gen(function*() {
      const admission = yield* admit
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Effect.flip(admit))._tag, "CircuitOpen")
      admission.release()
    }).pipe(under({ tripRule: TripRule.inFlightAge({ olderThan: "5 seconds", calls: 1 }) })))
})

describe("a probe that is let through", () => {
  it.effect("holds its permit until its end is told", () =>
    Effect.gen(function*() {
      yield* onTrial
      const probe = yield* admit
      assert.deepInclude(yield* Effect.flip(admit), { phase: "HalfOpen", reason: "Probing" })
      probe.settle(Outcome.success)
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("leaves its permit to another call, if it is released", () =>
    Effect.gen(function*() {
      yield* onTrial
      const probe = yield* admit
      probe.release()
      yield* withBreaker(Effect.void, key)
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("fails its trial after `halfOpen.maxDuration`, if nobody tells its end", () =>
    Effect.gen(function*() {
      yield* onTrial
      yield* admit
      yield* TestClock.adjust("9 seconds")
      assert.deepInclude(yield* Effect.flip(admit), { phase: "HalfOpen", reason: "Probing" })
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* Effect.flip(admit), { phase: "Open", consecutiveOpenings: 2 })
    }).pipe(under({ ...first, halfOpen: { maxDuration: "10 seconds" } })))

  it.effect("is released by `acquireRelease` when its caller is interrupted", () =>
    Effect.gen(function*() {
      yield* onTrial
      const held = Effect.acquireRelease(admit, (probe) => Effect.sync(() => probe.release()))
      const fiber = yield* Effect.forkChild(Effect.scoped(Effect.andThen(held, Effect.never)), {
        startImmediately: true
      })
      assert.strictEqual((yield* state).probes, 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* state).probes, 0)
    }).pipe(under(first)))
})

describe("admitting", () => {
  it.effect("waits for the effect to run", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const later = breaker.admit(key)
      yield* breaker.forceOpen(key)
      assert.strictEqual((yield* Effect.flip(later))._tag, "CircuitOpen")
    }).pipe(under()))

  it.effect("unsafely, is done at once where the circuit is closed", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* breaker.admit(key)
      assert.isTrue(Exit.isExit(breaker.admitUnsafe(key)))
    }).pipe(under()))

  it.effect("dies with a PolicyError for a key that can't name a circuit", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const exit = yield* Effect.exit(breaker.admit(""))
      assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof PolicyError)
    }).pipe(under()))

  it.effect("lets every call through where there is no room for its circuit", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* breaker.forceOpen("first")
      const admission = yield* breaker.admit(key)
      admission.settle(Outcome.failure())
      admission.unclassified(Cause.die("broken classifier"))
      admission.release()
      yield* breaker.admit(key)
      assert.deepStrictEqual((yield* breaker.list).map((circuit) => circuit.key), ["first"])
    }).pipe(under({ ...first, maxKeys: 1 })))
})
