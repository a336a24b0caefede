/** The conformance kit finds what is wrong with a store. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitStore } from "@reclose/core/CircuitStore"
import {
  NotOffered,
  runStoreCase,
  storeCases,
  StoreCaseTimeout,
  storeConformance,
  StoresApart
} from "@reclose/core/testing"
import { Cause, Effect, Exit, Fiber, Layer, Option } from "effect"
import { flaws, timeout } from "./broken.ts"
import { layerOf } from "./broken/World.ts"

storeConformance("a store of two connections", layerOf(undefined))

describe("the conformance kit", { concurrent: true }, () => {
  for (const flaw of flaws) {
    it.live(`finds a store that ${flaw.name}`, () =>
      Effect.gen(function*() {
        const layer = () => layerOf(flaw)
        const missed = yield* Effect.filter(storeCases.filter(({ name }) => flaw.found.includes(name)), (storeCase) =>
          Effect.map(
            Effect.exit(runStoreCase(storeCase, layer(), { timeout })),
            (exit) =>
              Exit.isSuccess(exit) || Option.exists(Cause.findErrorOption(exit.cause), (error) =>
                error instanceof NotOffered)
          ), { concurrency: "unbounded" })
        assert.deepStrictEqual(
          missed.map(({ name }) =>
            name
          ),
          []
        )
      }), 20_000)
  }

  it.live("asks nothing of a store that can't tell of changes but what it offers", () =>
    Effect.gen(function*() {
      const silent = { name: "can't tell", make: () => ({ changes: undefined }), found: [] }
      const exits = yield* Effect.forEach(
        storeCases,
        (storeCase) => Effect.exit(runStoreCase(storeCase, layerOf(silent), { timeout })),
        { concurrency: "unbounded" }
      )
      const failures = exits.flatMap((exit) =>
        Exit.isFailure(exit) ? [Option.getOrThrow(Exit.findErrorOption(exit))] : []
      )
      assert.strictEqual(failures.length, 6)
      for (const failure of failures) assert.instanceOf(failure, NotOffered)
    }))

  it.live("says that a store which lives in its layer needs the option for that", () =>
    Effect.gen(function*() {
      const exits = yield* Effect.forEach(
        storeCases,
        (storeCase) => Effect.exit(runStoreCase(storeCase, CircuitStore.layerMemory, { timeout: "3 seconds" })),
        { concurrency: "unbounded" }
      )
      const failures = exits.flatMap((exit) => Exit.isFailure(exit) ? [exit.cause] : [])
      const errors = failures.flatMap((cause) => Option.getOrElse(Cause.findErrorOption(cause), () => cause))
      // A case that waits for what never comes ends by its timeout.
      const explained = errors.filter((error) => !(error instanceof StoreCaseTimeout))
      assert.isAbove(explained.length, 20)
      for (const error of explained) {
        assert.instanceOf(error, StoresApart)
        assert.include(error.message, "{ inProcess: true }")
      }
    }), 30_000)

  it.live("says which case did not end, and waits no longer for a scope that does not close", () =>
    Effect.gen(function*() {
      const hanging = Layer.effect(
        CircuitStore,
        Effect.acquireRelease(CircuitStore, () => Effect.never)
      ).pipe(Layer.provide(CircuitStore.layerMemory))
      const [first] = storeCases
      assert.isDefined(first)
      const error = yield* Effect.flip(runStoreCase(first, hanging, { timeout: "50 millis" }))
      assert.instanceOf(error, StoreCaseTimeout)
      assert.include(error.message, `"${first.name}" did not end within 50ms`)
    }))

  it.live("makes two connections, or one to a store that lives in its layer, and releases them", () =>
    Effect.gen(function*() {
      let built = 0
      let released = 0
      const counting = Layer.effect(
        CircuitStore,
        Effect.acquireRelease(
          Effect.tap(CircuitStore, () => Effect.sync(() => built++)),
          () => Effect.sync(() => released++)
        )
      ).pipe(Layer.provide(CircuitStore.layerMemory))
      const [first] = storeCases
      assert.isDefined(first)
      yield* runStoreCase(first, counting)
      assert.deepStrictEqual([built, released], [2, 2])
      yield* runStoreCase(first, counting, { inProcess: true })
      assert.deepStrictEqual([built, released], [3, 3])
    }))

  it.live("interrupts a case with whoever runs it", () =>
    Effect.gen(function*() {
      let released = 0
      const store = Layer.effect(
        CircuitStore,
        Effect.acquireRelease(
          Effect.map(CircuitStore, (store) => ({ ...store, read: () => Effect.never })),
          () => Effect.sync(() => released++)
        )
      ).pipe(Layer.provide(CircuitStore.layerMemory))
      const [first] = storeCases
      assert.isDefined(first)
      yield* Fiber.interrupt(yield* Effect.forkChild(runStoreCase(first, store), { startImmediately: true }))
      assert.strictEqual(released, 2)
    }))

  it("has a flawed store for each case, and a case for each flaw", () => {
    const found = new Set(flaws.flatMap(({ found }) => found))
    assert.deepStrictEqual([...found].sort(), storeCases.map(({ name }) => name).sort())
    for (const { found, name } of flaws) assert.isNotEmpty(found, name)
  })
})
