/** Keys that a process doesn't know yet, or no more. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitOpen, CircuitStore, type Policy, TripRule } from "@reclose/core"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { key } from "../support.ts"
import { heard, pass, put, record, start } from "./processes.ts"
import { settableClock } from "./settableClock.ts"

const kept = Effect.provide(CircuitStore.layerMemory)

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

/** A process with room for one circuit, that tells of failures. */
const small: Policy.Policy = { ...first, tripRule: TripRule.consecutive(100), maxKeys: 1 }

describe("the first use of a key", () => {
  it.effect("finds an opening whose time is up: its call is the probe", () =>
    Effect.gen(function*() {
      yield* put({ generation: 3, phase: { _tag: "Open", openings: 1, duration: 1_000, remaining: 1_000 } })
      yield* pass("2 seconds")
      const here = yield* start(first)
      assert.strictEqual(yield* here.fail, "down")
      yield* heard
      assert.deepInclude((yield* record)?.phase, { _tag: "Open", openings: 2 })
    }).pipe(kept))

  it.effect("reads what is known then until something is told: not again before that", () =>
    Effect.gen(function*() {
      yield* put({})
      const here = yield* start(first)
      yield* here.fail
      yield* heard
      assert.strictEqual((yield* record)?.phase._tag, "Open")
      assert.strictEqual(yield* here.way.count("read"), 1)
    }).pipe(kept))
})

describe("a first read that is answered late", () => {
  const slow = { _tag: "Deliver", answerDelay: "80 millis" } as const

  it.effect("is read again where the store announced a newer record meanwhile", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(first), start(first)])
      yield* there.succeed
      yield* here.way.next("read", slow)
      const call = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* heard
      yield* there.fail
      yield* heard
      yield* TestClock.adjust("80 millis")
      assert.strictEqual(yield* Fiber.join(call), "42", "the answer was older than the opening")
      yield* heard
      assert.strictEqual(yield* here.phase, "Open")
    }).pipe(kept))

  it.effect("is read again where announcements may have been lost meanwhile", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(first), start(first)])
      yield* there.succeed
      yield* here.way.next("read", slow)
      yield* here.way.next("change", { _tag: "LoseRequest" })
      const call = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* heard
      yield* there.fail
      yield* heard
      // A way that was cut says that something may be missing.
      yield* here.way.partition
      yield* here.way.heal
      yield* TestClock.adjust("80 millis")
      yield* Fiber.join(call)
      yield* heard
      assert.strictEqual(yield* here.phase, "Open")
    }).pipe(kept))

  it.effect("is not read again where nothing newer was announced", () =>
    Effect.gen(function*() {
      yield* put({})
      const here = yield* start(first)
      yield* here.way.next("read", slow)
      const call = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* TestClock.adjust("80 millis")
      yield* Fiber.join(call)
      yield* heard
      assert.strictEqual(yield* here.way.count("read"), 1)
    }).pipe(kept))
})

describe("a wall clock that is set during a first read", () => {
  it.effect("costs a second read, and the first answer holds where the second one comes too late", () =>
    Effect.gen(function*() {
      const clock = yield* settableClock
      yield* put({ generation: 3, phase: { _tag: "Open", openings: 1, duration: 9_000, remaining: 9_000 } })
      const decide = () => ({ _tag: "Deliver", answerDelay: "80 millis" }) as const
      const here = yield* Effect.provideService(start(first, { decide }), Clock.Clock, clock)
      const call = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* heard
      clock.ahead = 60_000
      yield* TestClock.adjust("80 millis")
      yield* heard
      yield* TestClock.adjust("20 millis")
      assert.instanceOf(yield* Fiber.join(call), CircuitOpen)
      assert.strictEqual(yield* here.way.count("read"), 2)
    }).pipe(kept))
})

describe("a key that a snapshot brings while it is read", () => {
  it.effect("keeps the circuit of the snapshot", () =>
    Effect.gen(function*() {
      const elsewhere = yield* CircuitBreaker.makeLocal(first)
      yield* Effect.flip(elsewhere.withBreaker(Effect.fail("down"), key))
      const here = yield* start(first, { decide: () => ({ _tag: "Deliver", answerDelay: "50 millis" }) })
      const call = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* here.breaker.restore(yield* elsewhere.snapshot)
      yield* pass("1 second")
      assert.instanceOf(yield* Fiber.join(call), CircuitOpen)
      assert.strictEqual(yield* here.phase, "Open")
    }).pipe(kept))
})

describe("a key that comes to a full table", () => {
  const open = { generation: 3, phase: { _tag: "Open", openings: 1, duration: 9_000, remaining: 9_000 } } as const

  /** A process whose table is full of circuits that an operator holds open, and then of one that may go. */
  const full = Effect.fnUntraced(function*(forced: number) {
    yield* put(open)
    const here = yield* start({ ...first, maxKeys: forced + 1 })
    for (let i = 0; i < forced; i++) yield* here.breaker.forceOpen(`forced-${i}`)
    yield* here.breaker.withBreaker(Effect.void, "idle")
    return here
  })

  it.effect("is read where another one can make room, though not the first that is looked at", () =>
    Effect.gen(function*() {
      const here = yield* full(2)
      assert.instanceOf(yield* here.succeed, CircuitOpen)
      assert.strictEqual(yield* here.way.count("read", key), 1)
    }).pipe(kept))

  it.effect("is not read where none of the next 32 can: its call is not guarded", () =>
    Effect.gen(function*() {
      const here = yield* full(40)
      assert.strictEqual(yield* here.succeed, "42")
      assert.strictEqual(yield* here.way.count("read", key), 0)
    }).pipe(kept))
})

describe("a key that was forgotten for others", () => {
  it.effect("is read again when it is used again", () =>
    Effect.gen(function*() {
      const here = yield* start(small)
      yield* here.succeed
      yield* here.breaker.withBreaker(Effect.void, "other")
      yield* put({ generation: 3, phase: { _tag: "Open", openings: 1, duration: 9_000, remaining: 9_000 } })
      yield* Effect.flip(here.breaker.withBreaker(Effect.void, key))
      assert.strictEqual(yield* here.way.count("read", key), 2)
    }).pipe(kept))

  it.effect("tells nothing any more", () =>
    Effect.gen(function*() {
      const here = yield* start(small)
      yield* here.fail
      yield* heard
      yield* here.fail
      yield* here.breaker.withBreaker(Effect.void, "other")
      const before = yield* here.way.count("replace", key)
      yield* pass("5 seconds")
      assert.strictEqual(yield* here.way.count("replace", key), before)
    }).pipe(kept))
})
