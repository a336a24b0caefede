/** Stores of good answers that fail or hang: whom it holds up, for how long, and who is told. */
import { assert, describe, it } from "@effect/vitest"
import { Fallback, LastGoodStore } from "@reclose/core"
import { Deferred, Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { settled } from "../../support.ts"
import { endingLate, listen, reasonIn, TestStore, told, unreachable } from "../support.ts"
import { key, remembered, stored, valueIn } from "./stored.ts"

describe("a store that fails", () => {
  it.effect.each<[string, TestStore["beforeGet"]]>([["fails", unreachable], ["dies", Effect.die("broken")]])(
    "or %s leaves what this process remembers, and is told of",
    ([, failing]) =>
      Effect.gen(function*() {
        const events = yield* listen()
        const store = new TestStore()
        store.beforeGet = failing
        store.beforeSet = failing
        const quotes = yield* stored(store)
        yield* quotes.remember(key, 42)
        yield* settled
        assert.deepStrictEqual(yield* quotes.recall(key), remembered(42, 0))
        assert.isUndefined(yield* quotes.recall("other"))
        assert.deepStrictEqual(told(yield* events), [
          `StoreFailed write ${key}`,
          `StoreFailed read ${key}`,
          "StoreFailed read other"
        ])
        store.beforeSet = Effect.void
        yield* quotes.remember(key, 43)
        yield* settled
        assert.strictEqual(valueIn(store), 43)
      })
  )

  it.effect("to encode is told of, and the answer remembered", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const store = new TestStore()
      const quotes = yield* LastGoodStore.make({
        store: store.service,
        schema: Schema.Finite.check(Schema.isGreaterThan(0))
      })
      yield* quotes.remember(key, -1)
      yield* settled
      assert.deepStrictEqual(yield* quotes.recall(key), remembered(-1, 0))
      assert.deepStrictEqual(told(yield* events), [`StoreFailed write ${key}`])
      assert.strictEqual(store.sets, 0)
    }))
})

describe("a store that hangs", () => {
  const hanging: ReadonlyArray<[string, (wait: Effect.Effect<void>) => Effect.Effect<void>]> = [
    ["can be interrupted", Effect.interruptible],
    ["can't", Effect.uninterruptible]
  ]

  it.effect.each(hanging)(
    "and %s holds up a degraded answer for storeTimeout, and no longer",
    ([, hang]) =>
      Effect.gen(function*() {
        const events = yield* listen()
        const store = new TestStore()
        store.beforeGet = hang(Effect.never)
        const quotes = yield* stored(store, { storeTimeout: "200 millis" })
        yield* quotes.remember(key, 42)
        const fiber = yield* Effect.forkChild(quotes.recall(key), { startImmediately: true })
        yield* TestClock.adjust("199 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* Fiber.join(fiber), remembered(42, "200 millis"))
        assert.deepStrictEqual(told(yield* events), [`StoreFailed read ${key}`])
      })
  )

  it.effect.each(hanging)("and %s holds up no fresh answer", ([, hang]) =>
    Effect.gen(function*() {
      const store = new TestStore()
      store.beforeSet = hang(Effect.never)
      const quotes = yield* stored(store)
      const chain = Fallback.chain([Fallback.lastGood(quotes, { key, maxAge: "1 minute" })])
      // Nobody moves the clock.
      const answers = yield* Effect.forEach(Array.from({ length: 100 }, (_, i) => i), (i) => chain(Effect.succeed(i)))
      assert.strictEqual(answers.length, 100)
    }).pipe(endingLate))

  it.effect.each(hanging)(
    "and %s has four writes under way at most, and remembers what to write up to its bound",
    ([, hang]) =>
      Effect.gen(function*() {
        const store = new TestStore()
        const gate = yield* Deferred.make<void>()
        store.beforeSet = hang(Deferred.await(gate))
        const quotes = yield* stored(store, { maxKeys: 6, storeTimeout: "1 minute" })
        for (let i = 0; i < 20; i++) {
          yield* quotes.remember(`key-${i}`, i)
          yield* settled
        }
        assert.strictEqual(store.sets, 4)
        yield* Deferred.succeed(gate, undefined)
        yield* settled
        assert.strictEqual(store.sets, 4 + 6)
        assert.isTrue(store.held.has("reclose/lastGood/key-19"))
      }).pipe(endingLate)
  )

  it.effect.each(hanging)("and %s is told of when a write is late", ([, hang]) =>
    Effect.gen(function*() {
      const events = yield* listen()
      const store = new TestStore()
      store.beforeSet = hang(Effect.never)
      const quotes = yield* stored(store)
      yield* quotes.remember(key, 42)
      yield* settled
      yield* TestClock.adjust("499 millis")
      assert.deepStrictEqual(told(yield* events), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(told(yield* events), [`StoreFailed write ${key}`])
    }).pipe(endingLate))

  it.effect("and can't be interrupted never replaces a later answer by one that it was late with", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const gate = yield* Deferred.make<void>()
      store.beforeSet = Effect.uninterruptible(Deferred.await(gate))
      const quotes = yield* stored(store)
      yield* quotes.remember(key, 41)
      yield* settled
      yield* TestClock.adjust("1 second")
      store.beforeSet = Effect.void
      yield* quotes.remember(key, 42)
      yield* settled
      assert.strictEqual(store.sets, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* settled
      assert.strictEqual(valueIn(store), 42)
    }))

  it.effect("is let go after storeTimeout, on both sides, and asked again", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const store = new TestStore()
      let interrupted = 0
      const hang = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      store.beforeGet = hang
      store.beforeSet = hang
      const quotes = yield* stored(store)
      yield* quotes.remember(key, 41)
      yield* settled
      const fiber = yield* Effect.forkChild(quotes.recall("other"), { startImmediately: true })
      yield* TestClock.adjust("500 millis")
      assert.isUndefined(yield* Fiber.join(fiber))
      assert.deepStrictEqual(told(yield* events), [`StoreFailed write ${key}`, "StoreFailed read other"])
      const [, read] = yield* events
      assert.deepInclude(reasonIn(read === undefined ? [] : [read]), { message: "no answer within 500 millis" })
      assert.strictEqual(interrupted, 2)
      store.beforeGet = Effect.void
      store.beforeSet = Effect.void
      yield* quotes.remember(key, 42)
      yield* settled
      assert.strictEqual(valueIn(store), 42)
    }))

  it.effect("is asked once by all that ask at once", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const gate = yield* Deferred.make<void>()
      store.held.set(`reclose/lastGood/${key}`, `{"form":1,"time":0,"writer":"x","value":42}`)
      store.beforeGet = Deferred.await(gate)
      const quotes = yield* stored(store)
      const fibers = yield* Effect.replicateEffect(
        Effect.forkChild(quotes.recall(key), { startImmediately: true }),
        50
      )
      // One that goes away takes nothing from the others.
      yield* Effect.forEach(fibers.slice(0, 1), Fiber.interrupt)
      yield* Deferred.succeed(gate, undefined)
      const all = yield* Effect.forEach(fibers.slice(1), Fiber.join)
      assert.isTrue(all.every((last) => last?.value === 42))
      assert.strictEqual(store.gets, 1)
      yield* quotes.recall(key)
      assert.strictEqual(store.gets, 2)
    }))

  it.effect("and lets nothing go is asked a thousand things at most", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      store.beforeGet = Effect.uninterruptible(Effect.never)
      const quotes = yield* stored(store, { storeTimeout: "1 millis" })
      const fibers = yield* Effect.forEach(
        Array.from({ length: 1_100 }, (_, i) => `key-${i}`),
        (key) => Effect.forkChild(quotes.recall(key), { startImmediately: true })
      )
      yield* TestClock.adjust("1 millis")
      yield* Fiber.awaitAll(fibers)
      assert.strictEqual(store.gets, 1_000)
      const events = yield* listen()
      assert.isUndefined(yield* quotes.recall(key))
      assert.deepStrictEqual(told(yield* events), [`StoreFailed read ${key}`])
      assert.deepInclude(reasonIn(yield* events), { message: "not asked: 1000 questions have no answer yet" })
    }))
})
