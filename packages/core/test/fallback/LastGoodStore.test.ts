/** What is remembered of good answers beyond the life of a process, whatever the store does. */
import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Fallback, LastGood, LastGoodStore, PolicyError } from "@reclose/core"
import { Clock, Deferred, Duration, Effect, Exit, Fiber, FileSystem, Layer, Schema, Scope } from "effect"
import { KeyValueStore } from "effect/persistence"
import { TestClock } from "effect/testing"
import { SteppedClock } from "../SteppedClock.ts"
import { settled } from "../support.ts"
import { endingLate, listen, reasonIn, TestStore, told, unreachable } from "./support.ts"

const key = "ACME"

const stored = (store: TestStore, options?: Partial<LastGoodStore.StoreOptions<number>>) =>
  LastGoodStore.make({ store: store.service, schema: Schema.Finite, ...options })

const remembered = (value: number, age: Duration.Input) => ({ value, age: Duration.fromInputUnsafe(age) })

/** The text that a store holds for the key. */
const textOf = (store: TestStore): string => store.held.get(`reclose/lastGood/${key}`) ?? ""

const valueIn = (store: TestStore): unknown => JSON.parse(textOf(store)).value

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
      const store = new TestStore()
      const clock = new SteppedClock()
      const [here, there] = yield* Effect.all([stored(store), stored(store)]).pipe(
        Effect.provideService(Clock.Clock, clock)
      )
      yield* there.remember(key, 1)
      yield* settled
      yield* clock.setWall(-30_000)
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
      const store = new TestStore()
      const clock = new SteppedClock()
      const [here, there] = yield* Effect.all([stored(store), stored(store)]).pipe(
        Effect.provideService(Clock.Clock, clock)
      )
      yield* there.remember(key, 1)
      yield* settled
      yield* clock.setWall(-30_000)
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

describe("the end of a scope", () => {
  it.effect("writes what is not written yet", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const scope = yield* Scope.make()
      const quotes = yield* Effect.provideService(stored(store), Scope.Scope, scope)
      for (let i = 0; i < 10; i++) yield* quotes.remember(`key-${i}`, i)
      assert.strictEqual(store.held.size, 0)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(store.held.size, 10)
    }))

  it.effect("waits for a store that hangs for storeTimeout, and no longer", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      store.beforeSet = Effect.uninterruptible(Effect.never)
      const scope = yield* Scope.make()
      const quotes = yield* Effect.provideService(stored(store, { storeTimeout: "200 millis" }), Scope.Scope, scope)
      yield* quotes.remember(key, 42)
      const fiber = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("199 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.isDefined(fiber.pollUnsafe())
    }))

  it.effect("lets go of whatever the store is asked", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      let interrupted = 0
      store.beforeGet = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      const scope = yield* Scope.make()
      const quotes = yield* Effect.provideService(stored(store), Scope.Scope, scope)
      const fiber = yield* Effect.forkChild(quotes.recall(key), { startImmediately: true })
      yield* settled
      assert.strictEqual(store.gets, 1)
      yield* Scope.close(scope, Exit.void)
      yield* settled
      assert.strictEqual(interrupted, 1)
      assert.isDefined(fiber.pollUnsafe())
    }))

  it.effect("writes nothing any more once it is over", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      store.beforeSet = Effect.never
      const scope = yield* Scope.make()
      const quotes = yield* Effect.provideService(stored(store, { storeTimeout: "200 millis" }), Scope.Scope, scope)
      for (let i = 0; i < 12; i++) yield* quotes.remember(`key-${i}`, i)
      yield* settled
      yield* TestClock.adjust("100 millis")
      const fiber = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("200 millis")
      assert.isDefined(fiber.pollUnsafe())
      assert.strictEqual(store.sets, 8)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(store.sets, 8)
    }))

  it.effect("can be had before it, for a process that is about to be frozen", () =>
    Effect.gen(function*() {
      const store = new TestStore()
      const quotes = yield* stored(store)
      yield* quotes.remember(key, 42)
      yield* quotes.flush
      assert.strictEqual(valueIn(store), 42)
    }))
})
