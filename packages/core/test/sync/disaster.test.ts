/** A store that loses a record, or goes back to an older one: what an instance knows better is written again. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitOpen, type CircuitOverride, type Policy, TripRule } from "@reclose/core"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { key } from "../support.ts"
import { heard, pass, type Process, start } from "./processes.ts"
import { SteppedStore } from "./SteppedStore.ts"

const hour = 3_600_000

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "10 seconds" }

const overrides: ReadonlyArray<["forceOpen" | "forceClosed" | "disable" | "metricsOnly", CircuitOverride]> = [
  ["forceOpen", "ForcedOpen"],
  ["forceClosed", "ForcedClosed"],
  ["disable", "Disabled"],
  ["metricsOnly", "MetricsOnly"]
]

const overrideOf = ({ breaker }: Process) => Effect.map(breaker.state(key), ({ override }) => override)

const pair = Effect.gen(function*() {
  const [here, there] = yield* Effect.all([start(first), start(first)])
  yield* here.succeed
  yield* there.succeed
  return [here, there] as const
})

describe.each([["announces its changes", true], ["is polled", false]] as const)("a store that %s", (_, pushes) => {
  const learning = pushes ? "100 millis" : "3 seconds"
  const polling = pushes ? "30 seconds" : "3 seconds"

  const withStore = <A, E, R>(test: (store: SteppedStore) => Effect.Effect<A, E, R>) => {
    const store = new SteppedStore(pushes)
    return Effect.andThen(TestClock.setTime(20_000 * 24 * hour), test(store)).pipe(Effect.provide(store.layer))
  }

  it.effect.each(overrides)("loses its record: %s of a circuit that never changed its phase is written again", (
    [act, override]
  ) =>
    withStore((store) =>
      Effect.gen(function*() {
        const [here, there] = yield* pair
        yield* here.breaker[act](key)
        yield* pass(learning)
        assert.strictEqual(yield* overrideOf(there), override)
        store.lose()
        yield* pass(polling)
        assert.strictEqual(store.record?.override, override)
        for (const process of [here, there, yield* start(first)]) {
          yield* process.succeed
          assert.strictEqual(yield* overrideOf(process), override)
        }
        assert.deepStrictEqual(
          there.events.flatMap((event) => event._tag === "Overridden" ? [event.override] : []),
          [override]
        )
      })
    ))

  it.effect("loses its record: an override is written again though no call uses the circuit", () =>
    withStore((store) =>
      Effect.gen(function*() {
        const here = yield* start(first)
        yield* here.breaker.forceOpen(key)
        yield* pass("20 minutes")
        store.lose()
        yield* pass(polling)
        assert.strictEqual(store.record?.override, "ForcedOpen")
      })
    ))

  it.effect("loses its record: an override survives the failures that another instance tells first", () =>
    withStore((store) =>
      Effect.gen(function*() {
        const counting: Policy.Policy = { tripRule: TripRule.consecutive(100) }
        const [here, stranger] = yield* Effect.all([start(counting), start(counting)])
        yield* here.breaker.forceOpen(key)
        yield* pass(learning)
        store.record = undefined
        yield* stranger.fail
        yield* pass(polling)
        assert.strictEqual(yield* overrideOf(here), "ForcedOpen")
        assert.strictEqual(yield* overrideOf(stranger), "ForcedOpen")
      })
    ))

  it.effect("loses its record: a release reaches the others as fast as ever", () =>
    withStore((store) =>
      Effect.gen(function*() {
        const [here, there] = yield* pair
        yield* here.breaker.forceOpen(key)
        yield* pass(learning)
        store.record = undefined
        yield* here.breaker.release(key)
        yield* pass(learning)
        assert.strictEqual(yield* overrideOf(there), "None")
        yield* pass("1 minute")
        for (const process of [here, there]) assert.strictEqual(yield* overrideOf(process), "None")
      })
    ))

  it.effect("goes back to an older record: a released override stays released", () =>
    withStore((store) =>
      Effect.gen(function*() {
        const [here, there] = yield* pair
        yield* here.breaker.forceOpen(key)
        yield* pass(learning)
        const backup = store.record
        yield* here.breaker.release(key)
        yield* pass(learning)
        store.record = backup
        store.announceMissed()
        yield* pass(polling)
        assert.strictEqual(store.record?.override, "None")
        for (const process of [here, there]) {
          assert.strictEqual(yield* overrideOf(process), "None")
          assert.strictEqual(yield* process.succeed, "42")
        }
      })
    ))

  it.effect("goes back to an older record: a newer override stays in force", () =>
    withStore((store) =>
      Effect.gen(function*() {
        const [here, there] = yield* pair
        yield* here.breaker.metricsOnly(key)
        yield* pass(learning)
        const backup = store.record
        yield* there.breaker.forceOpen(key)
        yield* pass(learning)
        store.record = backup
        store.announceMissed()
        yield* pass(polling)
        assert.strictEqual(store.record?.override, "ForcedOpen")
        for (const process of [here, there]) assert.strictEqual(yield* overrideOf(process), "ForcedOpen")
      })
    ))

  it.effect("goes back to an older record: an opening that is over does not come back", () =>
    withStore((store) =>
      Effect.gen(function*() {
        const [here, there] = yield* pair
        yield* here.fail
        yield* pass("1 second")
        const backup = store.record
        yield* pass("10 seconds")
        assert.strictEqual(yield* here.succeed, "42")
        yield* pass("3 seconds")
        store.record = backup
        store.announceMissed()
        yield* pass(polling)
        for (const process of [here, there]) assert.strictEqual(yield* process.succeed, "42")
        yield* pass("1 second")
        assert.strictEqual(store.record?.phase._tag, "Closed")
      })
    ))

  it.effect("loses its record: an opening is written again", () =>
    withStore((store) =>
      Effect.gen(function*() {
        const here = yield* start({ ...first, openDuration: "1 minute" })
        yield* here.fail
        yield* pass("1 second")
        store.lose()
        yield* pass(polling)
        const newcomer = yield* start(first)
        assert.instanceOf(yield* newcomer.succeed, CircuitOpen)
      })
    ))

  it.effect("has its clock set back: the next opening reaches all", () =>
    withStore((store) =>
      Effect.gen(function*() {
        const [here, there] = yield* pair
        yield* here.fail
        yield* pass("10 seconds")
        yield* here.succeed
        yield* pass("3 seconds")
        store.ahead -= hour
        yield* pass("3 seconds")
        yield* here.fail
        yield* pass("3 seconds")
        assert.instanceOf(yield* there.succeed, CircuitOpen)
      })
    ))

  it.effect("has its clock set back: the next override, and its end, reach all", () =>
    withStore((store) =>
      Effect.gen(function*() {
        const [here, there] = yield* pair
        yield* here.breaker.forceOpen(key)
        yield* pass(learning)
        store.ahead -= hour
        yield* there.breaker.release(key)
        yield* pass(learning)
        assert.strictEqual(yield* overrideOf(here), "None")
        yield* here.breaker.disable(key)
        yield* pass(learning)
        assert.strictEqual(yield* overrideOf(there), "Disabled")
      })
    ))
})

describe("a snapshot that is restored", () => {
  const shared = <A, E, R>(test: (store: SteppedStore) => Effect.Effect<A, E, R>) => {
    const store = new SteppedStore(true)
    return Effect.andThen(TestClock.setTime(20_000 * 24 * hour), test(store)).pipe(Effect.provide(store.layer))
  }

  it.effect.each(overrides)(
    "brings the override of %s to all instances, and keeps it",
    ([act, override]) =>
      shared((store) =>
        Effect.gen(function*() {
          const elsewhere = yield* CircuitBreaker.makeLocal(first)
          yield* elsewhere[act](key)
          const [here, there] = yield* pair
          yield* here.breaker.restore(yield* elsewhere.snapshot)
          yield* pass("5 seconds")
          for (const process of [here, there]) assert.strictEqual(yield* overrideOf(process), override)
          assert.strictEqual(store.record?.override, override)
        })
      )
  )

  it.effect("without an override ends the one that the store holds", () =>
    shared((store) =>
      Effect.gen(function*() {
        const [here, there] = yield* pair
        const before = yield* here.breaker.snapshot
        yield* there.breaker.forceOpen(key)
        yield* pass("1 second")
        yield* here.breaker.restore(before)
        yield* pass("5 seconds")
        for (const process of [here, there]) assert.strictEqual(yield* overrideOf(process), "None")
        assert.strictEqual(store.record?.override, "None")
      })
    ))

  it.effect("without an override ends one that this instance has not heard of", () =>
    shared((store) =>
      Effect.gen(function*() {
        const elsewhere = yield* CircuitBreaker.makeLocal(first)
        yield* Effect.exit(elsewhere.withBreaker(Effect.void, key))
        const there = yield* start(first)
        yield* there.breaker.forceOpen(key)
        yield* pass("1 second")
        const newcomer = yield* start(first)
        yield* newcomer.breaker.restore(yield* elsewhere.snapshot)
        yield* pass("5 seconds")
        for (const process of [newcomer, there]) assert.strictEqual(yield* overrideOf(process), "None")
        assert.strictEqual(store.record?.override, "None")
      })
    ))

  it.effect.each<[string, TripRule.TripRule]>([
    ["failures in a row", TripRule.consecutive(4)],
    ["a window of time", TripRule.failures({ failures: 4, window: "1 minute" })],
    ["a window of calls", TripRule.failureRate({ threshold: 0.5, window: 10, minimumCalls: 4 })]
  ])("brings what it has counted to all instances: %s", ([, tripRule]) =>
    shared((store) =>
      Effect.gen(function*() {
        const counting: Policy.Policy = { tripRule }
        const elsewhere = yield* CircuitBreaker.makeLocal(counting)
        const down = Effect.flip(elsewhere.withBreaker(Effect.fail("down"), key))
        yield* Effect.replicateEffect(down, 3)
        const [here, there] = yield* Effect.all([start(counting), start(counting)])
        yield* there.succeed
        yield* here.breaker.restore(yield* elsewhere.snapshot)
        yield* pass("10 seconds")
        assert.lengthOf(store.record?.evidence ?? [], 1)
        yield* there.fail
        yield* pass("10 seconds")
        for (const process of [here, there]) assert.strictEqual(yield* process.phase, "Open")
      })
    ))

  it.effect("announces the change of phase and of the override, and says why", () =>
    shared(() =>
      Effect.gen(function*() {
        const elsewhere = yield* CircuitBreaker.makeLocal(first)
        yield* Effect.flip(elsewhere.withBreaker(Effect.fail("down"), key))
        yield* elsewhere.metricsOnly(key)
        const [here, there] = yield* pair
        yield* here.breaker.restore(yield* elsewhere.snapshot)
        yield* pass("1 second")
        const told = ({ events }: Process) =>
          events.flatMap((event) =>
            event._tag === "Transition"
              ? [`${event.from} to ${event.to}: ${event.reason._tag}`]
              : event._tag === "Overridden"
              ? [event.override]
              : []
          )
        assert.deepStrictEqual(told(here), ["Closed to Open: Restored", "MetricsOnly"])
        assert.sameMembers([...told(there)], ["Closed to Open: Learned", "MetricsOnly"])
        assert.strictEqual((yield* here.breaker.state(key)).lastTransition?.reason._tag, "Restored")
      })
    ))
})

describe("an override", () => {
  const fast = <A, E, R>(test: (store: SteppedStore) => Effect.Effect<A, E, R>) => {
    const store = new SteppedStore(true)
    return Effect.andThen(TestClock.setTime(20_000 * 24 * hour), test(store)).pipe(Effect.provide(store.layer))
  }

  it.effect("reaches the others at once after a change of phase", () =>
    fast(() =>
      Effect.gen(function*() {
        const [here, there] = yield* pair
        yield* here.fail
        yield* pass("300 millis")
        yield* here.breaker.disable(key)
        yield* heard
        assert.strictEqual(yield* overrideOf(there), "Disabled")
        yield* here.breaker.release(key)
        yield* heard
        assert.strictEqual(yield* overrideOf(there), "None")
      })
    ))

  it.effect("reaches the others at once while failures are counted", () =>
    fast(() =>
      Effect.gen(function*() {
        const counting: Policy.Policy = { tripRule: TripRule.consecutive(100) }
        const [here, there] = yield* Effect.all([start(counting), start(counting)])
        for (let second = 0; second < 5; second++) {
          yield* Effect.all([here.fail, there.fail])
          yield* pass("1 second")
        }
        yield* Effect.all([here.fail, there.fail])
        yield* pass("300 millis")
        yield* here.breaker.forceOpen(key)
        yield* heard
        assert.strictEqual(yield* overrideOf(there), "ForcedOpen")
      })
    ))

  it.effect("of a record without a stamp holds, and its later end as well", () =>
    fast((store) =>
      Effect.gen(function*() {
        const [here] = yield* pair
        yield* here.breaker.forceOpen(key)
        yield* heard
        const old = () => {
          if (store.record === undefined) throw new Error("the store holds a record")
          const { act: _, ...rest } = store.record
          return { ...rest, version: rest.version + 1 }
        }
        // An instance of an earlier release writes the record without what it does not know.
        store.record = old()
        store.announceMissed()
        yield* pass("3 seconds")
        assert.strictEqual(yield* overrideOf(here), "ForcedOpen")
        store.record = { ...old(), override: "None", time: store.record.time + 3_000 }
        store.announceMissed()
        yield* pass("3 seconds")
        assert.strictEqual(yield* overrideOf(here), "None")
      })
    ))
})
