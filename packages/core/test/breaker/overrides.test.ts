/** What an operator can do to a circuit. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, type CircuitEvent, type CircuitOverride, type Policy, TripRule } from "@reclose/core"
import { Duration, Effect, Exit, Scope } from "effect"
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

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

type Act = "forceOpen" | "forceClosed" | "disable" | "metricsOnly" | "release" | "reset" | "isolate"

const act = (name: Exclude<Act, "isolate">) => Effect.orDie(CircuitBreaker.use((breaker) => breaker[name](key)))
const isolate = Effect.orDie(CircuitBreaker.use((breaker) => breaker.isolate(key)))

const readyToProbe = Effect.andThen(failing, TestClock.adjust("30 seconds"))

const consecutive = Effect.map(state, ({ readings: [reading] }) => reading?._tag === "Consecutive" && reading.failures)

describe("forceOpen", () => {
  it.effect("rejects every call, says so, and names the time of a first opening", () =>
    Effect.gen(function*() {
      yield* act("forceOpen")
      const open = yield* rejection
      assert.strictEqual(open.reason, "Forced")
      assert.strictEqual(open.phase, "Open")
      assert.strictEqual(open.consecutiveOpenings, 0)
      assert.strictEqual(Duration.toSeconds(open.retryAfter), 30)
      yield* TestClock.adjust("1 day")
      assert.isTrue(isRejected(yield* Effect.exit(succeeding)), "until it is released")
    }).pipe(under(first)))

  it.effect("tells of no openings in a row that are forgotten", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* succeeding
      yield* act("forceOpen")
      assert.strictEqual((yield* rejection).consecutiveOpenings, 1)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* state).consecutiveOpenings, 0)
      assert.strictEqual((yield* rejection).consecutiveOpenings, 0)
    }).pipe(under(first)))

  it.effect("goes on measuring the calls that are under way", () =>
    Effect.gen(function*() {
      const [good, ...bad] = [yield* hold(), yield* hold(), yield* hold(), yield* hold()] as const
      yield* act("forceOpen")
      yield* bad[0].fail
      assert.strictEqual(yield* consecutive, 1)
      yield* good.succeed
      assert.strictEqual(yield* consecutive, 0)
      yield* bad[1].fail
      yield* bad[2].fail
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ ...first, tripRule: TripRule.consecutive(2) })))

  it.effect("lets a probe that is out decide, and no other go out", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probe = yield* hold()
      yield* act("forceOpen")
      assert.strictEqual((yield* rejection).reason, "Forced")
      yield* probe.succeed
      assert.strictEqual(yield* phase, "Closed")
      assert.strictEqual((yield* rejection).reason, "Forced")
    }).pipe(under(first)))
})

describe("forceClosed", () => {
  it.effect("closes an open circuit at once, and never lets it open", () =>
    Effect.gen(function*() {
      yield* failing
      const events = yield* listen()
      yield* act("forceClosed")
      assert.strictEqual(yield* phase, "Closed")
      assert.deepStrictEqual(yield* failures(20), Array.from({ length: 20 }, () => "down"))
      assert.strictEqual(yield* phase, "Closed")
      const seen = (yield* events).map((event) => event._tag === "Transition" ? event.reason._tag : event._tag)
      assert.deepStrictEqual(seen, ["ForcedClosed", "Overridden"])
    }).pipe(under(first)))

  it.effect("makes a probe that is out a late one", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probe = yield* hold()
      yield* act("forceClosed")
      yield* act("release")
      yield* probe.fail
      assert.strictEqual(yield* phase, "Closed")
      assert.strictEqual(yield* consecutive, 0)
    }).pipe(under(first)))

  it.effect("goes on measuring, so that the circuit opens on what it saw once it is released", () =>
    Effect.gen(function*() {
      yield* act("forceClosed")
      yield* failures(2)
      assert.strictEqual(yield* consecutive, 2)
      yield* act("release")
      assert.strictEqual(yield* phase, "Closed", "judged at the next outcome")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ ...first, tripRule: TripRule.consecutive(3) })))

  it.effect("counts a call that began before it was released, and opens on it", () =>
    Effect.gen(function*() {
      yield* act("forceClosed")
      const call = yield* hold()
      yield* act("release")
      yield* call.fail
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(first)))
})

describe("a circuit that an operator keeps closed", () => {
  it.effect.each(["forceClosed", "disable"] as const)(
    "by %s stays so, though calls in flight grow too old",
    (by) =>
      Effect.gen(function*() {
        yield* hold()
        yield* act(by)
        yield* hold()
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* phase, "Closed")
        assert.strictEqual(yield* succeeding, "42")
        yield* act("release")
        assert.strictEqual(yield* phase, "Open")
      }).pipe(under({ ...first, tripRule: TripRule.inFlightAge({ olderThan: "5 seconds", calls: 1 }) }))
  )
})

describe("disable", () => {
  it.effect("runs every call and measures none", () =>
    Effect.gen(function*() {
      yield* act("disable")
      assert.deepStrictEqual(yield* failures(5), ["down", "down", "down", "down", "down"])
      assert.strictEqual(yield* phase, "Closed")
      assert.strictEqual(yield* consecutive, 0)
    }).pipe(under({ ...first, tripRule: TripRule.consecutive(2) })))

  it.effect("runs the calls of an open circuit and leaves it open, for as long as it was", () =>
    Effect.gen(function*() {
      yield* failing
      yield* act("disable")
      assert.strictEqual(yield* succeeding, "42")
      assert.strictEqual(yield* phase, "Open")
      yield* act("release")
      assert.strictEqual(Duration.toSeconds((yield* rejection).retryAfter), 30)
    }).pipe(under(first)))

  it.effect("ignores a call that began before, and one that ends after", () =>
    Effect.gen(function*() {
      const before = yield* hold()
      yield* act("disable")
      const after = yield* hold()
      yield* before.fail
      yield* act("release")
      yield* after.fail
      assert.strictEqual(yield* phase, "Closed")
      assert.strictEqual(yield* consecutive, 0)
    }).pipe(under(first)))

  it.effect("frees the permit of a probe that ends, and lets the deadline of one that doesn't run", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probes = [yield* hold(), yield* hold()] as const
      yield* act("disable")
      yield* probes[0].fail
      assert.strictEqual((yield* state).probes, 1)
      assert.strictEqual(yield* phase, "HalfOpen")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ ...first, halfOpen: { permits: 2 } })))
})

describe("metricsOnly", () => {
  it.effect("runs every call while the circuit goes through its phases as it would", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* act("metricsOnly")
      assert.strictEqual(yield* failing, "down")
      assert.strictEqual(yield* phase, "Open")
      assert.strictEqual(yield* succeeding, "42", "it would have been rejected, and counts for nothing")
      assert.strictEqual(yield* phase, "Open")
      yield* TestClock.adjust("30 seconds")
      const probe = yield* hold()
      assert.strictEqual(yield* phase, "HalfOpen")
      assert.strictEqual(yield* failing, "down", "it would have been rejected, and is no probe")
      assert.strictEqual(yield* phase, "HalfOpen")
      yield* probe.succeed
      assert.strictEqual(yield* phase, "Closed")
      const seen = (yield* events).filter((event) => event._tag === "Transition")
      assert.deepStrictEqual(seen.map((event) => event.override), ["MetricsOnly", "MetricsOnly", "MetricsOnly"])
    }).pipe(under(first)))
})

describe("release", () => {
  it.effect.each(["forceOpen", "forceClosed", "disable", "metricsOnly"] as const)(
    "ends %s",
    (name) =>
      Effect.gen(function*() {
        yield* act(name)
        assert.notStrictEqual((yield* state).override, "None")
        yield* act("release")
        assert.strictEqual((yield* state).override, "None")
        assert.strictEqual(yield* failing, "down")
        assert.strictEqual((yield* rejection).reason, "Tripped")
      }).pipe(under(first))
  )

  it.effect("is announced, like every act", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      for (const name of ["forceOpen", "disable", "release", "metricsOnly", "reset"] as const) yield* act(name)
      yield* Effect.scoped(isolate)
      const acts: Array<CircuitOverride> = ["ForcedOpen", "Disabled", "None", "MetricsOnly", "None"]
      const overrides: Array<CircuitOverride> = [...acts, "ForcedOpen", "None"]
      const expected = overrides.map((override): CircuitEvent => ({ _tag: "Overridden", key, override }))
      assert.deepStrictEqual(yield* events, expected)
    }).pipe(under(first)))
})

describe("reset", () => {
  it.effect("closes the circuit as if it were new: nothing measured, no openings behind it", () =>
    Effect.gen(function*() {
      yield* failing
      yield* TestClock.adjust("30 seconds")
      yield* failing
      const before = yield* state
      assert.strictEqual(before.consecutiveOpenings, 2)
      yield* act("reset")
      const after = yield* state
      assert.strictEqual(after.phase, "Closed")
      assert.strictEqual(after.consecutiveOpenings, 0)
      assert.strictEqual(after.generation, before.generation + 1)
      yield* failing
      assert.strictEqual((yield* state).consecutiveOpenings, 1)
    }).pipe(under(first)))

  it.effect("forgets what a closed circuit measured, and the calls that are under way", () =>
    Effect.gen(function*() {
      const call = yield* hold()
      yield* failing
      yield* act("reset")
      yield* call.fail
      assert.strictEqual(yield* consecutive, 0)
    }).pipe(under({ ...first, tripRule: TripRule.consecutive(3) })))

  it.effect("ends an override, but no isolation", () =>
    Effect.gen(function*() {
      yield* act("forceOpen")
      yield* act("reset")
      assert.strictEqual(yield* succeeding, "42")
      yield* isolate
      yield* act("reset")
      assert.strictEqual((yield* rejection).reason, "Forced")
    }).pipe(Effect.scoped, under(first)))
})

describe("isolate", () => {
  it.effect("lasts until the last of its holders lets go, in whatever order", () =>
    Effect.gen(function*() {
      const scopes = [yield* Scope.make(), yield* Scope.make()] as const
      yield* Effect.forEach(scopes, (scope) => Scope.provide(isolate, scope))
      yield* Scope.close(scopes[0], Exit.void)
      assert.strictEqual((yield* rejection).reason, "Forced")
      yield* Scope.close(scopes[1], Exit.void)
      assert.strictEqual(yield* succeeding, "42")
    }).pipe(under(first)))

  it.effect.each(["forceClosed", "disable", "metricsOnly", "release"] as const)(
    "rules over %s",
    (name) =>
      Effect.gen(function*() {
        yield* Effect.scoped(Effect.gen(function*() {
          yield* isolate
          yield* act(name)
          assert.strictEqual((yield* rejection).reason, "Forced")
          assert.strictEqual((yield* state).override, "ForcedOpen")
        }))
        assert.strictEqual(yield* succeeding, "42")
      }).pipe(under(first))
  )

  it.effect("is let go of by a holder that is interrupted", () =>
    Effect.gen(function*() {
      const holder = yield* Effect.forkChild(Effect.scoped(Effect.andThen(isolate, Effect.never)), {
        startImmediately: true
      })
      assert.isTrue(isRejected(yield* Effect.exit(succeeding)))
      holder.interruptUnsafe()
      yield* Effect.yieldNow
      assert.strictEqual(yield* succeeding, "42")
    }).pipe(under(first)))

  it.effect("outlasts a snapshot that is restored meanwhile", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* succeeding
      const snapshot = yield* breaker.snapshot
      yield* isolate
      yield* breaker.restore(snapshot)
      assert.isTrue(isRejected(yield* Effect.exit(succeeding)))
    }).pipe(Effect.scoped, under(first)))
})
