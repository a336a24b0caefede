/** What is remembered of good answers beyond the life of a process: which one it is, and how old. */
import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Fallback, LastGood, LastGoodStore, PolicyError } from "@reclose/core"
import { Clock, Deferred, Duration, Effect, Fiber, FileSystem, Layer, Schema } from "effect"
import { KeyValueStore } from "effect/persistence"
import { TestClock } from "effect/testing"
import { SteppedClock } from "../../SteppedClock.ts"
import { settled } from "../../support.ts"
import { listen, reasonIn, TestStore, told, unreachable } from "../support.ts"
import { key, remembered, stored, valueIn } from "./stored.ts"

/** Two processes, of which this one's clock is half a minute behind that of the other, who has written. */
const behind = Effect.gen(function*() {
  const store = new TestStore()
  const clock = new SteppedClock()
  const [here, there] = yield* Effect.all([stored(store), stored(store)]).pipe(
    Effect.provideService(Clock.Clock, clock)
  )
  yield* there.remember(key, 1)
  yield* settled
  yield* clock.setWall(-30_000)
  return { clock, here, store }
})

describe("answers in a store", () => {
  it.effect("outlive the process, in files, with their age by the wall clock", () =>
    Effect.gen(function*() {
      const fileSystem = yield* FileSystem.FileSystem
      const directory = yield* fileSystem.makeTempDirectoryScoped()
      const quotes = Effect.gen(function*() {
        const store = yield* KeyValueStore.KeyValueStore
        return yield* LastGoodStore.make({
          store,
          schema: Schema.Struct({ price: Schema.Finite, on: Schema.Date }),
          storeTimeout: "1 minute"
        })
      })
      // What each process makes anew.
      const inProcess = <A, E, R>(
        use: (quotes: LastGood.LastGood<{ readonly price: number; readonly on: Date }>) => Effect.Effect<A, E, R>
      ) =>
        Effect.flatMap(quotes, use).pipe(
          Effect.scoped,
          Effect.provide(KeyValueStore.layerFileSystem(directory))
        )
      const answer = { price: 42, on: new Date(0) }
      const clock = new SteppedClock()
      yield* inProcess((quotes) => quotes.remember("GET https://quotes.example/ACME", answer)).pipe(
        Effect.provideService(Clock.Clock, clock)
      )
      yield* clock.step("5 minutes")
      const last = yield* inProcess((quotes) => quotes.recall("GET https://quotes.example/ACME")).pipe(
        Effect.provideService(Clock.Clock, clock)
      )
      assert.deepStrictEqual(last, { value: answer, age: Duration.minutes(5) })
    }).pipe(Effect.provide(Layer.merge(NodeFileSystem.layer, NodePath.layer))))

  it.effect("are written beside the calls, one after the other for a key, and what comes meanwhile once", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const gate = yield* Deferred.make<void>()
      store.beforeSet = Deferred.await(gate)
      const quotes = yield* stored(store)
      const chain = Fallback.chain([Fallback.lastGood(quotes, { key, maxAge: "1 minute" })])
      for (const value of [1, 2, 3]) {
        assert.deepStrictEqual(yield* chain(Effect.succeed(value)), { _tag: "Fresh", value })
        yield* settled
      }
      assert.strictEqual(store.sets, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* settled
      assert.strictEqual(store.sets, 2)
      assert.strictEqual(valueIn(store), 3)
    }))

  it.effect("are each written, however many were before", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const quotes = yield* stored(store)
      for (let value = 1; value <= 10; value++) {
        yield* quotes.remember(key, value)
        yield* settled
        assert.strictEqual(valueIn(store), value)
      }
    }))

  it.effect("are asked for each time, however often before", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const quotes = yield* stored(store)
      yield* Effect.replicateEffect(quotes.recall(key), 1_100)
      assert.strictEqual(store.gets, 1_100)
    }))

  it.effect("are not written before the caller has its answer", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const quotes = yield* stored(store)
      yield* quotes.remember(key, 42)
      assert.strictEqual(store.sets, 0)
      yield* settled
      assert.strictEqual(store.sets, 1)
    }))

  it.effect("are the latest ones, also while the store holds an older one", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const quotes = yield* stored(store)
      yield* quotes.remember(key, 1)
      yield* settled
      store.beforeSet = unreachable
      yield* TestClock.adjust("1 minute")
      yield* quotes.remember(key, 2)
      yield* settled
      assert.strictEqual(valueIn(store), 1)
      assert.deepStrictEqual(yield* quotes.recall(key), remembered(2, 0))
    }))

  it.effect("are those of another process where it was answered later, and only there", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const [here, there] = yield* Effect.all([stored(store), stored(store)])
      yield* here.remember(key, 1)
      yield* settled
      yield* TestClock.adjust("10 seconds")
      yield* there.remember(key, 2)
      yield* settled
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* here.recall(key), remembered(2, "10 seconds"))
      store.beforeSet = unreachable
      yield* here.remember(key, 3)
      yield* settled
      assert.deepStrictEqual(yield* here.recall(key), remembered(3, 0))
      assert.deepStrictEqual(yield* there.recall(key), remembered(2, "10 seconds"))
    }))

  it.effect("are this process's own while the store can't have them, whatever the clocks of others say", () =>
    Effect.gen(function*() {
      const { clock, here, store } = yield* behind
      const gate = yield* Deferred.make<void>()
      store.beforeSet = Deferred.await(gate)
      yield* here.remember(key, 2)
      yield* settled
      yield* clock.step("40 seconds")
      assert.deepStrictEqual(yield* here.recall(key), remembered(2, "40 seconds"))
      yield* Deferred.succeed(gate, undefined)
    }))

  it.effect("are this process's own where they came while the store was asked, whatever the clocks of others say", () =>
    Effect.gen(function*() {
      const { clock, here, store } = yield* behind
      const gate = yield* Deferred.make<void>()
      store.afterGet = Deferred.await(gate)
      const recall = yield* Effect.forkChild(here.recall(key), { startImmediately: true })
      yield* here.remember(key, 2)
      yield* settled
      assert.strictEqual(valueIn(store), 2)
      yield* clock.step("1 second")
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* Fiber.join(recall), remembered(2, "1 second"))
    }))

  it.effect("are as old as they are, however late they are written", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const clock = new SteppedClock()
      const gate = yield* Deferred.make<void>()
      store.beforeSet = Deferred.await(gate)
      const process = Effect.provideService(stored(store), Clock.Clock, clock)
      const there = yield* process
      yield* there.remember(key, 1)
      yield* settled
      yield* there.remember(key, 2)
      yield* clock.step("30 seconds")
      yield* Deferred.succeed(gate, undefined)
      yield* settled
      assert.deepStrictEqual(yield* (yield* process).recall(key), remembered(2, "30 seconds"))
    }))

  it.effect("of this process keep their own age when the wall clock steps", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const clock = new SteppedClock()
      const quotes = yield* Effect.provideService(stored(store), Clock.Clock, clock)
      yield* quotes.remember(key, 1)
      yield* settled
      yield* clock.step("30 seconds")
      yield* clock.setWall(-20_000)
      assert.deepStrictEqual(yield* quotes.recall(key), remembered(1, "30 seconds"))
    }))

  it.effect("of others are new if they come from the near future, and absent if from the far", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const store = new TestStore()
      const clock = new SteppedClock()
      const process = Effect.provideService(stored(store), Clock.Clock, clock)
      const there = yield* process
      yield* there.remember(key, 1)
      yield* settled
      const here = yield* process
      yield* clock.setWall(-60_000)
      assert.deepStrictEqual(yield* here.recall(key), remembered(1, 0))
      assert.deepStrictEqual(told(yield* events), [])
      yield* clock.setWall(-1)
      assert.isUndefined(yield* here.recall(key))
      assert.deepStrictEqual(told(yield* events), [`AnswerCorrupt ${key}`])
      assert.strictEqual(
        reasonIn(yield* events),
        "an answer of 60001 millis in the future: the clocks of processes have to agree"
      )
    }))

  it.effect.each<[string, string]>([
    ["no JSON", "42 €"],
    ["no record", "42"],
    ["an answer of another schema", `{"form":1,"time":0,"writer":"x","value":"42"}`],
    ["a record of another form", `{"form":2,"time":0,"writer":"x","value":42}`],
    ["a record without a time", `{"form":1,"writer":"x","value":42}`]
  ])("are absent where the store holds %s, until the next is written over it", ([, text]) =>
    Effect.gen(function*() {
      const events = yield* listen()
      const store = new TestStore()
      store.held.set(`reclose/lastGood/${key}`, text)
      const quotes = yield* stored(store)
      assert.isUndefined(yield* quotes.recall(key))
      assert.deepStrictEqual(told(yield* events), [`AnswerCorrupt ${key}`])
      yield* quotes.remember(key, 43)
      yield* settled
      assert.strictEqual(valueIn(store), 43)
    }))

  it.effect("stand below a prefix", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      yield* (yield* stored(store, { prefix: "quotes:" })).remember(key, 42)
      yield* settled
      assert.deepStrictEqual([...store.held.keys()], ["quotes:ACME"])
    }))

  it.effect("want bounds that are some", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(stored(new TestStore(), { maxKeys: 0.5, storeTimeout: "2 minutes" }))
      assert.instanceOf(error, PolicyError)
      assert.deepStrictEqual(error.issues.map((issue) => issue.field), ["maxKeys", "storeTimeout"])
    }))
})
