/** Where circuits are kept beyond the life of a breaker. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, type Policy, type Seen, TripRule, withBreaker } from "@reclose/core"
import { Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { closedAt, failing, key, over, rejection, settled, state, succeeding, TestStore } from "./support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const nothing: Seen = { version: 0, circuit: undefined }

describe("the memory store", () => {
  const kept = Effect.provide(CircuitStore.layerMemory)

  it.effect("holds nothing of a key that was never written, which version 0 says", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      assert.deepStrictEqual(yield* store.read(key), nothing)
    }).pipe(kept))

  it.effect("replaces for whoever has seen the latest version", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      assert.deepStrictEqual(yield* store.replace(key, nothing, closedAt(1)), { _tag: "Replaced", version: 1 })
      const seen = yield* store.read(key)
      assert.deepStrictEqual(seen, { version: 1, circuit: closedAt(1) })
      assert.deepStrictEqual(yield* store.replace(key, seen, closedAt(2)), { _tag: "Replaced", version: 2 })
      assert.deepStrictEqual(yield* store.read(key), { version: 2, circuit: closedAt(2) })
    }).pipe(kept))

  it.effect("hands the winner's circuit to whoever has not, and changes nothing", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      const [, conflict] = [
        yield* store.replace(key, nothing, closedAt(1)),
        yield* store.replace(key, nothing, closedAt(7))
      ]
      const winner = { version: 1, circuit: closedAt(1) }
      assert.deepStrictEqual(conflict, { _tag: "Conflict", seen: winner })
      assert.deepStrictEqual(yield* store.read(key), winner)
      const unseen = yield* store.replace("other", { version: 3, circuit: closedAt(3) }, closedAt(4))
      assert.deepStrictEqual(unseen, { _tag: "Conflict", seen: nothing })
    }).pipe(kept))

  it.effect("lets exactly one of many win that have seen the same", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      const results = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, i) => i),
        (i) => Effect.andThen(Effect.yieldNow, store.replace(key, nothing, closedAt(i))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(results.filter((result) => result._tag === "Replaced").length, 1)
    }).pipe(kept))

  it.effect("holds 100,000 circuits, and beyond that drops the one written longest ago", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      const write = (i: number) => store.replace(`key-${i}`, nothing, closedAt(1))
      yield* Effect.forEach(Array.from({ length: 100_000 }, (_, i) => i), write, { discard: true })
      yield* store.replace("key-0", { version: 1, circuit: undefined }, closedAt(2))
      yield* write(100_000)
      assert.strictEqual((yield* store.read("key-0")).version, 2)
      assert.deepStrictEqual(yield* store.read("key-1"), nothing)
      assert.strictEqual((yield* store.read("key-2")).version, 1)
    }).pipe(kept))

  it.effect("keeps a circuit for a breaker that is built anew: phase, time, openings, override", () =>
    Effect.gen(function*() {
      const once = Effect.provide(CircuitBreaker.layer({ ...first, openDuration: { initial: "10 seconds" } }))
      yield* once(Effect.gen(function*() {
        yield* failing
        yield* TestClock.adjust("10 seconds")
        yield* failing
        yield* TestClock.adjust("5 seconds")
        yield* CircuitBreaker.use((breaker) => breaker.forceOpen("other"))
      }))
      yield* once(Effect.gen(function*() {
        const open = yield* rejection
        assert.strictEqual(open.consecutiveOpenings, 2)
        assert.isAtMost(Duration.toSeconds(open.retryAfter), 20)
        assert.strictEqual((yield* Effect.flip(withBreaker(Effect.void, "other"))).reason, "Forced")
      }))
    }).pipe(kept))
})

describe("a breaker over a store", () => {
  it.effect("reads a key on its first use, once", () => {
    const store = new TestStore()
    return Effect.gen(function*() {
      yield* Effect.replicateEffect(succeeding, 10)
      yield* withBreaker(Effect.void, "other")
      assert.strictEqual(store.reads, 2)
      assert.strictEqual(store.held.size, 0, "and writes nothing for a healthy circuit")
    }).pipe(over(store, first))
  })

  it.effect("reads a key once, however many calls wait for the first answer", () => {
    const store = new TestStore()
    const slow = Layer.effect(
      CircuitStore,
      Effect.map(
        CircuitStore,
        (store) => ({ ...store, read: (key: string) => Effect.delay(store.read(key), "50 millis") })
      )
    ).pipe(Layer.provide(store.layer))
    return Effect.gen(function*() {
      const calls = yield* Effect.replicateEffect(Effect.forkChild(succeeding, { startImmediately: true }), 10)
      yield* TestClock.adjust("50 millis")
      yield* Effect.forEach(calls, Fiber.join)
      assert.strictEqual(store.reads, 1)
    }).pipe(Effect.provide(CircuitBreaker.layer(first).pipe(Layer.provide(slow))))
  })

  it.effect("knows at the first call that a circuit is open", () => {
    const store = new TestStore()
    store.held.set(key, {
      version: 5,
      circuit: { ...closedAt(8), phase: "Open", consecutiveOpenings: 3, remaining: 7000 }
    })
    return Effect.gen(function*() {
      const open = yield* rejection
      assert.strictEqual(Duration.toMillis(open.retryAfter), 7000)
      assert.strictEqual(open.consecutiveOpenings, 3)
      assert.isAbove((yield* state).generation, 8)
    }).pipe(over(store, first))
  })

  it.effect("writes each change of phase and each act of an operator, beside the calls and never inside them", () => {
    const store = new TestStore()
    const heldPhase = () => store.held.get(key)?.circuit?.phase
    return Effect.gen(function*() {
      yield* succeeding
      yield* settled
      yield* failing
      assert.strictEqual(heldPhase(), undefined, "the call did not wait for it")
      yield* settled
      assert.strictEqual(heldPhase(), "Open")
      yield* TestClock.adjust("30 seconds")
      yield* succeeding
      yield* settled
      assert.strictEqual(heldPhase(), "Closed")
      yield* CircuitBreaker.use((breaker) => breaker.disable(key))
      yield* settled
      assert.strictEqual(store.held.get(key)?.circuit?.override, "Disabled")
    }).pipe(over(store, first))
  })

  it.effect("writes what is pending when its scope closes", () => {
    const store = new TestStore()
    return Effect.gen(function*() {
      yield* failing.pipe(over(store, first))
      assert.strictEqual(store.held.get(key)?.circuit?.phase, "Open")
    })
  })

  it.effect("leaves a record alone that is further on, and replaces one that is behind", () => {
    const store = new TestStore()
    return Effect.gen(function*() {
      yield* succeeding
      store.held.set(key, { version: 1, circuit: closedAt(99) })
      yield* failing
      yield* settled
      assert.deepStrictEqual(store.held.get(key), { version: 1, circuit: closedAt(99) })
      store.held.set(key, { version: 7, circuit: closedAt(0) })
      yield* CircuitBreaker.use((breaker) => breaker.reset(key))
      yield* settled
      assert.isAbove(store.held.get(key)?.version ?? 0, 7)
      assert.strictEqual(store.held.get(key)?.circuit?.phase, "Closed")
    }).pipe(over(store, first))
  })

  it.effect("writes what a circuit has come to, once for all that changed at the same time", () => {
    const store = new TestStore()
    return Effect.gen(function*() {
      yield* failing
      yield* settled
      const before = store.held.get(key)?.version ?? 0
      yield* CircuitBreaker.use((breaker) => breaker.reset(key))
      yield* settled
      assert.strictEqual(store.held.get(key)?.version, before + 1)
    }).pipe(over(store, first))
  })
})
