/** One exchange with the store: what it reads, whom it makes room for, and what it says went wrong. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitStore, type Policy, TripRule } from "@reclose/core"
import { Effect, Fiber, Random } from "effect"
import { TestClock } from "effect/testing"
import { fingerprint } from "../../src/sync/Fingerprint.ts"
import { key } from "../support.ts"
import { asked, heard, pass, put, record, start } from "./processes.ts"

const kept = Effect.provide(CircuitStore.layerMemory)

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

/** A policy under which a process has counts to tell, and nothing else. */
const counting: Policy.Policy = { ...first, tripRule: TripRule.consecutive(1_000) }

/** Random numbers that are all in the middle, so that what is spread by chance is not. */
const evenly = Effect.provideService(Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => 0.5 })

describe("what a process knows", () => {
  it.effect("is not read again to tell something", () =>
    Effect.gen(function*() {
      const here = yield* start(first)
      yield* here.fail
      yield* heard
      const reads = yield* here.way.count("read")
      const replaces = yield* here.way.count("replace")
      yield* here.breaker.reset(key)
      yield* heard
      assert.deepInclude(yield* record, { phase: { _tag: "Closed", openings: 0, remaining: 0 } })
      assert.strictEqual(yield* here.way.count("replace"), replaces + 1)
      assert.strictEqual(yield* here.way.count("read"), reads)
    }).pipe(kept))
})

describe("that there is nothing in the store", () => {
  it.effect("is known from the first use, and not read again to tell something", () =>
    Effect.gen(function*() {
      for (const background of [true, false]) {
        const here = yield* start({ ...first, background })
        const other = background ? "awake" : "frozen"
        yield* here.breaker.withBreaker(Effect.void, other)
        yield* Effect.flip(here.breaker.withBreaker(Effect.fail("down"), other))
        yield* heard
        const held = yield* CircuitStore.use((store) => store.read(other))
        assert.strictEqual(held.record?.phase._tag, "Open")
        assert.deepStrictEqual([yield* here.way.count("read"), yield* here.way.count("replace")], [1, 1])
      }
    }).pipe(kept))

  it.effect("is not known where the store gave no answer: it is read first", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, background: false })
      yield* here.way.decide(() => ({ _tag: "Fail" }))
      yield* here.succeed
      yield* heard
      yield* here.way.decide(() => ({ _tag: "Deliver" }))
      yield* put({ generation: 3, phase: { _tag: "Open", openings: 1, duration: 9_000, remaining: 9_000 } })
      yield* here.fail
      yield* here.breaker.flush
      assert.deepInclude(yield* record, { generation: 3 })
      assert.strictEqual(yield* here.way.count("replace"), 0)
      assert.strictEqual(yield* here.phase, "Open")
    }).pipe(kept))

  it.effect("may be wrong by then: who wrote first is heard, and what there is to tell is told after", () =>
    Effect.gen(function*() {
      const here = yield* start(counting, { changes: undefined })
      yield* here.succeed
      yield* put({ failing: [["other", 0]], policy: fingerprint({ _tag: "Consecutive", failures: 1_000 }) })
      yield* here.fail
      yield* heard
      assert.strictEqual(yield* here.way.count("read"), 1)
      assert.deepStrictEqual((yield* record)?.evidence, [])
      yield* pass("1500 millis")
      assert.deepStrictEqual((yield* record)?.evidence, [{ _tag: "Consecutive", failures: 1 }])
    }).pipe(evenly, kept))
})

describe("a process that only counts", () => {
  it.effect("makes room where somebody else is faster, and tells a while later", () =>
    Effect.gen(function*() {
      const here = yield* start(counting)
      yield* here.succeed
      yield* here.fail
      yield* pass("5 seconds")
      const before = yield* here.way.count("replace")
      const writes = Effect.map(here.way.count("replace"), (count) => count - before)
      yield* here.way.next("replace", { _tag: "Deliver", requestDelay: "250 millis" })
      yield* here.fail
      yield* pass("1 second")
      assert.strictEqual(yield* writes, 1)
      yield* put({})
      yield* pass("1 second")
      assert.strictEqual(yield* writes, 1)
      yield* pass("250 millis")
      assert.strictEqual(yield* writes, 2)
      assert.deepStrictEqual((yield* record)?.evidence, [{ _tag: "Consecutive", failures: 2 }])
      yield* pass("20 seconds")
      assert.strictEqual(yield* writes, 2)
    }).pipe(evenly, kept))

  it.effect("tells every second while it fails, and nothing between", () =>
    Effect.gen(function*() {
      const here = yield* start(counting)
      yield* here.succeed
      const replaces = here.way.count("replace")
      yield* here.fail
      yield* heard
      assert.strictEqual(yield* replaces, 1)
      yield* here.fail
      yield* pass("990 millis")
      assert.strictEqual(yield* replaces, 1)
      yield* pass("10 millis")
      assert.strictEqual(yield* replaces, 2)
      yield* pass("5 seconds")
      assert.strictEqual(yield* replaces, 2)
    }).pipe(kept))
})

describe("a store that can't be reached", () => {
  it.effect("is asked after one second, two, four, eight, sixteen, and every sixteen from then on", () =>
    Effect.gen(function*() {
      const here = yield* start(first)
      yield* here.succeed
      yield* here.way.decide(() => ({ _tag: "Fail" }))
      yield* here.fail
      yield* heard
      const asks: Array<number> = []
      let before = yield* asked(here)
      assert.strictEqual(before, 2, "on first use and at once")
      for (let second = 1; second <= 63; second++) {
        yield* TestClock.adjust("1 second")
        yield* heard
        const now = yield* asked(here)
        if (now > before) asks.push(second)
        before = now
      }
      assert.deepStrictEqual(asks, [1, 3, 7, 15, 31, 47, 63])
      yield* here.way.decide(() => ({ _tag: "Deliver" }))
      yield* pass("16 seconds")
      assert.strictEqual((yield* record)?.phase._tag, "Open")
      const told = here.events.map(({ _tag }) => _tag)
      assert.deepStrictEqual(told, ["Transition", "StoreFailed", "StoreRecovered"])
      assert.deepInclude(here.events[1], { key, operation: "replace" })
    }).pipe(evenly, kept))

  it.effect("is told of and asked again, too, where it was its own question that was interrupted", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      let isBroken = false
      const breaking = {
        ...store,
        replace: (...write: Parameters<typeof store.replace>) => isBroken ? Effect.interrupt : store.replace(...write)
      }
      const here = yield* Effect.provideService(start(first), CircuitStore, breaking)
      yield* here.succeed
      isBroken = true
      yield* here.fail
      yield* heard
      isBroken = false
      yield* pass("2 seconds")
      assert.strictEqual((yield* record)?.phase._tag, "Open")
      assert.deepStrictEqual(here.events.map(({ _tag }) => _tag), ["Transition", "StoreFailed", "StoreRecovered"])
    }).pipe(kept))

  it.effect("is told of again after it was reached in between", () =>
    Effect.gen(function*() {
      const here = yield* start(first)
      const failed = () => here.events.filter(({ _tag }) => _tag === "StoreFailed").length
      for (const times of [1, 1, 2]) {
        if (times === 1) yield* here.way.decide(() => ({ _tag: "Fail" }))
        yield* here.phase
        yield* heard
        assert.strictEqual(failed(), 1)
      }
      yield* here.way.decide(() => ({ _tag: "Deliver" }))
      yield* here.phase
      yield* here.way.decide(() => ({ _tag: "Fail" }))
      yield* here.phase
      yield* heard
      assert.strictEqual(failed(), 2)
    }).pipe(kept))

  it.effect("is waited for no longer than it may take, and then let go", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      let began = 0
      let ended = 0
      const read = () =>
        Effect.suspend(() => {
          began++
          return Effect.onInterrupt(Effect.never, () => Effect.sync(() => ended++))
        })
      const here = yield* Effect.provideService(start(first), CircuitStore, { ...store, read })
      const call = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* heard
      assert.deepStrictEqual([began, ended], [1, 0])
      yield* pass("100 millis")
      assert.strictEqual(yield* Fiber.join(call), "42")
      assert.deepStrictEqual([began, ended], [2, 1], "asked again beside the call")
      yield* pass("499 millis")
      assert.strictEqual(ended, 1)
      yield* pass("1 millis")
      assert.strictEqual(ended, 2)
    }).pipe(kept))
})

describe("a record that was counted under another trip rule", () => {
  it.effect("is told of once, and says what to do; one of a third rule is told of as well", () =>
    Effect.gen(function*() {
      const here = yield* start(counting)
      const foreign = () =>
        here.events.flatMap((event) => event._tag === "RecordMismatch" ? [[event.cause.operation, event.cause]] : [])
      yield* put({ policy: "other" })
      yield* here.succeed
      for (const policy of ["other", "third"]) {
        yield* put({ policy, generation: 5 })
        yield* pass("5 seconds")
      }
      assert.strictEqual(foreign().length, 2)
      const [operation, cause] = foreign()[0] ?? []
      assert.strictEqual(operation, "read")
      assert.deepInclude(cause, {
        key,
        operation: "read",
        reason: "ForeignPolicy",
        message: "the record was counted under another trip rule, so its counts are left alone and only its phase " +
          "holds: give all processes that use the key one rule, or a store prefix each"
      })
    }).pipe(kept))
})
