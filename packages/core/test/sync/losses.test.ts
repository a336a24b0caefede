/** Answers that are lost, stores that are cut off, records that are gone or can't be read: nothing counts twice. */
import { assert, describe, it } from "@effect/vitest"
import {
  CircuitOpen,
  CircuitStore,
  CircuitStoreError,
  type CircuitStoreReason,
  type Policy,
  TripRule
} from "@reclose/core"
import { Fate } from "@reclose/core/testing"
import { Effect, Random } from "effect"
import { TestClock } from "effect/testing"
import { key } from "../support.ts"
import { asked, heard, pass, type Process, put, record, start, used } from "./processes.ts"

const kept = Effect.provide(CircuitStore.layerMemory)

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const failuresOf = Effect.map(record, (record) => {
  const [count] = record?.evidence ?? []
  return count?._tag === "Consecutive"
    ? count.failures
    : count?._tag === "Time"
    ? count.buckets.reduce((sum, [, , hits]) => sum + hits, 0)
    : (count?.blocks ?? []).reduce((sum, [, hits]) => sum + hits, 0)
})

const storeEvents = ({ events }: Process) =>
  events.flatMap((event) => event._tag === "StoreFailed" || event._tag === "StoreRecovered" ? [event._tag] : [])

const reasons = ({ events }: Process): ReadonlyArray<CircuitStoreReason> =>
  events.flatMap((event) =>
    (event._tag === "StoreFailed" || event._tag === "RecordMismatch") && event.cause instanceof CircuitStoreError
      ? [event.cause.reason]
      : []
  )

const rules: ReadonlyArray<[string, TripRule.TripRule]> = [
  ["in a row", TripRule.consecutive(1_000)],
  ["as a rate of calls", TripRule.failureRate({ threshold: 1, window: 1_000, minimumCalls: 1_000 })],
  ["within a time", TripRule.failures({ failures: 1_000, window: "1 hour" })]
]

describe("failures", () => {
  it.effect.each(rules)(
    "%s are counted once, though the answer to their telling is lost",
    ([, tripRule]) =>
      Effect.gen(function*() {
        const here = yield* start({ ...first, tripRule })
        yield* here.succeed
        yield* here.way.next("replace", { _tag: "LoseAnswer" })
        yield* here.fail
        yield* pass("10 seconds")
        assert.strictEqual(yield* failuresOf, 1)
        assert.deepStrictEqual(storeEvents(here), ["StoreFailed", "StoreRecovered"])
        yield* here.fail
        yield* pass("10 seconds")
        assert.strictEqual(yield* failuresOf, 2)
      }).pipe(kept)
  )

  it.effect.each(rules)(
    "%s are counted once, though their telling arrives twice, or late",
    ([, tripRule]) =>
      Effect.gen(function*() {
        const here = yield* start({ ...first, tripRule })
        yield* here.succeed
        yield* here.way.next("replace", { _tag: "Duplicate", answer: "Second" })
        yield* here.fail
        yield* pass("10 seconds")
        yield* here.way.next("replace", { _tag: "Deliver", requestDelay: "700 millis" })
        yield* here.fail
        yield* pass("10 seconds")
        assert.strictEqual(yield* failuresOf, 2)
      }).pipe(kept)
  )

  it.effect.each(rules)("%s are all counted, and none twice, on a way that loses and delays half of what it carries", (
    [, tripRule]
  ) =>
    Effect.gen(function*() {
      const random = yield* Random.Random
      const odds = { fail: 0.1, loseRequest: 0.1, loseAnswer: 0.2, duplicate: 0.1, maxDelay: "400 millis" } as const
      const processes = yield* Effect.replicateEffect(
        start({ ...first, tripRule }, { decide: Fate.chances(random, odds) }),
        3
      )
      for (let i = 0; i < 20; i++) {
        yield* Effect.forEach(processes, ({ fail }) => fail, { concurrency: "unbounded" }).pipe(
          Effect.forkScoped({ startImmediately: true })
        )
        yield* pass("2 seconds")
        assert.isAtMost(yield* failuresOf, 3 * (i + 1))
      }
      for (const { way } of processes) yield* way.decide(() => ({ _tag: "Deliver" }))
      yield* pass("1 minute")
      assert.strictEqual(yield* failuresOf, 60)
    }).pipe(Random.withSeed("losses"), kept))
})

describe("a process that is cut off", () => {
  it.effect("goes on by itself, and comes back to what the others have come to", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(first), start(first)])
      yield* used([here, there])
      yield* there.way.partition
      yield* here.fail
      yield* pass("1 second")
      assert.strictEqual(yield* there.succeed, "42")
      yield* there.way.heal
      yield* pass("1 second")
      assert.instanceOf(yield* there.succeed, CircuitOpen)
    }).pipe(kept))

  it.effect("tells of what it has come to by itself, once it is back", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start({ ...first, openDuration: "10 minutes" }), start(first)])
      yield* used([here, there])
      yield* here.way.partition
      yield* here.fail
      yield* pass("1 minute")
      assert.strictEqual(yield* there.succeed, "42")
      yield* here.way.heal
      yield* pass("30 seconds")
      assert.instanceOf(yield* there.succeed, CircuitOpen)
      assert.deepStrictEqual(storeEvents(here), ["StoreFailed", "StoreRecovered"])
    }).pipe(kept))

  it.effect("gives up its own phase where the others have moved on", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start({ ...first, openDuration: "10 minutes" }), start(first)])
      yield* used([here, there])
      yield* here.way.partition
      yield* here.fail
      yield* there.breaker.reset(key)
      yield* pass("1 second")
      yield* here.way.heal
      yield* pass("30 seconds")
      assert.strictEqual(yield* here.phase, "Closed")
      assert.strictEqual(yield* there.phase, "Closed")
    }).pipe(kept))
})

describe("a record", () => {
  /** Lets the store forget the record. */
  const lose = CircuitStore.use((store) =>
    Effect.flatMap(
      store.read(key),
      ({ record }) =>
        record === undefined
          ? Effect.void
          : store.replace(key, record, { ...record, version: record.version + 1, timeToLive: 0, time: -1 })
    )
  ).pipe(Effect.orDie)

  it.effect("that is lost is told again, since its circuit matters", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start({ ...first, openDuration: "5 minutes" }), start(first)])
      yield* here.fail
      yield* pass("2 minutes")
      yield* lose
      yield* pass("2 minutes")
      assert.strictEqual((yield* record)?.phase._tag, "Open")
      assert.instanceOf(yield* there.succeed, CircuitOpen)
    }).pipe(kept))

  it.effect("whose time is over counts for nothing, though the store still has it", () =>
    Effect.gen(function*() {
      yield* put({
        timeToLive: 60_000,
        generation: 5,
        phase: { _tag: "Open", openings: 1, duration: 3_600_000, remaining: 3_600_000 }
      })
      yield* pass("59 seconds")
      assert.instanceOf(yield* (yield* start(first)).succeed, CircuitOpen)
      yield* pass("2 seconds")
      assert.strictEqual(yield* (yield* start(first)).succeed, "42")
    }).pipe(kept))

  it.effect("is kept for as long as its opening and an idle time", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, idleTimeToLive: "10 minutes" })
      yield* here.fail
      yield* heard
      assert.strictEqual((yield* record)?.timeToLive, 630_000)
      yield* here.breaker.forceOpen(key)
      yield* heard
      assert.isUndefined((yield* record)?.timeToLive, "an operator's act is kept until its end")
    }).pipe(kept))

  it.effect.each(["Corrupt", "ForeignVersion", "WrongType"] as const)(
    "that is %s costs no call, is told of once, and is left alone",
    (reason) =>
      Effect.gen(function*() {
        const here = yield* start(first)
        yield* here.way.decide(({ kind }) => kind === "read" ? { _tag: "Fail", reason } : { _tag: "Deliver" })
        assert.strictEqual(yield* here.succeed, "42")
        assert.strictEqual(yield* here.fail, "down")
        assert.instanceOf(yield* here.succeed, CircuitOpen)
        yield* pass("25 seconds")
        assert.strictEqual(yield* here.way.count("replace"), 0)
        assert.deepStrictEqual(reasons(here), [reason])
      }).pipe(kept)
  )

  it.effect("of another trip rule keeps its counts to itself, and its phase holds", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, tripRule: TripRule.consecutive(3) })
      const evidence = [{ _tag: "Consecutive", failures: 2 }] as const
      const time = 1_000_000
      yield* TestClock.setTime(time)
      yield* put({ policy: "other", evidence, failing: [["somebody", time]], writers: [["somebody", 1]] })
      yield* here.succeed
      yield* here.fail
      yield* pass("5 seconds")
      assert.strictEqual(yield* here.phase, "Closed", "2 and 1 make no 3 here")
      assert.include(yield* record, { policy: "other", evidence }, "they are left alone")
      assert.deepStrictEqual(reasons(here), ["ForeignPolicy"])
      yield* Effect.replicateEffect(here.fail, 2)
      yield* heard
      const held = yield* record
      assert.strictEqual(held?.phase._tag, "Open")
    }).pipe(kept))
})

describe("a store that can't be reached", () => {
  it.effect("when a key that no call has used is looked at, leaves it closed", () =>
    Effect.gen(function*() {
      const here = yield* start(first)
      yield* here.way.failNext("read")
      assert.strictEqual(yield* here.phase, "Closed")
    }).pipe(kept))

  it.effect("is told of once, however often an unused key is looked at", () =>
    Effect.gen(function*() {
      const here = yield* start(first)
      yield* here.way.decide(() => ({ _tag: "Fail" }))
      yield* Effect.replicateEffect(here.phase, 5)
      yield* heard
      assert.deepStrictEqual(storeEvents(here), ["StoreFailed"])
    }).pipe(kept))

  it.effect("is not asked by each call of a key for which there is no room", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, maxKeys: 1 })
      yield* here.fail
      yield* heard
      const before = yield* asked(here)
      yield* Effect.replicateEffect(here.breaker.withBreaker(Effect.void, "other"), 10)
      yield* heard
      assert.isAtMost((yield* asked(here)) - before, 1)
    }).pipe(kept))

  it.effect("is read for a look at an unused key, which takes no place among the circuits", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(first), start(first)])
      yield* here.fail
      yield* heard
      assert.strictEqual(yield* there.phase, "Open")
      const [{ generation }, seen] = yield* Effect.all([here.breaker.state(key), there.breaker.state(key)])
      assert.strictEqual(seen.generation, generation)
      assert.deepStrictEqual(yield* there.breaker.list, [])
    }).pipe(kept))

  it.effect("tells nobody of a change because somebody looks at an unused key", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(first), start({ ...first, tripRule: TripRule.consecutive(7) })])
      yield* here.fail
      yield* heard
      yield* Effect.replicateEffect(there.phase, 2)
      yield* heard
      assert.deepStrictEqual(there.events, [])
      assert.isUndefined((yield* there.breaker.state(key)).lastTransition)
    }).pipe(kept))

  it.effect("is asked for a key again by itself after its first use, and then the process knows", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(first), start(first)])
      yield* here.fail
      yield* heard
      yield* there.way.failNext("read")
      assert.strictEqual(yield* there.succeed, "42")
      yield* pass("5 seconds")
      assert.instanceOf(yield* there.succeed, CircuitOpen)
      assert.deepStrictEqual(storeEvents(there), ["StoreFailed", "StoreRecovered"])
    }).pipe(kept))
})
