/** What is forgotten is served by no process, and what callers do to their values changes no answer. */
import { assert, describe, it } from "@effect/vitest"
import { LastGood, LastGoodStore } from "@reclose/core"
import { Deferred, Duration, Effect, Fiber, Schema } from "effect"
import { settled } from "../support.ts"
import { key, remembered, stored } from "./LastGoodStore/stored.ts"
import { listen, TestStore, told, unreachable } from "./support.ts"

const recordOf = (store: TestStore, of = key): unknown => {
  const text = store.held.get(`reclose/lastGood/${of}`)
  return text === undefined ? undefined : JSON.parse(text)
}

describe("a forgotten answer", () => {
  it.effect("is recalled no more from memory, and a later one is", () =>
    Effect.gen(function*() {
      const quotes = yield* LastGood.memory<number>()
      yield* quotes.remember(key, 1)
      yield* quotes.forget(key)
      assert.isUndefined(yield* quotes.recall(key))
      yield* quotes.remember(key, 2)
      assert.deepStrictEqual(yield* quotes.recall(key), remembered(2, 0))
    }))

  it.effect("is recalled no more from a store, by this process and by one that remembers it itself", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const [here, there] = yield* Effect.all([stored(store), stored(store)])
      yield* here.remember(key, 1)
      yield* settled
      yield* there.remember(key, 2)
      yield* settled
      yield* Effect.andThen(here.forget(key), settled)
      assert.isUndefined(yield* here.recall(key))
      assert.isUndefined(yield* there.recall(key))
      assert.notInclude(JSON.stringify(recordOf(store)), "value")
      // As after a restart.
      assert.isUndefined(yield* Effect.flatMap(stored(store), (anew) => anew.recall(key)))
      yield* Effect.andThen(there.remember(key, 3), settled)
      assert.deepStrictEqual(yield* here.recall(key), remembered(3, 0))
    }))

  it.effect("is not recalled while the store has not noted that, or never does", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const quotes = yield* stored(store)
      yield* Effect.andThen(quotes.remember(key, 1), settled)
      const gate = yield* Deferred.make<void>()
      store.beforeSet = Deferred.await(gate)
      yield* Effect.andThen(quotes.forget(key), settled)
      assert.isUndefined(yield* quotes.recall(key))
      store.beforeSet = unreachable
      yield* Effect.andThen(quotes.forget(key), settled)
      yield* Deferred.succeed(gate, undefined)
      yield* settled
      yield* Effect.andThen(quotes.forget(key), settled)
      assert.isUndefined(yield* quotes.recall(key))
    }))

  it.effect("is not recalled by a reader that asked the store before", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const [here, there] = yield* Effect.all([stored(store), stored(store)])
      yield* Effect.andThen(there.remember(key, 1), settled)
      const gate = yield* Deferred.make<void>()
      store.afterGet = Deferred.await(gate)
      const reading = yield* Effect.forkChild(here.recall(key), { startImmediately: true })
      yield* settled
      yield* here.forget(key)
      yield* Deferred.succeed(gate, undefined)
      assert.isUndefined(yield* Fiber.join(reading))
    }))

  it.effect("leaves nothing in a store that held none, and no more than maxKeys in memory", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const quotes = yield* stored(store, { maxKeys: 2 })
      yield* Effect.andThen(quotes.remember("kept", 1), settled)
      for (let i = 0; i < 50; i++) yield* quotes.forget(`unknown ${i}`)
      yield* Effect.repeat(settled, { times: 50 })
      assert.deepStrictEqual([...store.held.keys()], ["reclose/lastGood/kept"])
      assert.deepStrictEqual(yield* quotes.recall("kept"), remembered(1, 0))
    }))

  it.effect("stays forgotten when more are forgotten than a process can note while its store is down", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const quotes = yield* stored(store, { maxKeys: 1 })
      yield* Effect.andThen(quotes.remember("a", 1), settled)
      store.beforeGet = unreachable
      yield* Effect.andThen(quotes.forget("a"), settled)
      yield* Effect.andThen(quotes.forget("b"), settled)
      store.beforeGet = Effect.void
      assert.isUndefined(yield* quotes.recall("a"))
    }))
})

describe("values that callers change", () => {
  const prices = () => [41, 42]

  it.effect.each(["memory", "a store"] as const)(
    "change no answer where copy copies them, in %s",
    (where) =>
      Effect.gen(function*() {
        const copy = (value: Array<number>) => [...value]
        const quotes = where === "memory"
          ? yield* LastGood.memory({ copy })
          : yield* LastGoodStore.make({
            store: new TestStore().service,
            schema: Schema.mutable(Schema.Array(Schema.Finite)),
            copy
          })
        const fresh = prices()
        yield* quotes.remember(key, fresh)
        fresh.fill(0)
        const first = yield* quotes.recall(key)
        assert.deepStrictEqual(first?.value, prices())
        first?.value.fill(0)
        assert.deepStrictEqual((yield* quotes.recall(key))?.value, prices())
      })
  )

  it.effect("are not remembered where copy throws, and the call goes on", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const quotes = yield* LastGood.memory<number>({
        copy: () => {
          throw new Error("can't be copied")
        }
      })
      yield* quotes.remember(key, 1)
      assert.isUndefined(yield* quotes.recall(key))
      assert.deepStrictEqual(told(yield* events), [`AnswerCorrupt ${key}`])
    }))

  it.effect("are the very same objects by default", () =>
    Effect.gen(function*() {
      const quotes = yield* LastGood.memory<Array<number>>()
      const fresh = prices()
      yield* quotes.remember(key, fresh)
      assert.deepStrictEqual(yield* quotes.recall(key), { value: fresh, age: Duration.zero })
      assert.strictEqual((yield* quotes.recall(key))?.value, fresh)
    }))
})
