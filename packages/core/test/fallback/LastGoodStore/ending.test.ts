/** What becomes of good answers that are not written yet when their scope ends. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import { settled } from "../../support.ts"
import { TestStore } from "../support.ts"
import { key, stored, valueIn } from "./stored.ts"

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
