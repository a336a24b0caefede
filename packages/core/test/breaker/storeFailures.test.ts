/** What a store that fails, dies, or takes its time does to the calls: nothing. */
import { assert, describe, it } from "@effect/vitest"
import {
  CircuitBreaker,
  CircuitStore,
  CircuitStoreError,
  type Policy,
  type Seen,
  TripRule,
  withBreaker
} from "@reclose/core"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import {
  failing,
  failures,
  key,
  listen,
  over,
  phase,
  rejection,
  settled,
  state,
  succeeding,
  TestStore
} from "../support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const now = { startImmediately: true }

const nothing: Seen = { version: 0, circuit: undefined }

describe("a store that fails", () => {
  it.effect("costs no call: circuits go on by local judgement, and events say so", () => {
    const store = new TestStore()
    store.failReads = true
    store.failReplaces = true
    return Effect.gen(function*() {
      const events = yield* listen()
      assert.deepStrictEqual(yield* failures(3), ["down", "down", "down"])
      assert.strictEqual((yield* rejection).reason, "Tripped")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* succeeding, "42")
      assert.strictEqual(yield* phase, "Closed")
      const failed = (yield* events).filter((event) => event._tag === "StoreFailed")
      assert.deepStrictEqual([...new Set(failed.map((event) => event.operation))], ["read", "replace"])
      assert.isTrue(failed.every((event) => event.key === key && event.cause instanceof CircuitStoreError))
    }).pipe(over(store, { ...first, tripRule: TripRule.consecutive(3) }))
  })

  it.effect("is written to again as soon as a circuit changes", () => {
    const store = new TestStore()
    store.failReplaces = true
    return Effect.gen(function*() {
      yield* failing
      yield* settled
      store.failReplaces = false
      yield* TestClock.adjust("30 seconds")
      yield* succeeding
      yield* settled
      assert.strictEqual(store.held.get(key)?.circuit?.phase, "Closed")
    }).pipe(over(store, first))
  })

  /** A store whose answers a test gives. */
  const scripted = (answers: Partial<CircuitStore["Service"]>) =>
    Effect.provide(
      CircuitBreaker.layer(first).pipe(Layer.provide(Layer.succeed(CircuitStore, {
        read: () => Effect.succeed(nothing),
        replace: () => Effect.succeed({ _tag: "Replaced", version: 1 }),
        ...answers
      })))
    )

  it.effect.each<[string, () => Effect.Effect<never>]>([
    ["dying", () => Effect.die("broken store")],
    [
      "throwing",
      () => {
        throw new Error("broken store")
      }
    ]
  ])("by %s costs no call either, and is written to again", ([, fail]) => {
    let writes = 0
    const broken = {
      read: fail,
      replace: () => {
        writes++
        return fail()
      }
    }
    return Effect.gen(function*() {
      const events = yield* listen()
      assert.strictEqual(yield* failing, "down")
      yield* settled
      assert.strictEqual((yield* rejection).reason, "Tripped")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* succeeding, "42")
      yield* settled
      assert.isAbove(writes, 1)
      const failed = (yield* events).flatMap((event) => event._tag === "StoreFailed" ? [event.operation] : [])
      assert.deepStrictEqual([...new Set(failed)], ["read", "replace"])
    }).pipe(scripted(broken))
  })

  it.effect("to answer slowly holds up the first calls of a key and no other", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const slow = (key: string) => key === "slow" ? Effect.as(Deferred.await(gate), nothing) : Effect.succeed(nothing)
      yield* Effect.gen(function*() {
        const waiting = yield* Effect.forkChild(withBreaker(Effect.succeed("slow"), "slow"), { startImmediately: true })
        assert.strictEqual(yield* succeeding, "42")
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* Fiber.join(waiting), "slow")
      }).pipe(scripted({ read: slow }))
    }))

  it.effect("to answer in time as its breaker closes holds it up for a second at most", () =>
    Effect.gen(function*() {
      const closing = yield* Effect.forkChild(failing.pipe(scripted({ replace: () => Effect.never })), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(closing), "down")
    }))

  it.effect("to finish a write before its breaker closes loses no change", () => {
    const written = new Set<string>()
    return Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const replace = (key: string) =>
        Effect.as(
          Effect.andThen(Deferred.await(gate), Effect.sync(() => written.add(key))),
          { _tag: "Replaced", version: 1 } as const
        )
      const closing = yield* Effect.gen(function*() {
        yield* failing
        yield* Effect.flip(withBreaker(Effect.fail("down"), "other"))
        yield* settled
      }).pipe(scripted({ replace }), Effect.forkChild({ startImmediately: true }))
      yield* settled
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.await(closing)
      assert.deepStrictEqual([...written].sort(), ["other", key])
    })
  })

  it.effect("to answer is asked on behalf of all who wait, though the first of them goes away", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      yield* Effect.gen(function*() {
        const [gone, waiting] = [yield* Effect.forkChild(succeeding, now), yield* Effect.forkChild(succeeding, now)]
        yield* Fiber.interrupt(gone)
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* Fiber.join(waiting), "42")
        assert.strictEqual(yield* succeeding, "42")
        assert.strictEqual((yield* state).counts.succeeded, 2)
      }).pipe(scripted({ read: () => Effect.as(Deferred.await(gate), nothing) }))
    }))

  it.effect("to answer to a write of one key holds up no other call, and that key's next write follows", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const written: Array<string> = []
      const replace: CircuitStore["Service"]["replace"] = (_, __, { phase }) =>
        Effect.andThen(
          Deferred.await(gate),
          Effect.sync(() => ({ _tag: "Replaced", version: written.push(phase) }) as const)
        )
      yield* Effect.gen(function*() {
        yield* failing
        yield* settled
        yield* CircuitBreaker.use((breaker) => breaker.reset(key))
        assert.strictEqual(yield* succeeding, "42")
        yield* Deferred.succeed(gate, undefined)
        yield* settled
        assert.deepStrictEqual(written, ["Open", "Closed"])
      }).pipe(scripted({ replace }))
    }))
})
