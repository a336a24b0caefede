/** Where circuits are kept beyond the life of a breaker. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, type Policy, TripRule, withBreaker } from "@reclose/core"
import { Deferred, Duration, Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { closedAt, failing, key, over, phase, rejection, settled, state, succeeding, TestStore } from "./support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

describe("the memory store", () => {
  const kept = Effect.provide(CircuitStore.layerMemory)

  it.effect("holds 100,000 circuits, and beyond that drops the one written longest ago", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      const write = (i: number) => store.replace(`key-${i}`, undefined, closedAt(1))
      const versionOf = (key: string) => Effect.map(store.read(key), ({ record }) => record?.version)
      yield* Effect.forEach(Array.from({ length: 100_000 }, (_, i) => i), write, { discard: true })
      yield* store.replace("key-0", closedAt(1), closedAt(2))
      yield* write(100_000)
      assert.strictEqual(yield* versionOf("key-0"), closedAt(2).version)
      assert.isUndefined(yield* versionOf("key-1"))
      assert.strictEqual(yield* versionOf("key-2"), closedAt(1).version)
    }).pipe(kept))

  it.effect("tells whoever falls too far behind its changes that some were missed", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      const gate = yield* Deferred.make<void>()
      const heard: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(store.changes ?? Stream.empty, ({ _tag }) =>
          Effect.andThen(Effect.sync(() => heard.push(_tag)), Deferred.await(gate))),
        { startImmediately: true }
      )
      yield* store.replace(key, undefined, closedAt(1))
      yield* settled
      for (let i = 0; i < 1_000; i++) {
        yield* store.replace(`key-${i}`, undefined, closedAt(1))
      }
      yield* Deferred.succeed(gate, undefined)
      yield* settled
      assert.strictEqual(heard[0], "Changed")
      assert.strictEqual(heard.at(-1), "Missed")
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
      ...closedAt(8),
      phase: { _tag: "Open", openings: 3, duration: 10_000, remaining: 7000 }
    })
    return Effect.gen(function*() {
      const open = yield* rejection
      assert.strictEqual(Duration.toMillis(open.retryAfter), 7000)
      assert.strictEqual(open.consecutiveOpenings, 3)
      assert.strictEqual((yield* state).lastTransition?.reason._tag, "Learned")
    }).pipe(over(store, first))
  })

  it.effect("writes each change of phase and each act of an operator, beside the calls and never inside them", () => {
    const store = new TestStore()
    const heldPhase = () => store.held.get(key)?.phase._tag
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
      assert.strictEqual(store.held.get(key)?.override, "Disabled")
    }).pipe(over(store, first))
  })

  it.effect("writes what is pending when its scope closes", () => {
    const store = new TestStore()
    return Effect.gen(function*() {
      yield* failing.pipe(over(store, first))
      assert.strictEqual(store.held.get(key)?.phase._tag, "Open")
    })
  })

  it.effect("gives way to a record that is further on, and replaces one that is behind", () => {
    const store = new TestStore()
    return Effect.gen(function*() {
      yield* succeeding
      store.held.set(key, closedAt(99))
      yield* failing
      yield* settled
      assert.strictEqual(yield* phase, "Closed")
      assert.deepInclude(store.held.get(key), { generation: 99, phase: closedAt(99).phase })
      store.held.set(key, { ...closedAt(0), version: 200 })
      yield* CircuitBreaker.use((breaker) => breaker.reset(key))
      yield* settled
      assert.include(store.held.get(key), { generation: 100, version: 201 })
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
