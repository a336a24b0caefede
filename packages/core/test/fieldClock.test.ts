/** The edges of time: clocks that step back and forward, long silence, and windows as they roll. */
import { assert, describe, it } from "@effect/vitest"
import { type Policy, TripRule, withBreaker } from "@reclose/core"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { SteppedClock } from "./SteppedClock.ts"
import { failing, failures, hold, key, phase, rejection, state, succeeding, under, underStepped } from "./support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const remaining = Effect.map(rejection, (open) => Duration.toMillis(open.retryAfter))

/** How many calls the window of the circuit's rate holds. */
const windowed = Effect.map(
  state,
  ({ readings: [reading] }) => reading !== undefined && "calls" in reading && reading.calls
)

describe("a clock that steps back", () => {
  it.effect("erases and freezes no window: at a steady rate it holds as many calls as before", () => {
    const clock = new SteppedClock()
    const forASecond = Effect.replicateEffect(Effect.andThen(clock.step("10 millis"), succeeding), 100)
    return Effect.gen(function*() {
      yield* Effect.replicateEffect(forASecond, 20)
      const before = yield* windowed
      yield* clock.step({ back: "1 second" })
      assert.strictEqual(yield* windowed, before)
      yield* Effect.replicateEffect(forASecond, 20)
      assert.strictEqual(yield* windowed, before)
    }).pipe(underStepped(clock, { tripRule: TripRule.failureRate({ window: "10 seconds" }) }))
  })

  it.effect("hides no failures: the window still opens the circuit", () => {
    const clock = new SteppedClock()
    return Effect.gen(function*() {
      yield* failures(2)
      yield* clock.step({ back: "1 hour" })
      yield* failures(2)
      assert.strictEqual(yield* phase, "Closed")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(underStepped(clock, { tripRule: TripRule.failures({ failures: 5, window: "10 seconds" }) }))
  })

  it.effect("lets old failures leave the window as time goes on from the step", () => {
    const clock = new SteppedClock()
    return Effect.gen(function*() {
      yield* failures(4)
      yield* clock.step({ back: "1 hour" })
      yield* succeeding
      yield* clock.step("10 seconds")
      yield* failures(4)
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(underStepped(clock, { tripRule: TripRule.failures({ failures: 5, window: "10 seconds" }) }))
  })

  it.effect("makes no opening longer", () => {
    const clock = new SteppedClock()
    return Effect.gen(function*() {
      yield* failing
      yield* clock.step("10 seconds")
      assert.strictEqual(yield* remaining, 20_000)
      yield* clock.step({ back: "1 hour" })
      assert.strictEqual(yield* remaining, 20_000)
      yield* clock.step("20 seconds")
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(underStepped(clock, first))
  })

  it.effect("gives a lost probe no more time than it had", () => {
    const clock = new SteppedClock()
    return Effect.gen(function*() {
      yield* failing
      yield* clock.step("30 seconds")
      yield* hold()
      yield* clock.step({ back: "1 hour" })
      assert.strictEqual(yield* phase, "HalfOpen")
      yield* clock.step("30 seconds")
      assert.strictEqual(yield* phase, "Open")
    }).pipe(underStepped(clock, first))
  })

  it.effect("makes no call slow that was quick", () => {
    const clock = new SteppedClock()
    return Effect.gen(function*() {
      const call = yield* hold()
      yield* clock.step({ back: "1 hour" })
      yield* call.succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(underStepped(clock, { tripRule: TripRule.slowCallRate({ slowerThan: "1 second", window: 1 }) }))
  })
})

describe("a clock that steps forward", () => {
  it.effect("is time that passed: an opening is over, and the window is empty", () => {
    const clock = new SteppedClock()
    return Effect.gen(function*() {
      yield* failures(4)
      yield* clock.step("1 day")
      assert.strictEqual(yield* failing, "down")
      assert.strictEqual(yield* phase, "Closed", "four failures left the window")
      yield* failures(4)
      assert.strictEqual(yield* phase, "Open")
      yield* clock.step("1 day")
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(underStepped(clock, { ...first, tripRule: TripRule.failures({ failures: 5, window: "10 seconds" }) }))
  })

  it.effect("fails a trial whose probe is out, and lets the next call probe", () => {
    const clock = new SteppedClock()
    return Effect.gen(function*() {
      yield* failing
      yield* clock.step("30 seconds")
      const lost = yield* hold()
      yield* clock.step("1 day")
      const probe = yield* hold()
      assert.strictEqual((yield* state).consecutiveOpenings, 2)
      yield* lost.fail
      yield* probe.succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(underStepped(clock, first))
  })
})

describe("long silence", () => {
  it.effect("empties a window of time, whoever asks first", () =>
    Effect.gen(function*() {
      yield* failures(4)
      assert.strictEqual(yield* windowed, 4)
      yield* TestClock.adjust("3 days")
      assert.strictEqual(yield* windowed, 0)
    }).pipe(under({ tripRule: TripRule.failureRate({ window: "10 seconds" }) })))

  it.effect("keeps a streak, for consecutive means consecutive", () =>
    Effect.gen(function*() {
      yield* failing
      yield* TestClock.adjust("30 minutes")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.consecutive(2) })))

  it.effect("keeps a streak of failures that are far apart, whatever window stands beside it", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 6; i++) {
        assert.strictEqual(yield* phase, "Closed")
        yield* failing
        yield* TestClock.adjust("19 seconds")
      }
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({
      tripRule: TripRule.any([
        TripRule.consecutive(6),
        TripRule.failureRate({ window: "30 seconds", minimumCalls: 100 })
      ])
    })))

  it.effect("leaves an open circuit open, and its next call probes", () =>
    Effect.gen(function*() {
      yield* failing
      yield* TestClock.adjust("30 days")
      assert.strictEqual(yield* phase, "Open")
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("in a trial without probes loses none of its successes: what is called once an hour recovers, too", () =>
    Effect.gen(function*() {
      yield* failing
      for (const expected of ["HalfOpen", "HalfOpen", "Closed"] as const) {
        yield* TestClock.adjust("1 hour")
        yield* succeeding
        assert.strictEqual(yield* phase, expected)
      }
    }).pipe(under({ ...first, halfOpen: { successThreshold: 3 } })))
})

describe("a window of time as it rolls", () => {
  it.effect("opens on a burst across the edge of a bucket, or of the window's first span", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("9500 millis")
      yield* failures(3)
      yield* TestClock.adjust("1 second")
      yield* failures(2)
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.failures({ failures: 5, window: "10 seconds" }) })))

  it.effect("opens before its first span is over", () =>
    Effect.gen(function*() {
      yield* failures(5)
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.failures({ failures: 5, window: "1 hour" }) })))

  it.effect("shows the rate of now to a reader, though nobody calls", () =>
    Effect.gen(function*() {
      yield* failures(3)
      yield* TestClock.adjust("5 seconds")
      yield* withBreaker(Effect.succeed("42"), key)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* windowed, 1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* windowed, 0)
    }).pipe(under({ tripRule: TripRule.failureRate({ window: "10 seconds" }) })))
})
