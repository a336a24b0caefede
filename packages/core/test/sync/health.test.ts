/** What a store's failures cost, and when they are over: reading and writing each speak for themselves. */
import { assert, describe, it } from "@effect/vitest"
import {
  type Change,
  CircuitStore,
  CircuitStoreError,
  type CircuitStoreReason,
  type Policy,
  TripRule
} from "@reclose/core"
import { Effect, Layer, PubSub, Stream } from "effect"
import { TestClock } from "effect/testing"
import { key, settled } from "../support.ts"
import { heard, pass, type Process, put, record, start } from "./processes.ts"

const kept = Effect.provide(CircuitStore.layerMemory)

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }
const counting: Policy.Policy = { tripRule: TripRule.consecutive(1_000) }

const storeEvents = ({ events }: Process) =>
  events.flatMap((event) =>
    event._tag === "StoreFailed"
      ? [`failed to ${event.operation}`]
      : event._tag === "StoreRecovered"
      ? ["recovered"]
      : []
  )

const mismatches = ({ events }: Process) =>
  events.flatMap((event) =>
    event._tag === "RecordMismatch" ? [event.reason] : event._tag === "RecordMatched" ? ["matched"] : []
  )

const refusing = (kind: string, reason: CircuitStoreReason = "Denied") => (asked: { readonly kind: string }) =>
  asked.kind === kind ? { _tag: "Fail" as const, reason } : { _tag: "Deliver" as const }

const delivering = () => ({ _tag: "Deliver" }) as const

describe.each([["announces its changes", true], ["is polled", false]] as const)("a store that %s", (_, pushes) => {
  const options = pushes ? {} : { changes: undefined }

  it.effect("refuses writes: they are tried ever more seldom, and told of once", () =>
    Effect.gen(function*() {
      const here = yield* start(counting, options)
      yield* here.way.decide(refusing("replace"))
      for (let second = 0; second < 60; second++) {
        yield* here.fail
        yield* pass("1 second")
      }
      assert.deepStrictEqual(storeEvents(here), ["failed to replace"])
      assert.isAtMost(yield* here.way.count("replace"), 10)
      assert.isAtLeast(yield* here.way.count("replace"), 4)
      yield* here.way.decide(delivering)
      yield* pass("30 seconds")
      assert.deepStrictEqual(storeEvents(here), ["failed to replace", "recovered"])
      assert.deepStrictEqual((yield* record)?.evidence, [{ _tag: "Consecutive", failures: 60 }])
    }).pipe(kept))

  it.effect("refuses writes has not recovered when it answers a conflict", () =>
    Effect.gen(function*() {
      const memory = yield* CircuitStore
      const store = CircuitStore.make({
        ...memory,
        changes: undefined,
        replace: (key, seen) =>
          Effect.flatMap(memory.read(key), (now) =>
            now.record?.version === seen?.version
              ? Effect.fail(
                new CircuitStoreError({ key, operation: "replace", reason: "Unavailable", message: "out of memory" })
              )
              : Effect.succeed({ _tag: "Conflict", seen: now }))
      })
      const here = yield* Effect.provideService(start(counting, options), CircuitStore, store)
      const there = yield* start(counting, options)
      for (let i = 0; i < 100; i++) {
        yield* here.fail
        yield* there.fail
        yield* pass("200 millis")
      }
      assert.deepStrictEqual(storeEvents(here), ["failed to replace"])
    }).pipe(kept))

  it.effect("refuses writes of an opening: neither reads nor writes loop", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, openDuration: "10 minutes", maxOpenDuration: "10 minutes" }, options)
      yield* here.way.decide(refusing("replace"))
      yield* here.fail
      yield* pass("1 minute")
      assert.deepStrictEqual(storeEvents(here), ["failed to replace"])
      assert.isAtMost(yield* here.way.count("replace"), 10)
      assert.isAtMost(yield* here.way.count("read"), 42)
    }).pipe(kept))

  it.effect("refuses writes: what others write is still learned", () =>
    Effect.gen(function*() {
      const here = yield* start(counting, options)
      yield* here.way.decide(refusing("replace"))
      yield* here.fail
      yield* pass("10 seconds")
      yield* put({ generation: 9, phase: { _tag: "Open", openings: 1, duration: 30_000, remaining: 30_000 } })
      yield* pass("3 seconds")
      assert.strictEqual(yield* here.phase, "Open")
      assert.deepStrictEqual(storeEvents(here), ["failed to replace"])
    }).pipe(kept))

  it.effect("refused a write has recovered when it writes again, also if there is nothing left to tell", () =>
    Effect.gen(function*() {
      const here = yield* start(counting, options)
      yield* here.way.decide(refusing("replace"))
      yield* here.fail
      yield* pass("3 seconds")
      yield* here.succeed
      yield* pass("1 minute")
      assert.deepStrictEqual(storeEvents(here), ["failed to replace"], "it has not shown that it works")
      yield* here.way.decide(delivering)
      yield* pass("30 seconds")
      assert.deepStrictEqual(storeEvents(here), ["failed to replace", "recovered"])
    }).pipe(kept))

  it.effect("refuses reads, and would write: that is told of once", () =>
    Effect.gen(function*() {
      const here = yield* start(counting, options)
      yield* here.way.decide(refusing("read"))
      for (let second = 0; second < 60; second++) {
        yield* here.fail
        yield* pass("1 second")
      }
      assert.deepStrictEqual(storeEvents(here), ["failed to read"])
      yield* here.way.decide(delivering)
      yield* pass("30 seconds")
      assert.deepStrictEqual(storeEvents(here), ["failed to read", "recovered"])
    }).pipe(kept))

  it.effect("holds a record of another form: that is no failure, and its end is told of", () =>
    Effect.gen(function*() {
      const here = yield* start(counting, options)
      yield* here.way.decide(refusing("read", "ForeignVersion"))
      yield* here.fail
      yield* pass("1 minute")
      assert.deepStrictEqual([storeEvents(here), mismatches(here)], [[], ["ForeignVersion"]])
      yield* here.way.decide(delivering)
      yield* pass("30 seconds")
      assert.deepStrictEqual([storeEvents(here), mismatches(here)], [[], ["ForeignVersion", "matched"]])
    }).pipe(kept))

  it.effect("holds a record of another rule: that is no failure, and its end is told of", () =>
    Effect.gen(function*() {
      const here = yield* start(counting, options)
      yield* put({ policy: "other" })
      yield* here.succeed
      yield* pass("1 minute")
      assert.deepStrictEqual([storeEvents(here), mismatches(here)], [[], ["ForeignPolicy"]])
      yield* here.fail
      yield* pass("1 minute")
      assert.deepStrictEqual([storeEvents(here), mismatches(here)], [[], ["ForeignPolicy", "matched"]])
    }).pipe(kept))
})

describe("a store that announces a change before it refuses to write it", () => {
  it.effect.each(["here", "elsewhere"])("is not asked in a loop by an instance %s", (place) =>
    Effect.gen(function*() {
      const changes = yield* PubSub.unbounded<Change>()
      const counts = { read: 0, replace: 0 }
      const store = CircuitStore.make({
        read: () => Effect.sync(() => ({ record: undefined, time: 1_000, precision: 1 })),
        replace: (of, _, next) => {
          const { generation, version } = next
          counts.replace++
          return Effect.andThen(
            PubSub.publish(changes, { _tag: "Changed", key: of, version, generation }),
            Effect.fail(
              new CircuitStoreError({ key: of, operation: "replace", reason: "Unavailable", message: "out of memory" })
            )
          )
        },
        changes: Stream.fromPubSub(changes),
        list: () => Stream.empty
      })
      const policy: Policy.Policy = { ...first, openDuration: "1 minute" }
      const [here, other] = yield* Effect.all([start(policy), start(policy)]).pipe(
        Effect.provide(Layer.succeed(CircuitStore, store))
      )
      yield* other.succeed
      yield* here.fail
      yield* pass("50 seconds")
      const process = place === "here" ? here : other
      assert.isAtMost(yield* process.way.count("read"), 12)
      assert.isAtMost(counts.replace, 10)
      assert.deepStrictEqual(storeEvents(here), ["failed to replace"])
      assert.deepStrictEqual(storeEvents(other), [])
    }))
})

describe("announcements", () => {
  const told = Effect.gen(function*() {
    const changes = yield* PubSub.unbounded<Change>()
    const here = yield* start({ ...counting, maxKeys: 1_000 }, { changes: Stream.fromPubSub(changes) })
    return { changes, here }
  })

  it.effect("that are not understood have all circuits in use read once within a refresh, however many come", () =>
    Effect.gen(function*() {
      const { changes, here } = yield* told
      const keys = Array.from({ length: 500 }, (_, i) => `key-${i}`)
      yield* Effect.forEach(keys, (key) => here.breaker.withBreaker(Effect.void, key))
      const before = yield* here.way.count("read")
      for (let message = 0; message < 100; message++) yield* PubSub.publish(changes, { _tag: "Missed" })
      yield* pass("1 second")
      assert.strictEqual((yield* here.way.count("read")) - before, 500, "at once, for the first")
      yield* pass("5 seconds")
      assert.strictEqual((yield* here.way.count("read")) - before, 1_000, "and once more, for all others")
    }).pipe(kept))

  it.effect("of what no record shows are not read faster than ten times within flushEvery", () =>
    Effect.gen(function*() {
      const { changes, here } = yield* told
      yield* here.succeed
      const before = yield* here.way.count("read")
      for (let forged = 1; forged <= 1_000; forged++) {
        yield* PubSub.publish(changes, { _tag: "Changed", key, version: forged, generation: forged })
        yield* heard
      }
      yield* pass("900 millis")
      assert.isAtMost((yield* here.way.count("read")) - before, 20)
    }).pipe(kept))

  it.effect("of what no record shows are not read faster while a read is under way, either", () =>
    Effect.gen(function*() {
      const { changes, here } = yield* told
      yield* here.succeed
      yield* here.way.decide(() => ({ _tag: "Deliver", answerDelay: "5 millis" }))
      const before = yield* here.way.count("read")
      for (let forged = 1; forged <= 1_000; forged++) {
        yield* PubSub.publish(changes, { _tag: "Changed", key, version: 1e15 + forged, generation: 1e15 + forged })
        yield* TestClock.adjust(1)
        yield* settled
      }
      assert.isAtMost((yield* here.way.count("read")) - before, 22)
    }).pipe(kept))

  it.effect("that can't be heard are told of once, and so is the first that is heard again", () =>
    Effect.gen(function*() {
      let isBroken = true
      const broken = new CircuitStoreError({ key: "", operation: "changes", reason: "Unavailable", message: "no" })
      const changes = Stream.suspend(() => isBroken ? Stream.fail(broken) : Stream.succeed({ _tag: "Missed" as const }))
      const here = yield* start(counting, { changes })
      yield* pass("30 seconds")
      assert.deepStrictEqual(storeEvents(here), ["failed to changes"])
      isBroken = false
      yield* pass("5 seconds")
      assert.deepStrictEqual(storeEvents(here), ["failed to changes", "recovered"])
    }).pipe(kept))
})
