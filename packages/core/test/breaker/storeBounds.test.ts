/** How long a breaker waits for its store, and whose record wins where two have written. */
import { assert, describe, it } from "@effect/vitest"
import {
  CircuitBreaker,
  type CircuitEvent,
  CircuitStore,
  CircuitStoreError,
  type Policy,
  type Seen,
  TripRule
} from "@reclose/core"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { closedAt, failing, key, listen, phase, settled, succeeding } from "../support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

type Replace = Parameters<CircuitStore["Service"]["replace"]>

/** A breaker over a store that answers as a test says, and tells what it was asked to write. */
const over = (answers: Partial<CircuitStore["Service"]>) =>
  Effect.provide(
    CircuitBreaker.layer(first).pipe(Layer.provide(Layer.succeed(CircuitStore, {
      read: () => Effect.succeed({ version: 0, circuit: undefined }),
      replace: () => Effect.succeed({ _tag: "Replaced", version: 1 }),
      ...answers
    })))
  )

/** What the store is said to have failed with. */
const complaints = (events: Effect.Effect<ReadonlyArray<CircuitEvent>>) =>
  Effect.map(
    events,
    (events) =>
      events.flatMap((event) =>
        event._tag === "StoreFailed" && event.cause instanceof CircuitStoreError
          ? [[event.cause.key, event.cause.operation, event.cause.message]]
          : []
      )
  )

describe("a store that never answers", () => {
  it.effect("holds up the first call of a key for a hundred milliseconds, and then it goes on without", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const call = yield* Effect.forkChild(succeeding, { startImmediately: true })
      yield* TestClock.adjust("99 millis")
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(call), "42")
      assert.deepStrictEqual(yield* complaints(events), [[key, "read", "no answer within 100 millis"]])
    }).pipe(over({ read: () => Effect.never })))

  it.effect("to a write is given up after a second, and the next change is written", () => {
    const written: Array<string> = []
    return Effect.gen(function*() {
      const events = yield* listen()
      yield* failing
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(yield* complaints(events), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* complaints(events), [[key, "replace", "no answer within 1000 millis"]])
      yield* TestClock.adjust("29 seconds")
      yield* succeeding
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(written, ["Open", "Closed"])
    }).pipe(over({
      replace: (_key, _seen, circuit) => {
        written.push(circuit.phase)
        return Effect.never
      }
    }))
  })
})

describe("a record that somebody else wrote meanwhile", () => {
  const contested = (generation: number) => {
    const asked: Array<Replace> = []
    const winner: Seen = {
      version: 7,
      circuit: closedAt(generation)
    }
    const replace: CircuitStore["Service"]["replace"] = (...asking) => {
      asked.push(asking)
      return Effect.succeed(
        asking[1].version === winner.version
          ? { _tag: "Replaced", version: 8 }
          : { _tag: "Conflict", seen: winner }
      )
    }
    return { asked, replace, versions: () => asked.map(([, seen]) => seen.version) }
  }

  it.effect("is replaced, now that it has been seen, where it lies behind", () => {
    const { replace, versions } = contested(1)
    return Effect.gen(function*() {
      yield* failing
      yield* settled
      assert.deepStrictEqual(versions(), [0, 7])
      yield* TestClock.adjust("30 seconds")
      yield* succeeding
      yield* settled
      assert.strictEqual(versions()[2], 8, "the version of one's own write is remembered")
    }).pipe(over({ replace }))
  })

  it.effect("stays where it is as far or further on, and is known from then on", () =>
    Effect.gen(function*() {
      for (const generation of [2, 9]) {
        const { replace, versions } = contested(generation)
        yield* Effect.gen(function*() {
          yield* failing
          yield* settled
          assert.deepStrictEqual(versions(), [0])
        }).pipe(over({ replace }))
      }
    }))
})

describe("a change", () => {
  it.effect("is written once, however often the circuit is looked at afterwards", () => {
    let writes = 0
    return Effect.gen(function*() {
      yield* failing
      yield* settled
      yield* phase
      yield* settled
      assert.strictEqual(writes, 1)
    }).pipe(over({
      replace: () => {
        writes++
        return Effect.succeed({ _tag: "Replaced", version: 1 })
      }
    }))
  })
})
