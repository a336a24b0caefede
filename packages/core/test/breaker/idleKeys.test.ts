/** When a circuit is idle, and what is never forgotten however idle it is. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, type CircuitEvent, Outcome, type Policy, TripRule, withBreaker } from "@reclose/core"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import type { CircuitSnapshot } from "../../src/machine/Snapshot.ts"
import { listen, under } from "../support.ts"

const use = (key: string) => withBreaker(Effect.void, key)
const keys = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`)

const forgotten = (events: Effect.Effect<ReadonlyArray<CircuitEvent>>) =>
  Effect.map(events, (events) => events.flatMap((event) => event._tag === "KeyForgotten" ? [event.key] : []))

const policy: Policy.Policy = {
  tripRule: TripRule.consecutive(1),
  openDuration: "30 seconds",
  idleTimeToLive: "1 minute"
}

describe("an idle circuit", () => {
  it.effect("is forgotten after more than its time to live, and not before", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      const events = yield* listen()
      yield* Effect.forEach(["a", "b"], use)
      yield* TestClock.adjust("60 seconds")
      yield* use("c")
      assert.deepStrictEqual(yield* forgotten(events), [])
      yield* TestClock.adjust("1 second")
      yield* use("d")
      assert.deepStrictEqual(yield* forgotten(events), ["a"])
    }).pipe(under(policy)))

  it.effect.each<[string, Effect.Effect<unknown, unknown, CircuitBreaker>]>([
    ["a call", use("a")],
    ["a classified call", withBreaker(Effect.void, { key: "a", classify: Outcome.fromExit })],
    ["a failed one", Effect.flip(withBreaker(Effect.fail("down"), "a"))],
    [
      "a rejection",
      CircuitBreaker.use((breaker) =>
        breaker.forceOpen("a").pipe(Effect.andThen(Effect.flip(use("a"))), Effect.andThen(breaker.release("a")))
      )
    ]
  ])("is one that had not so much as %s since", ([, used]) =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* Effect.forEach(["a", "b", "c"], use)
      yield* TestClock.adjust("50 seconds")
      yield* used
      yield* TestClock.adjust("50 seconds")
      yield* use("d")
      assert.deepStrictEqual(yield* forgotten(events), ["b"])
    }).pipe(under({ ...policy, tripRule: TripRule.consecutive(5) })))

  it.effect("goes together with another one, and leaves the third that is in use", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(["a", "b", "c"], use)
      yield* TestClock.adjust("61 seconds")
      yield* use("c")
      const events = yield* listen()
      yield* use("d")
      assert.deepStrictEqual(yield* forgotten(events), ["a", "b"])
    }).pipe(under(policy)))

  it.effect("is one of two at most that go for each new key, however many there are", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(keys("old", 10), use)
      yield* Effect.forEach(keys("other", 10), use)
      yield* TestClock.adjust("1 hour")
      const events = yield* listen()
      yield* use("new")
      assert.include([1, 2], (yield* forgotten(events)).length)
    }).pipe(under(policy)))
})

describe("what makes no room", () => {
  const two: Policy.Policy = { ...policy, maxKeys: 2 }

  it.effect("is a circuit with openings to remember, until they are forgotten", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* Effect.flip(withBreaker(Effect.fail("down"), "recovered"))
      yield* TestClock.adjust("30 seconds")
      yield* use("recovered")
      yield* Effect.forEach(keys("new", 5), use)
      assert.notInclude(yield* forgotten(events), "recovered")
      yield* TestClock.adjust("30 seconds")
      yield* Effect.forEach(keys("newer", 5), use)
      assert.include(yield* forgotten(events), "recovered")
    }).pipe(under(two)))

  it.effect("is an open circuit that a snapshot brings, though it tells of no openings", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const events = yield* listen()
      const circuit: CircuitSnapshot = {
        phase: "Open",
        generation: 1,
        consecutiveOpenings: 0,
        openDuration: 30_000,
        remaining: 30_000,
        warmUp: 0,
        override: "None",
        measured: []
      }
      yield* breaker.restore({ version: 1, circuits: [{ ...circuit, key: "open" }] })
      yield* Effect.forEach(keys("new", 5), use)
      assert.notInclude(yield* forgotten(events), "open")
    }).pipe(under(two)))
})

describe("a circuit that has opened", () => {
  const failOnce = (key: string) => Effect.flip(withBreaker(Effect.fail("down"), key))

  it.effect("makes room for a new key when its opening is over and nothing has called it since", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(keys("down", 100), failOnce)
      yield* TestClock.adjust("30 days")
      const events = yield* listen()
      yield* Effect.flip(withBreaker(Effect.fail("down"), "new"))
      assert.deepStrictEqual((yield* events).map(({ _tag }) => _tag), [
        ...(yield* forgotten(events)).map(() => "KeyForgotten" as const),
        "Transition"
      ])
      assert.isNotEmpty(yield* forgotten(events))
    }).pipe(under({ ...policy, openDuration: "1 second", maxKeys: 100 })))

  it.effect("makes no room before: neither while it is open, nor within its time to live after that", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(keys("down", 3), failOnce)
      const events = yield* listen()
      yield* TestClock.adjust("89 seconds")
      yield* use("new")
      assert.deepStrictEqual((yield* events).map(({ _tag }) => _tag), ["KeyRefused"])
    }).pipe(under({ ...policy, maxKeys: 3 })))

  it.effect("and waits half-open for a probe that no call makes, makes room as well", () =>
    Effect.gen(function*() {
      yield* failOnce("a")
      yield* TestClock.adjust("30 seconds")
      // A probe that says nothing leaves the circuit half-open, with no probe out.
      yield* withBreaker(Effect.void, { key: "a", classify: () => Outcome.ignored })
      yield* TestClock.adjust("10 minutes")
      const events = yield* listen()
      yield* use("new")
      assert.deepStrictEqual(yield* forgotten(events), ["a"])
    }).pipe(under({ ...policy, maxKeys: 1 })))
})
