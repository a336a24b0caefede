/** A wall clock that is set back, the store's or the process's own, keeps no circuit open for longer than its policy. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitOpen, CircuitStore, type Policy, TripRule } from "@reclose/core"
import { Clock, Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { key, settled } from "../support.ts"
import { heard, pass, type Process, start } from "./processes.ts"
import { settableClock } from "./settableClock.ts"
import { SteppedStore } from "./SteppedStore.ts"

const hour = 3_600_000
const day = 24 * hour

const first: Policy.Policy = {
  tripRule: TripRule.consecutive(1),
  openDuration: "10 seconds",
  halfOpen: { permits: 1, successThreshold: 1, maxDuration: "5 seconds" }
}

const ran = (process: Process) => Effect.map(process.succeed, (answer) => answer === "42")

/** Lets time pass until a call runs. Returns for how many seconds none did, at most `limit`. */
const secondsUntilCallRuns = Effect.fnUntraced(function*(process: Process, limit: number) {
  for (let seconds = 0; seconds < limit; seconds++) {
    if (yield* ran(process)) return seconds
    yield* pass("1 second")
  }
  return limit
})

describe.each([["announces its changes", true], ["is polled", false]] as const)("a store that %s", (_, pushes) => {
  const withStore = <A, E, R>(test: (store: SteppedStore) => Effect.Effect<A, E, R>) => {
    const store = new SteppedStore(pushes)
    return Effect.andThen(TestClock.setTime(20_000 * day), test(store)).pipe(Effect.provide(store.layer))
  }

  it.effect.each([1, 3_000, hour, 30 * day])("whose clock goes back by %d ms while a circuit is open ends it in time", (
    by
  ) =>
    withStore((store) =>
      Effect.gen(function*() {
        const [here, there] = yield* Effect.all([start(first), start(first)])
        yield* there.succeed
        yield* here.fail
        yield* pass("2 seconds")
        store.ahead -= by
        yield* pass("7 seconds")
        assert.isFalse(yield* ran(here), "not before the opening is over")
        yield* pass("2 seconds")
        assert.isTrue(yield* ran(here))
        yield* pass("3 seconds")
        assert.isTrue(yield* ran(there))
        assert.isAtMost(store.writes, 8)
      })
    ))

  it.effect("whose clock goes back keeps a newcomer waiting for one opening at most", () =>
    withStore((store) =>
      Effect.gen(function*() {
        yield* Effect.scoped(Effect.flatMap(start(first), (here) => Effect.andThen(here.fail, pass("1 second"))))
        store.ahead -= hour
        const newcomer = yield* start(first)
        assert.isAtMost(yield* secondsUntilCallRuns(newcomer, 60), 11)
      })
    ))

  it.effect("whose clock goes back keeps short-lived newcomers waiting for one opening at most, all together", () =>
    withStore((store) =>
      Effect.gen(function*() {
        yield* Effect.scoped(Effect.flatMap(start(first), (here) => Effect.andThen(here.fail, pass("1 second"))))
        store.ahead -= hour
        const lives = Effect.scoped(Effect.flatMap(start(first), (here) => Effect.tap(ran(here), pass("1 second"))))
        const answers = yield* Effect.replicateEffect(lives, 15)
        assert.include(answers, true)
      })
    ))

  it.effect("whose clock goes back during a trial ends it at its deadline", () =>
    withStore((store) =>
      Effect.gen(function*() {
        const [here, there] = yield* Effect.all([start(first), start(first)])
        yield* there.succeed
        yield* here.fail
        yield* pass("10 seconds")
        const probe = here.breaker.withBreaker(Effect.never, key)
        yield* Effect.forkChild(probe, { startImmediately: true })
        yield* pass("1 second")
        store.ahead -= hour
        yield* pass("3 seconds")
        assert.isFalse(yield* ran(there))
        // The trial fails at its deadline, and the next opening is the second one in a row.
        assert.isAtMost(yield* secondsUntilCallRuns(there, 60), 13)
      })
    ))

  it.effect("whose clock goes back forgets past openings as soon as ever", () =>
    withStore((store) =>
      Effect.gen(function*() {
        const growing: Policy.Policy = { ...first, openDuration: "10 seconds", maxOpenDuration: "10 seconds" }
        yield* Effect.scoped(Effect.gen(function*() {
          const here = yield* start(growing)
          yield* here.fail
          yield* pass("10 seconds")
          yield* here.succeed
          yield* pass("1 second")
        }))
        store.ahead -= hour
        const lives = Effect.scoped(Effect.gen(function*() {
          const here = yield* start(growing)
          yield* here.succeed
          yield* pass("6 seconds")
          return (yield* here.breaker.state(key)).consecutiveOpenings
        }))
        assert.deepStrictEqual(yield* Effect.replicateEffect(lives, 3), [1, 0, 0])
      })
    ))

  it.effect("whose clock goes back lets its records expire after their own time", () =>
    withStore((store) =>
      Effect.gen(function*() {
        const brief: Policy.Policy = { ...first, tripRule: TripRule.consecutive(2), idleTimeToLive: "1 minute" }
        const here = yield* start(brief)
        yield* here.fail
        yield* pass("1 second")
        store.ahead -= hour
        yield* pass("3 seconds")
        yield* here.succeed
        yield* pass("3 seconds")
        const { record } = store
        assert.isAtMost((record?.time ?? 0) + (record?.timeToLive ?? 0), 20_000 * day - hour + 120_000)
      })
    ))
})

describe("the clock of this process", () => {
  it.effect.each([3_000, hour])(
    "may be set back by %d ms while a circuit of a store in memory is open",
    (by) =>
      Effect.gen(function*() {
        yield* TestClock.setTime(20_000 * day)
        const clock = yield* settableClock
        const withClock = Effect.provideService(Clock.Clock, clock)
        const store = yield* withClock(Layer.build(CircuitStore.layerMemory))
        const here = yield* start({ ...first, openDuration: "200 millis" }).pipe(Effect.provide(store), withClock)
        yield* here.fail
        yield* heard
        clock.ahead -= by
        let calls = 0
        for (let call = 0; call < 100; call++) {
          yield* TestClock.adjust("100 millis")
          yield* settled
          if (yield* ran(here)) calls++
        }
        assert.isAtLeast(calls, 97)
      })
  )

  it.effect("may be set back while no store is used", () =>
    Effect.gen(function*() {
      const clock = yield* settableClock
      const policy = { ...first, openDuration: "200 millis" } as const
      const context = yield* Layer.build(
        Layer.provide(CircuitBreaker.layerLocal(policy), Layer.succeed(Clock.Clock, clock))
      )
      const breaker = Context.get(context, CircuitBreaker)
      const call = Effect.flip(breaker.withBreaker(Effect.fail("down"), key))
      yield* call
      clock.ahead -= hour
      assert.instanceOf(yield* call, CircuitOpen)
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(yield* call, "down")
    }))
})
