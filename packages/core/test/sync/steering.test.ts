/** What an operator does in one process holds in all, and is repeated on whatever the fleet has come to. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitOpen, type CircuitOverride, CircuitStore, type Policy, TripRule } from "@reclose/core"
import { Effect } from "effect"
import { key } from "../support.ts"
import { heard, pass, put, record, start, used } from "./processes.ts"

const kept = Effect.provide(CircuitStore.layerMemory)

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const pair = Effect.all([start(first), start(first)])

describe("an operator's override", () => {
  it.effect.each<["forceOpen" | "forceClosed" | "disable" | "metricsOnly", CircuitOverride]>([
    ["forceOpen", "ForcedOpen"],
    ["forceClosed", "ForcedClosed"],
    ["disable", "Disabled"],
    ["metricsOnly", "MetricsOnly"]
  ])(
    "by %s reaches all processes, those that begin later as well, and so does its end",
    ([act, override]) =>
      Effect.gen(function*() {
        const [here, there] = yield* pair
        yield* there.succeed
        yield* here.breaker[act](key)
        yield* pass("2 seconds")
        assert.strictEqual((yield* there.breaker.state(key)).override, override)
        const later = yield* start(first)
        yield* later.succeed
        assert.strictEqual((yield* later.breaker.state(key)).override, override)
        yield* there.breaker.release(key)
        yield* pass("2 seconds")
        assert.strictEqual((yield* here.breaker.state(key)).override, "None")
        assert.deepStrictEqual(
          here.events.flatMap((event) => event._tag === "Overridden" ? [event.override] : []),
          [override, "None"]
        )
      }).pipe(kept)
  )

  it.effect("reaches a process that has not used the circuit for long", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair
      yield* there.succeed
      yield* here.breaker.forceOpen(key)
      yield* heard
      yield* here.breaker.release(key)
      yield* pass("20 minutes")
      yield* here.breaker.forceOpen(key)
      yield* pass("1 minute")
      assert.instanceOf(yield* there.succeed, CircuitOpen)
    }).pipe(kept))

  it.effect("that forces a circuit closed closes it in all, and failures open it in none", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair
      yield* here.fail
      yield* heard
      assert.instanceOf(yield* there.succeed, CircuitOpen)
      yield* there.breaker.forceClosed(key)
      yield* pass("2 seconds")
      yield* here.fail
      yield* there.fail
      yield* pass("5 seconds")
      for (const { phase } of [here, there]) assert.strictEqual(yield* phase, "Closed")
    }).pipe(kept))

  it.effect("that disables a circuit lets nothing be counted, nor told", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair
      yield* there.succeed
      yield* here.breaker.disable(key)
      yield* pass("2 seconds")
      const before = yield* record
      yield* Effect.replicateEffect(here.fail, 3)
      yield* Effect.replicateEffect(there.fail, 3)
      yield* pass("5 seconds")
      assert.deepStrictEqual(yield* record, before)
    }).pipe(kept))

  it.effect("is done again where somebody else was faster", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair
      yield* used([here, there])
      yield* here.way.pause
      yield* here.breaker.forceOpen(key)
      yield* there.fail
      yield* heard
      yield* here.way.resume
      yield* pass("2 seconds")
      const held = yield* record
      assert.strictEqual(held?.override, "ForcedOpen")
      assert.strictEqual(held?.phase._tag, "Open", "and leaves the others' news alone")
    }).pipe(kept))

  it.effect("is done again where somebody else was faster, also on a circuit that was forgotten in between", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, maxKeys: 1 })
      const other = here.breaker.withBreaker(Effect.void, "other")
      yield* here.breaker.forceOpen(key)
      yield* heard
      yield* here.breaker.release(key)
      yield* heard
      yield* other
      yield* here.succeed
      yield* here.way.next("replace", { _tag: "Deliver", requestDelay: "200 millis" }, { key })
      yield* here.breaker.forceOpen(key)
      yield* heard
      yield* put({})
      yield* pass("5 seconds")
      assert.strictEqual((yield* record)?.override, "ForcedOpen")
      assert.strictEqual((yield* here.breaker.state(key)).override, "ForcedOpen")
    }).pipe(kept))

  it.effect("that ends while the store is away stays ended, though many other circuits are used until it is back", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, maxKeys: 2 })
      yield* here.breaker.forceOpen(key)
      yield* heard
      yield* here.way.decide(() => ({ _tag: "Fail" }))
      yield* here.breaker.release(key)
      yield* heard
      yield* Effect.forEach(["a", "b", "c", "d"], (other) => here.breaker.withBreaker(Effect.void, other))
      yield* here.way.decide(() => ({ _tag: "Deliver" }))
      yield* pass("20 seconds")
      assert.strictEqual((yield* record)?.override, "None")
      assert.strictEqual(yield* here.succeed, "42")
      yield* Effect.forEach(["e", "f"], (other) => here.breaker.withBreaker(Effect.void, other))
      assert.isFalse(
        (yield* here.breaker.list).some((circuit) => circuit.key === key),
        "once it is told, it is like any"
      )
    }).pipe(kept))

  it.effect("survives an opening that another process tells of, which did not know of it", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair
      yield* there.succeed
      yield* there.way.partition
      yield* here.breaker.metricsOnly(key)
      yield* there.fail
      yield* pass("2 seconds")
      yield* there.way.heal
      yield* pass("30 seconds")
      assert.strictEqual((yield* record)?.override, "MetricsOnly")
    }).pipe(kept))

  it.effect("is not shared where a key is isolated, which is one holder's business", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair
      yield* there.succeed
      yield* Effect.scoped(Effect.gen(function*() {
        yield* here.breaker.isolate(key)
        yield* pass("2 seconds")
        assert.instanceOf(yield* here.succeed, CircuitOpen)
        assert.strictEqual(yield* there.succeed, "42")
      }))
      assert.isUndefined(yield* record)
    }).pipe(kept))
})

describe("a reset", () => {
  it.effect("closes the circuit in all processes, as if new", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair
      yield* here.fail
      yield* heard
      yield* there.breaker.reset(key)
      yield* pass("2 seconds")
      assert.strictEqual(yield* here.succeed, "42")
      const held = yield* record
      assert.deepStrictEqual(held?.phase, { _tag: "Closed", openings: 0, remaining: 0 })
      assert.deepStrictEqual(held?.evidence, [])
    }).pipe(kept))

  it.effect("is done again on an opening that was faster", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair
      yield* used([here, there])
      yield* here.way.pause
      yield* here.breaker.reset(key)
      yield* there.fail
      yield* heard
      yield* here.way.resume
      yield* pass("2 seconds")
      for (const { phase } of [here, there]) assert.strictEqual(yield* phase, "Closed")
    }).pipe(kept))

  it.effect("forgets what all have counted, also what is being told meanwhile", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, tripRule: TripRule.consecutive(5) })
      yield* here.succeed
      yield* here.way.next("replace", { _tag: "Deliver", answerDelay: "100 millis" })
      yield* here.fail
      yield* heard
      assert.deepStrictEqual((yield* record)?.evidence, [{ _tag: "Consecutive", failures: 1 }])
      yield* here.breaker.reset(key)
      yield* pass("5 seconds")
      assert.deepStrictEqual((yield* record)?.evidence, [])
    }).pipe(kept))

  it.effect("ends what was counted elsewhere before it: old failures open nothing any more", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair
      yield* used([here, there])
      yield* here.way.partition
      yield* here.fail
      yield* there.breaker.reset(key)
      yield* pass("1 second")
      yield* here.way.heal
      yield* pass("30 seconds")
      for (const { phase } of [here, there]) assert.strictEqual(yield* phase, "Closed")
    }).pipe(kept))
})

describe("a snapshot", () => {
  it.effect("that is put in place while a write is under way is what the store holds in the end", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, openDuration: "10 minutes" })
      yield* here.succeed
      const taken = yield* here.breaker.snapshot
      yield* here.way.next("replace", { _tag: "Deliver", answerDelay: "100 millis" })
      yield* here.fail
      yield* heard
      yield* here.breaker.restore(taken)
      yield* pass("30 seconds")
      assert.strictEqual(yield* here.phase, "Closed")
      assert.strictEqual((yield* record)?.phase._tag, "Closed")
    }).pipe(kept))

  it.effect("is the last word on an override that was on its way to the store, and comes late", () =>
    Effect.gen(function*() {
      const here = yield* start(first)
      yield* here.succeed
      const snapshot = yield* here.breaker.snapshot
      yield* here.way.next("replace", { _tag: "Deliver", requestDelay: "200 millis" })
      yield* here.breaker.forceOpen(key)
      yield* heard
      yield* here.breaker.restore(snapshot)
      yield* pass("5 seconds")
      assert.strictEqual((yield* record)?.override, "None")
      assert.strictEqual((yield* here.breaker.state(key)).override, "None")
    }).pipe(kept))

  it.effect("replaces what others have come to, however far they are", () =>
    Effect.gen(function*() {
      const here = yield* start(first)
      yield* here.succeed
      const taken = yield* here.breaker.snapshot
      const time = 5_000
      yield* put({ time, generation: 77, phase: { _tag: "Open", openings: 1, duration: 60_000, remaining: 60_000 } })
      yield* here.breaker.restore(taken)
      yield* pass("2 seconds")
      assert.isAbove((yield* record)?.generation ?? 0, 77)
      assert.strictEqual((yield* record)?.phase._tag, "Closed")
    }).pipe(kept))
})
