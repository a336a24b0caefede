/** How often a call reads the clock: no more often than what guards it needs to know. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, Outcome, type Policy, TripRule, withBreaker } from "@reclose/core"
import { Clock, Effect } from "effect"
import { SteppedClock } from "../SteppedClock.ts"
import { failing, key, rejection, succeeding, underStepped } from "../support.ts"

class CountingClock extends SteppedClock {
  reads = 0

  override monotonicTimeNanosUnsafe() {
    this.reads++
    return super.monotonicTimeNanosUnsafe()
  }

  /** How often the clock is read while an effect runs. */
  readonly during = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const before = this.reads
      return Effect.map(effect, () => this.reads - before)
    })
}

/** Runs a test with a breaker over a clock that counts how often it is read. */
const counting = (
  policy: Policy.Policy,
  test: (clock: CountingClock) => Effect.Effect<void, unknown, CircuitBreaker>
) => {
  const clock = new CountingClock()
  return test(clock).pipe(underStepped(clock, policy))
}

const consecutive: Policy.Policy = { tripRule: TripRule.consecutive(1) }
const classified = withBreaker(Effect.succeed("42"), { key, classify: Outcome.fromExit })

describe("a healthy call", () => {
  it.effect.each<[string, TripRule.TripRule, number]>([
    ["never, under a rule of failures in a row", TripRule.consecutive(5), 0],
    ["never, under a rate over calls", TripRule.failureRate({ window: 10 }), 0],
    ["at its end, under a rate over time", TripRule.failureRate({ window: "1 minute" }), 1],
    ["at both ends, under a rule of slow calls", TripRule.slowCallRate({ slowerThan: "1 second", window: 10 }), 2],
    ["at its end, under a rule of failures within a time", TripRule.failures({ failures: 5, window: "1 minute" }), 1],
    [
      "at its end, if one of several rules looks at times",
      TripRule.any([TripRule.consecutive(5), TripRule.failureRate({ window: "1 minute" })]),
      1
    ],
    [
      "at both ends, if one of several rules that have to be met together is of slow calls",
      TripRule.all([TripRule.consecutive(5), TripRule.slowCallRate({ slowerThan: "1 second", window: 10 })]),
      2
    ],
    [
      "as for a rule of calls in flight, if one of several is such a rule",
      TripRule.any([TripRule.consecutive(5), TripRule.inFlightAge({ olderThan: "1 second", calls: 5 })]),
      3
    ]
  ])("reads the clock %s", ([, tripRule, reads]) =>
    counting({ tripRule }, (clock) =>
      Effect.gen(function*() {
        yield* succeeding
        assert.strictEqual(yield* clock.during(succeeding), reads)
      })))

  it.effect("reads it never where circuits are its breaker's own, whatever is said of background work", () => {
    const clock = new CountingClock()
    return Effect.gen(function*() {
      yield* succeeding
      assert.strictEqual(yield* clock.during(succeeding), 0)
    }).pipe(
      Effect.provide(CircuitBreaker.layerLocal({ ...consecutive, background: false })),
      Effect.provideService(Clock.Clock, clock)
    )
  })

  it.effect("reads it no more once the circuit is known to be warm", () =>
    counting({ ...consecutive, warmUp: "1 minute" }, (clock) =>
      Effect.gen(function*() {
        yield* succeeding
        yield* clock.step("1 minute")
        assert.strictEqual(yield* clock.during(succeeding), 1, "to find it warm")
        assert.strictEqual(yield* clock.during(succeeding), 0)
        assert.strictEqual(yield* clock.during(classified), 1, "to be settled")
      })))

  it.effect("is timed as ever once its circuit is known to be warm", () => {
    const tripRule = TripRule.slowCallRate({ slowerThan: "1 second", window: 10 })
    return counting({ tripRule, warmUp: "1 minute" }, (clock) =>
      Effect.gen(function*() {
        yield* succeeding
        yield* clock.step("1 minute")
        assert.strictEqual(yield* clock.during(succeeding), 3, "once to find it warm")
        assert.strictEqual(yield* clock.during(succeeding), 2)
        assert.strictEqual(yield* clock.during(classified), 3)
      }))
  })

  it.effect.each<[string, TripRule.TripRule, number]>([
    ["once, to be settled", TripRule.consecutive(5), 1],
    ["at both ends and to be settled", TripRule.slowCallRate({ slowerThan: "1 second", window: 10 }), 3]
  ])(
    "that is classified reads it %s",
    ([, tripRule, reads]) =>
      counting({ tripRule }, (clock) =>
        Effect.gen(function*() {
          yield* succeeding
          assert.strictEqual(yield* clock.during(classified), reads)
        }))
  )

  it.effect("that is noted in flight reads it to be admitted, to know how long it took, and to be settled", () =>
    counting(
      { tripRule: TripRule.inFlightAge({ olderThan: "1 second", calls: 5 }) },
      (clock) =>
        Effect.gen(function*() {
          yield* succeeding
          assert.strictEqual(yield* clock.during(succeeding), 3)
        })
    ))
})

describe("a rejected call", () => {
  it.effect("reads the clock once", () =>
    counting(consecutive, (clock) =>
      Effect.gen(function*() {
        yield* failing
        assert.strictEqual(yield* clock.during(rejection), 1)
        yield* CircuitBreaker.use((breaker) => breaker.forceOpen("other"))
        assert.strictEqual(yield* clock.during(Effect.flip(withBreaker(Effect.void, "other"))), 1)
      })))
})
