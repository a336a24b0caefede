/** What a changed policy does to a circuit in each phase, and to the calls that are under way. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, Outcome, type Policy, PolicyError, TripRule, withBreaker } from "@reclose/core"
import { Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import {
  failing,
  failures,
  hold,
  isRejected,
  key,
  listen,
  phase,
  rejection,
  state,
  succeeding,
  under
} from "../support.ts"

const update = (policy: Policy.Policy) => Effect.orDie(CircuitBreaker.use((breaker) => breaker.update(policy)))

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const readyToProbe = Effect.andThen(failing, TestClock.adjust("30 seconds"))

describe("a changed policy, for a closed circuit", () => {
  it.effect("keeps a streak", () =>
    Effect.gen(function*() {
      yield* failures(2)
      yield* update({ tripRule: TripRule.consecutive(3) })
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.consecutive(10) })))

  it.effect("judges nothing before the next outcome, though its limit is already reached", () =>
    Effect.gen(function*() {
      yield* failures(4)
      yield* update({ tripRule: TripRule.consecutive(3) })
      assert.strictEqual(yield* phase, "Closed")
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under({ tripRule: TripRule.consecutive(10) })))

  it.effect("keeps the newest calls of a window of calls, as many as fit", () =>
    Effect.gen(function*() {
      yield* failures(5)
      yield* Effect.replicateEffect(succeeding, 3)
      yield* update({ tripRule: TripRule.failureRate({ window: 4, threshold: 0.5, minimumCalls: 4 }) })
      assert.include((yield* state).readings[0], { calls: 4, hits: 1 })
      yield* failures(2)
      assert.strictEqual(yield* phase, "Open", "2 of the last 4")
    }).pipe(under({ tripRule: TripRule.failureRate({ window: 100, minimumCalls: 100 }) })))

  it.effect("keeps a window of time", () =>
    Effect.gen(function*() {
      yield* failures(3)
      yield* TestClock.adjust("4 seconds")
      yield* update({ tripRule: TripRule.failures({ failures: 4, window: "20 seconds" }) })
      yield* TestClock.adjust("8 seconds")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.failures({ failures: 10, window: "10 seconds" }) })))

  it.effect("begins anew where another unit of window is asked for", () =>
    Effect.gen(function*() {
      yield* failures(3)
      yield* update({ tripRule: TripRule.failureRate({ window: "10 seconds" }) })
      assert.include((yield* state).readings[0], { calls: 0, hits: 0 })
    }).pipe(under({ tripRule: TripRule.failureRate({ window: 10, minimumCalls: 10 }) })))

  it.effect("counts a call that began under the old policy", () =>
    Effect.gen(function*() {
      const call = yield* hold()
      yield* update({ tripRule: TripRule.consecutive(2) })
      yield* failing
      yield* call.fail
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.consecutive(10) })))

  it.effect("takes no call for slow whose beginning the old policy had no reason to note", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      const call = yield* hold()
      yield* update({ tripRule: TripRule.slowCallRate({ slowerThan: "1 second", window: 1 }) })
      yield* call.succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under({ tripRule: TripRule.consecutive(10) })))

  it.effect("takes no call for slow that began in a window of time without durations", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      const call = yield* hold()
      yield* update({ tripRule: TripRule.slowCallRate({ slowerThan: "1 second", window: 1 }) })
      yield* call.succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under({ tripRule: TripRule.failures({ failures: 5, window: "1 minute" }) })))

  it.effect("settles a call that was timed for an old rule under one that keeps no time", () =>
    Effect.gen(function*() {
      const call = yield* hold()
      yield* update({ tripRule: TripRule.consecutive(1) })
      yield* call.fail
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.slowCallRate({ slowerThan: "1 second", window: "1 minute" }) })))

  it.effect("keeps a note of the calls in flight for a rule of their age, and forgets them as they end", () =>
    Effect.gen(function*() {
      const aged = (calls: number) => TripRule.inFlightAge({ olderThan: "5 seconds", calls })
      const hanging = [yield* hold(), yield* hold()] as const
      yield* update({ tripRule: aged(3) })
      yield* TestClock.adjust("5 seconds")
      assert.include((yield* state).readings[0], { calls: 2, threshold: 3 })
      yield* hanging[0].succeed
      assert.include((yield* state).readings[0], { calls: 1 })
      yield* hanging[1].interrupt
      assert.include((yield* state).readings[0], { calls: 0 })
    }).pipe(under({ tripRule: TripRule.inFlightAge({ olderThan: "10 seconds", calls: 10 }) })))

  it.effect("takes no note of a call that began before there was a rule of their age", () =>
    Effect.gen(function*() {
      const before = yield* hold()
      yield* update({ tripRule: TripRule.inFlightAge({ olderThan: "5 seconds", calls: 2 }) })
      yield* hold()
      yield* TestClock.adjust("5 seconds")
      assert.include((yield* state).readings[0], { calls: 1 })
      assert.deepStrictEqual<unknown>(yield* before.succeed, Exit.succeed("42"))
      assert.include((yield* state).readings[0], { calls: 1 })
    }).pipe(under({ tripRule: TripRule.consecutive(1) })))
})

describe("a changed policy, for an open circuit", () => {
  it.effect("leaves the opening as long as it was, and the next one is the new policy's", () =>
    Effect.gen(function*() {
      yield* failing
      yield* update({ ...first, openDuration: "5 seconds" })
      assert.strictEqual(Duration.toSeconds((yield* rejection).retryAfter), 30)
      yield* TestClock.adjust("30 seconds")
      yield* failing
      assert.strictEqual(Duration.toSeconds((yield* rejection).retryAfter), 5)
    }).pipe(under(first)))

  it.effect("puts it on trial under the new numbers", () =>
    Effect.gen(function*() {
      yield* failing
      yield* update({ ...first, halfOpen: { permits: 2, successThreshold: 2 } })
      yield* TestClock.adjust("30 seconds")
      const probes = [yield* hold(), yield* hold()]
      assert.strictEqual((yield* state).probes, 2)
      yield* Effect.forEach(probes, (probe) => probe.succeed)
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))
})

describe("a changed policy, for a half-open circuit", () => {
  it.effect("goes on with the trial, under the new numbers from the next event on", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probe = yield* hold()
      yield* update({ ...first, halfOpen: { permits: 2, successThreshold: 2 } })
      yield* hold()
      assert.isTrue(isRejected(yield* Effect.exit(succeeding)))
      yield* probe.succeed
      assert.strictEqual(yield* phase, "HalfOpen")
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("holds at once for the very next call, though the one before was rejected", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probe = yield* hold()
      assert.isTrue(isRejected(yield* Effect.exit(succeeding)))
      yield* update({ ...first, halfOpen: { permits: 2, successThreshold: 2 } })
      assert.strictEqual(yield* succeeding, "42")
      yield* probe.succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("takes no probe back where there are fewer permits now", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probes = [yield* hold(), yield* hold()] as const
      yield* update(first)
      assert.strictEqual((yield* state).probes, 2)
      yield* probes[0].interrupt
      assert.isTrue(isRejected(yield* Effect.exit(succeeding)))
      yield* probes[1].succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under({ ...first, halfOpen: { permits: 2, successThreshold: 2 } })))

  it.effect("leaves a running deadline where it is", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* hold()
      yield* update({ ...first, halfOpen: { maxDuration: "1 hour" } })
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(first)))
})

describe("an update", () => {
  it.effect("is announced, and changes no phase by itself", () =>
    Effect.gen(function*() {
      yield* failures(2)
      const events = yield* listen()
      yield* update({ tripRule: TripRule.consecutive(1) })
      assert.deepStrictEqual((yield* events).map((event) => event._tag), ["PolicyUpdated"])
    }).pipe(under({ tripRule: TripRule.consecutive(3) })))

  it.effect("with a policy that can't be leaves everything as it was", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const error = yield* Effect.flip(breaker.update({ tripRule: TripRule.consecutive(0), jitter: 7 }))
      assert.instanceOf(error, PolicyError)
      assert.deepStrictEqual(error.issues.map((issue) => issue.field), ["tripRule.failures", "jitter"])
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(first)))

  it.effect("holds for circuits that are made later", () =>
    Effect.gen(function*() {
      yield* update({ tripRule: TripRule.consecutive(2) })
      yield* failing
      assert.strictEqual(yield* phase, "Closed")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(first)))
})

describe("a policy that begins to judge durations", () => {
  const slow: Policy.Policy = {
    tripRule: TripRule.slowCallRate({ slowerThan: "1 second", threshold: 0.5, window: 10, minimumCalls: 1 })
  }

  it.effect.each<[string, number, "Open" | "Closed"]>([
    ["slow, as it lasts that long since the update alone", 1_500, "Open"],
    ["not slow, as it is not known to have lasted that long", 500, "Closed"]
  ])("takes a call that was in flight for %s", ([, millis, expected]) =>
    Effect.gen(function*() {
      const call = yield* hold()
      yield* TestClock.adjust("10 seconds")
      yield* update(slow)
      yield* TestClock.adjust(millis)
      yield* call.succeed
      assert.strictEqual(yield* phase, expected)
    }).pipe(under({ tripRule: TripRule.consecutive(5) })))

  it.effect("takes a call in flight that is classified as slow as any other", () =>
    Effect.gen(function*() {
      const call = yield* Effect.forkChild(
        Effect.delay(Effect.succeed("42"), "20 seconds").pipe(withBreaker({ key, classify: Outcome.fromExit })),
        { startImmediately: true }
      )
      yield* update(slow)
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(call)
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.consecutive(5) })))
})
