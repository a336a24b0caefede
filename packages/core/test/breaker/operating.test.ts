/** What an operator sees and removes: whether calls are rejected, which circuits the store has, which were a typo. */
import { assert, describe, it } from "@effect/vitest"
import {
  CircuitBreaker,
  type CircuitState,
  CircuitStateSchema,
  CircuitStore,
  CircuitStoreError,
  type CircuitStoreReason,
  type Policy,
  TripRule
} from "@reclose/core"
import { FaultyStore } from "@reclose/core/testing"
import { Duration, Effect, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { failing, hold, key, settled, state, succeeding, under } from "../support.ts"
import { policy } from "../sync/planned.ts"
import { pass, start } from "../sync/processes.ts"
import { recordOf } from "../sync/pure.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const operator = <A, E>(command: (breaker: CircuitBreaker["Service"]) => Effect.Effect<A, E>) =>
  Effect.orDie(CircuitBreaker.use(command))

const rejectionIn = ({ isRejecting, rejection }: CircuitState) => ({
  isRejecting,
  reason: rejection?.reason,
  seconds: rejection && Duration.toSeconds(rejection.retryAfter)
})

describe("the state of a circuit", () => {
  it.effect("says that a closed circuit which is forced open rejects calls, and when to look again", () =>
    Effect.gen(function*() {
      yield* succeeding
      yield* operator((breaker) => breaker.forceOpen(key))
      assert.strictEqual((yield* state).phase, "Closed")
      assert.deepStrictEqual(rejectionIn(yield* state), { isRejecting: true, reason: "Forced", seconds: 30 })
    }).pipe(under(first)))

  it.effect.each(["forceClosed", "disable", "metricsOnly"] as const)(
    "says that an open circuit rejects nothing under %s",
    (command) =>
      Effect.gen(function*() {
        yield* failing
        yield* operator((breaker) => breaker[command](key))
        assert.deepStrictEqual(rejectionIn(yield* state), {
          isRejecting: false,
          reason: undefined,
          seconds: undefined
        })
      }).pipe(under(first))
  )

  it.effect("says what a call would be rejected with in each phase", () =>
    Effect.gen(function*() {
      yield* succeeding
      assert.isFalse((yield* state).isRejecting)
      yield* failing
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(rejectionIn(yield* state), { isRejecting: true, reason: "Tripped", seconds: 20 })
      yield* TestClock.adjust("20 seconds")
      assert.isFalse((yield* state).isRejecting, "the next call probes")
      yield* hold()
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(rejectionIn(yield* state), { isRejecting: true, reason: "Probing", seconds: 29 })
    }).pipe(under(first)))

  it.effect("is isolated, and says so", () =>
    Effect.gen(function*() {
      yield* Effect.orDie((yield* CircuitBreaker).isolate(key))
      assert.strictEqual((yield* state).rejection?.reason, "Forced")
    }).pipe(Effect.scoped, under(first)))

  it.effect("comes back from JSON text as it was, in each phase", () =>
    Effect.gen(function*() {
      const json = Schema.fromJsonString(CircuitStateSchema)
      const steps = [
        Effect.void,
        succeeding,
        failing,
        TestClock.adjust("30 seconds"),
        hold(),
        TestClock.adjust("1 hour")
      ]
      for (const step of steps) {
        yield* step
        const before = yield* state
        const text = yield* Schema.encodeEffect(json)(before)
        assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(json)(text), before)
      }
    }).pipe(under({ ...first, tripRule: TripRule.any([TripRule.consecutive(1), TripRule.failureRate()]) })))
})

describe("an operator's command", () => {
  it.effect.each(["forceOpen", "forceClosed", "disable", "metricsOnly", "release", "reset"] as const)(
    "by %s says whether the circuit existed",
    (command) =>
      Effect.gen(function*() {
        yield* succeeding
        assert.deepStrictEqual(yield* operator((breaker) => breaker[command](key)), { existed: true })
        assert.deepStrictEqual(yield* operator((breaker) => breaker[command]("typo")), { existed: false })
      }).pipe(under(first))
  )

  it.effect("does not call a circuit a typo while the store does not answer", () =>
    Effect.gen(function*() {
      const faults = yield* FaultyStore
      const { breaker } = yield* start(first)
      yield* faults.failNext("read", { reason: "Unavailable" })
      assert.deepStrictEqual(yield* breaker.forceOpen(key), { existed: undefined })
    }).pipe(Effect.provide(FaultyStore.layer().pipe(Layer.provide(CircuitStore.layerMemory)))))

  it.effect("knows a circuit that only the store has", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(first), start(first)])
      yield* there.fail
      yield* pass("1 second")
      assert.deepStrictEqual(yield* here.breaker.forceOpen(key), { existed: true })
    }).pipe(Effect.provide(CircuitStore.layerMemory)))
})

describe("a circuit that was made by a typo", () => {
  it.effect("is removed: from the instance at once, from the store once its record has expired", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      const { breaker } = yield* start({ ...first, idleTimeToLive: "1 minute" })
      yield* breaker.forceOpen("typo")
      yield* pass("1 second")
      assert.isUndefined((yield* store.read("typo")).record?.timeToLive, "an override never expires")
      assert.deepStrictEqual(yield* breaker.remove("typo"), { existed: true })
      assert.deepStrictEqual(yield* breaker.list, [])
      const { record } = yield* store.read("typo")
      assert.deepInclude(record, { override: "None", timeToLive: 60_000 })
    }).pipe(Effect.provide(CircuitStore.layerMemory)))

  it.effect("is removed from a breaker without a store", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* breaker.forceOpen("typo")
      yield* breaker.remove("typo")
      assert.deepStrictEqual(yield* breaker.list, [])
    }).pipe(Effect.provide(CircuitBreaker.layerLocal(first))))
})

describe("the circuits of a fleet", () => {
  const keysOf = (states: ReadonlyArray<CircuitState>) => states.map(({ key }) => key).toSorted()

  it.effect("are listed as the store knows them, whichever instance holds them", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(first), start(first)])
      yield* here.fail
      yield* Effect.flip(there.breaker.withBreaker(Effect.fail("down"), "payments/eu"))
      yield* there.breaker.forceOpen("payments/us")
      yield* here.breaker.withBreaker(Effect.void, "healthy")
      yield* pass("1 second")
      assert.deepStrictEqual(keysOf(yield* here.breaker.list), ["healthy", key])
      const stored = yield* Stream.runCollect(here.breaker.listStored())
      assert.deepStrictEqual(keysOf(stored), ["payments/eu", "payments/us", key])
      assert.isTrue(stored.every(({ isRejecting }) => isRejecting))
      const [eu] = yield* Stream.runCollect(here.breaker.listStored("payments/e"))
      assert.deepInclude(eu, { key: "payments/eu", phase: "Open" })
      assert.deepStrictEqual(keysOf(yield* here.breaker.list), ["healthy", key], "and looking holds none")
    }).pipe(Effect.provide(CircuitStore.layerMemory)))

  it.effect("are not those whose records have expired", () =>
    Effect.gen(function*() {
      const { breaker, fail } = yield* start({ ...first, idleTimeToLive: "1 minute" })
      yield* fail
      yield* pass("1 second")
      assert.lengthOf(yield* Stream.runCollect(breaker.listStored()), 1)
      yield* TestClock.adjust("2 hours")
      assert.isEmpty(yield* Stream.runCollect(breaker.listStored()))
    }).pipe(Effect.provide(CircuitStore.layerMemory)))

  /** Lists a, b and c from a store that reads c alone. */
  const listedBy = (reason: CircuitStoreReason) =>
    Effect.gen(function*() {
      const record = recordOf(policy, { phase: { _tag: "Open", openings: 1, duration: 30_000, remaining: 30_000 } })
      const unreadable = (key: string) =>
        Effect.fail(new CircuitStoreError({ key, operation: "read", reason, message: "broken" }))
      const store = CircuitStore.make({
        read: (key) => key === "c" ? Effect.succeed({ record, time: 1_000, precision: 1 }) : unreadable(key),
        replace: unreadable,
        changes: undefined,
        list: () => Stream.make("a", "b", "c")
      })
      const { breaker, events } = yield* Effect.provideService(start(first), CircuitStore, store)
      const exits = yield* Effect.replicateEffect(Effect.exit(Stream.runCollect(breaker.listStored())), 2)
      yield* settled
      return { exits, events: events.map(({ _tag, ...event }) => `${_tag} ${"key" in event ? event.key : ""}`) }
    })

  it.effect("can't be listed where the store does not read", () =>
    Effect.gen(function*() {
      const { events, exits } = yield* listedBy("Unavailable")
      assert.deepStrictEqual(exits.map(({ _tag }) => _tag), ["Failure", "Failure"])
      assert.isFalse(events.some((event) => event.startsWith("StoreRecovered")))
    }))

  it.effect("are listed without a record that can't be read, which an event names once", () =>
    Effect.gen(function*() {
      const { events, exits } = yield* listedBy("Corrupt")
      const listed = exits.map((exit) => exit._tag === "Success" ? keysOf(exit.value) : exit._tag)
      assert.deepStrictEqual(listed, [["c"], ["c"]])
      assert.deepStrictEqual(events, ["StoreFailed a", "StoreFailed b"])
    }))

  it.effect("are its own for a breaker without a store", () =>
    Effect.gen(function*() {
      yield* failing
      const stored = yield* Stream.runCollect(
        Stream.unwrap(CircuitBreaker.use((breaker) => Effect.succeed(breaker.listStored("quo"))))
      )
      assert.deepStrictEqual(keysOf(stored), [key])
    }).pipe(Effect.provide(CircuitBreaker.layerLocal(first))))
})
