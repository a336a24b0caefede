/** How long a circuit stays open, and what is kept of it beyond its breaker. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, Outcome, type Policy, TripRule, withBreaker } from "@reclose/core"
import { Duration, Effect, Random, Schedule } from "effect"
import { TestClock } from "effect/testing"
import {
  failing,
  hold,
  key,
  listen,
  over,
  phase,
  rejection,
  settled,
  state,
  succeeding,
  TestStore,
  under
} from "../support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const remaining = Effect.map(rejection, (open) => Duration.toSeconds(open.retryAfter))

/** Fails the next probes one after the other, each as soon as it is let out, and says how long each opening lasts. */
const openings = (count: number) =>
  Effect.replicateEffect(
    Effect.gen(function*() {
      yield* failing
      const seconds = yield* remaining
      yield* TestClock.adjust(Duration.seconds(seconds))
      return seconds
    }),
    count
  )

describe("the length of an opening", () => {
  it.effect("30: it grows with each probe that fails, up to the cap", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* openings(6), [1, 2, 4, 8, 10, 10])
    }).pipe(under({ ...first, openDuration: { initial: "1 second", factor: 2 }, maxOpenDuration: "10 seconds" })))

  it.effect("30: a schedule gives the n-th opening its n-th delay, and stays at the last", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* openings(5), [1, 2, 4, 4, 4])
    }).pipe(under({
      ...first,
      openDuration: Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 3 }))
    })))

  it.effect("30: jitter shortens each opening by a share of its own, the same for the same seed", () =>
    Effect.gen(function*() {
      const jittered = openings(20).pipe(
        under({ ...first, openDuration: "10 seconds", jitter: 0.5 }),
        Random.withSeed("jitter")
      )
      const seconds = yield* jittered
      assert.isTrue(seconds.every((seconds) => seconds > 5 && seconds <= 10))
      assert.isAbove(new Set(seconds).size, 15)
      assert.isBelow(Math.min(...seconds), 6)
      assert.isAbove(Math.max(...seconds), 9)
      assert.deepStrictEqual(yield* jittered, seconds)
    }))

  it.effect("31: a circuit that trips again soon after it closed goes on where its openings were", () =>
    Effect.gen(function*() {
      yield* openings(2)
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
      yield* TestClock.adjust("1999 millis")
      yield* failing
      assert.strictEqual(yield* remaining, 4)
    }).pipe(under({ ...first, openDuration: { initial: "1 second", factor: 2 } })))

  it.effect("31: one that stayed closed as long as it was last open begins anew", () =>
    Effect.gen(function*() {
      yield* openings(2)
      yield* succeeding
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* state).consecutiveOpenings, 0)
      yield* failing
      assert.strictEqual(yield* remaining, 1)
    }).pipe(under({ ...first, openDuration: { initial: "1 second", factor: 2 } })))

  const hinted = (retryAfter: Duration.Input) =>
    Effect.fail("busy").pipe(
      withBreaker({ key, classify: () => Outcome.failure({ retryAfter }) }),
      Effect.flip
    )

  it.effect.each(
    [
      ["10 seconds", 30, "the policy is longer"],
      ["45 seconds", 45, "the wish is longer"],
      ["1 hour", 60, "the cap is shorter than the wish"]
    ] as const
  )("32: a wish of %s opens the circuit for %d seconds, for %s", ([retryAfter, seconds]) =>
    Effect.gen(function*() {
      yield* hinted(retryAfter)
      assert.strictEqual(yield* remaining, seconds)
    }).pipe(under({ ...first, maxOpenDuration: "60 seconds" })))

  it.effect("32: the wish of a failed probe counts, too", () =>
    Effect.gen(function*() {
      yield* openings(1)
      yield* hinted("45 seconds")
      assert.strictEqual(yield* remaining, 45)
    }).pipe(under(first)))
})

describe("kept circuits", () => {
  it.effect("34: an open circuit kept and restored after its time probes at the next call, its openings remembered", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* openings(2)
      yield* failing
      const snapshot = yield* breaker.snapshot
      yield* breaker.reset(key)
      yield* TestClock.adjust("1 hour")
      yield* breaker.restore(snapshot)
      assert.strictEqual((yield* state).consecutiveOpenings, 3)
      assert.strictEqual(yield* remaining, 4, "the time that was left when it was kept, not when it is restored")
      yield* TestClock.adjust("4 seconds")
      yield* failing
      assert.strictEqual(yield* remaining, 8)
    }).pipe(under({ ...first, openDuration: { initial: "1 second", factor: 2 } })))

  it.effect("35: a store that is down when a circuit is first used lets its calls run and says so once", () => {
    const store = new TestStore()
    store.failReads = true
    return Effect.gen(function*() {
      const events = yield* listen()
      assert.strictEqual(yield* succeeding, "42")
      assert.strictEqual(yield* failing, "down")
      assert.strictEqual((yield* rejection).reason, "Tripped")
      const failed = (yield* events).filter((event) => event._tag === "StoreFailed")
      assert.deepStrictEqual(failed.map(({ key, operation }) => ({ key, operation })), [{ key, operation: "read" }])
    }).pipe(over(store, first))
  })

  it.effect("36: a store that is down when a circuit changes leaves the caller's result alone and says so once", () => {
    const store = new TestStore()
    store.failReplaces = true
    return Effect.gen(function*() {
      const events = yield* listen()
      assert.strictEqual(yield* failing, "down")
      assert.strictEqual(yield* phase, "Open")
      const failed = (yield* events).filter((event) => event._tag === "StoreFailed")
      assert.deepStrictEqual(failed.map(({ key, operation }) => ({ key, operation })), [{ key, operation: "replace" }])
    }).pipe(over(store, first))
  })

  it.effect("39: a circuit that opened at time 0 is open, for a valid time", () =>
    Effect.gen(function*() {
      yield* failing
      assert.strictEqual(yield* remaining, 30)
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual(yield* remaining, 1)
    }).pipe(under(first)))

  it.effect("39: a kept circuit that is closed can trip again, and one that is missing is closed", () => {
    const store = new TestStore()
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* openings(1)
        yield* succeeding
        yield* settled
      }).pipe(over(store, first))
      assert.strictEqual(store.held.get(key)?.phase._tag, "Closed")
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* succeeding, "42")
        yield* failing
        assert.strictEqual(yield* phase, "Open")
        assert.strictEqual(yield* Effect.succeed("42").pipe(withBreaker("orders")), "42")
      }).pipe(over(store, first))
    })
  })

  it.effect("40: what a reader does to a copy changes no circuit, and an own change is seen at once", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const probe = yield* hold()
      const before = yield* state
      const snapshot = yield* breaker.snapshot
      Object.assign(before, { phase: "Open", generation: 99 })
      Object.assign(before.counts, { failed: 99 })
      Object.assign(snapshot.circuits[0] ?? {}, { phase: "Open", remaining: 99 })
      assert.strictEqual(yield* phase, "Closed")
      yield* probe.fail
      assert.strictEqual(yield* phase, "Open")
      assert.strictEqual((yield* state).counts.failed, 1)
    }).pipe(under(first)))
})
