/** What a store that fails, dies, or takes its time does to the calls: nothing. */
import { assert, describe, it } from "@effect/vitest"
import {
  CircuitBreaker,
  type CircuitRegister,
  CircuitStore,
  CircuitStoreError,
  type Policy,
  type Replaced,
  type Seen,
  TripRule,
  withBreaker
} from "@reclose/core"
import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
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

const nothing: Seen = { record: undefined, time: 0, precision: 1 }

const replaced: Replaced = { _tag: "Replaced", time: 0, precision: 1 }

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
      const failed = (yield* events).flatMap((event) => event._tag === "StoreFailed" ? [event] : [])
      assert.deepStrictEqual(failed.map(({ key, operation }) => [key, operation]), [[key, "read"]], "once")
      assert.isTrue(failed.every((event) => event.cause instanceof CircuitStoreError))
    }).pipe(over(store, { ...first, tripRule: TripRule.consecutive(3) }))
  })

  it.effect("is told of the change again by itself, and events say when it has recovered", () => {
    const store = new TestStore()
    return Effect.gen(function*() {
      const events = yield* listen()
      yield* succeeding
      store.failReplaces = true
      yield* failing
      yield* settled
      store.failReplaces = false
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(store.held.get(key)?.phase._tag, "Open")
      const told = (yield* events).map((event) => event._tag)
      assert.deepStrictEqual(told, ["Transition", "StoreFailed", "StoreRecovered"])
    }).pipe(over(store, first))
  })

  /** A store whose answers a test gives. */
  const scripted = (answers: Partial<CircuitRegister>) =>
    Effect.provide(
      CircuitBreaker.layer(first).pipe(Layer.provide(Layer.succeed(
        CircuitStore,
        CircuitStore.make({
          read: () => Effect.succeed(nothing),
          replace: () => Effect.succeed(replaced),
          changes: Stream.never,
          list: () => Stream.empty,
          ...answers
        })
      )))
    )

  it.effect("for long is asked ever less often, and told of once", () => {
    let asked = 0
    const failed = () =>
      Effect.suspend(() => {
        asked++
        return Effect.fail(new CircuitStoreError({ key, operation: "read", reason: "Unavailable", message: "down" }))
      })
    return Effect.gen(function*() {
      const events = yield* listen()
      yield* failing
      yield* TestClock.adjust("10 minutes")
      assert.isAtMost(asked, 90)
      assert.isAtLeast(asked, 20, "for ever, about every 16 seconds")
      assert.strictEqual((yield* events).filter((event) => event._tag === "StoreFailed").length, 1)
    }).pipe(scripted({ read: failed, replace: failed }))
  })

  it.effect.each<[string, () => Effect.Effect<never>]>([
    ["dying", () => Effect.die("broken store")],
    [
      "throwing",
      () => {
        throw new Error("broken store")
      }
    ]
  ])("by %s costs no call either, and is asked again", ([, fail]) =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      let isBroken = true
      const noting = <A>(operation: string, answer: A) => (): Effect.Effect<A> => {
        asked.push(operation)
        return isBroken ? fail() : Effect.succeed(answer)
      }
      yield* Effect.gen(function*() {
        const events = yield* listen()
        assert.strictEqual(yield* failing, "down")
        yield* settled
        assert.strictEqual((yield* rejection).reason, "Tripped")
        isBroken = false
        yield* TestClock.adjust("29 seconds")
        assert.deepStrictEqual([asked.filter((it) => it === "replace").length, yield* phase], [1, "Open"])
        yield* TestClock.adjust("1 second")
        isBroken = true
        assert.strictEqual(yield* succeeding, "42")
        yield* settled
        assert.strictEqual(yield* phase, "Closed")
        const failed = (yield* events).flatMap((event) => event._tag === "StoreFailed" ? [event.operation] : [])
        assert.deepStrictEqual(failed, ["read", "read"], "the probe reads before it writes")
        isBroken = false
      }).pipe(scripted({ read: noting("read", nothing), replace: noting("replace", replaced) }))
    }))

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

  it.effect("to answer in time as its breaker closes holds it up for half a second at most", () =>
    Effect.gen(function*() {
      const closing = yield* Effect.forkChild(failing.pipe(scripted({ replace: () => Effect.never })), {
        startImmediately: true
      })
      yield* TestClock.adjust("499 millis")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(closing), "down")
    }))

  it.effect("to finish a write before its breaker closes loses no change", () => {
    const written = new Set<string>()
    return Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const replace = (key: string) =>
        Effect.as(
          Effect.andThen(Deferred.await(gate), Effect.sync(() => written.add(key))),
          replaced
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
          Effect.sync(() => {
            written.push(phase._tag)
            return replaced
          })
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
