/** How long a breaker waits for its store, and whose record wins where two have written. */
import { assert, describe, it } from "@effect/vitest"
import {
  CircuitBreaker,
  type CircuitEvent,
  CircuitRecord,
  type CircuitRegister,
  CircuitStore,
  CircuitStoreError,
  type Policy,
  type Replaced,
  type Seen,
  TripRule
} from "@reclose/core"
import { Effect, Exit, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { closedAt, failing, key, listen, phase, settled, succeeding } from "../support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const replaced: Replaced = { _tag: "Replaced", time: 0, precision: 1 }

/** A breaker over a store that answers as a test says. */
const over = (answers: Partial<CircuitRegister>, policy: Policy.Policy = first) =>
  Effect.provide(
    CircuitBreaker.layer(policy).pipe(Layer.provide(Layer.succeed(
      CircuitStore,
      CircuitStore.make({
        read: () => Effect.succeed({ record: undefined, time: 0, precision: 1 }),
        replace: () => Effect.succeed(replaced),
        changes: Stream.never,
        list: () => Stream.empty,
        ...answers
      })
    )))
  )

/** What the store is said to have failed with. */
const complaints = (events: Effect.Effect<ReadonlyArray<CircuitEvent>>) =>
  Effect.map(
    events,
    (events) =>
      events.flatMap((event) =>
        event._tag === "StoreFailed" && event.cause instanceof CircuitStoreError
          ? [[event.cause.key, event.cause.operation, event.cause.reason, event.cause.message.split(":")[0]]]
          : []
      )
  )

/** Runs a test beside the clock, so that a breaker which waits for its store as it closes does so. */
const closing = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(test, { startImmediately: true })
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

describe("a store that never answers", () => {
  it.effect.each<[string, Policy.Policy]>([
    ["of a process", first],
    ["of a process that is frozen between calls", { ...first, background: false }]
  ])(
    "holds up the first call of a key %s for a hundred milliseconds, and then it goes on without",
    ([, policy]) =>
      Effect.gen(function*() {
        const events = yield* listen()
        const call = yield* Effect.forkChild(succeeding, { startImmediately: true })
        yield* Effect.sleep("99 millis")
        assert.isUndefined(call.pollUnsafe())
        yield* Effect.sleep("1 millis")
        yield* settled
        assert.deepStrictEqual(call.pollUnsafe(), Exit.succeed("42"))
        assert.deepStrictEqual(yield* complaints(events), [[key, "read", "Timeout", "no answer within 100 millis"]])
      }).pipe(over({ read: () => Effect.never }, policy), closing)
  )

  it.effect("and can't be interrupted holds up no call for longer", () =>
    Effect.gen(function*() {
      const call = yield* Effect.forkChild(succeeding, { startImmediately: true })
      yield* Effect.sleep("101 millis")
      yield* settled
      assert.isDefined(call.pollUnsafe())
    }).pipe(
      over({ read: () => Effect.uninterruptible(Effect.delay(Effect.die("late"), "10 seconds")) }),
      closing
    ))

  it.effect("to a write is given up after half a second, and is told again what has changed", () => {
    const written: Array<string> = []
    return Effect.gen(function*() {
      const events = yield* listen()
      yield* failing
      yield* Effect.sleep("499 millis")
      assert.deepStrictEqual(yield* complaints(events), [])
      yield* Effect.sleep("2 millis")
      assert.deepStrictEqual(yield* complaints(events), [[key, "replace", "Timeout", "no answer within 500 millis"]])
      assert.deepStrictEqual(written, ["Open"])
      yield* Effect.sleep("1600 millis")
      assert.deepStrictEqual(written, ["Open", "Open"])
    }).pipe(
      over({
        replace: (_key, _seen, { phase }) => {
          written.push(phase._tag)
          return Effect.never
        }
      }),
      closing
    )
  })

  it.effect("to whoever asks for a probe is given up after half a second, and the process probes by itself", () =>
    Effect.gen(function*() {
      yield* failing
      yield* Effect.sleep("30 seconds")
      const probe = yield* Effect.forkChild(succeeding, { startImmediately: true })
      yield* Effect.sleep("499 millis")
      assert.isUndefined(probe.pollUnsafe())
      yield* Effect.sleep("1 millis")
      assert.strictEqual(yield* Fiber.join(probe), "42")
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(over({ replace: () => Effect.never }), closing))
})

describe("a record that somebody else wrote meanwhile", () => {
  /** A store in which somebody else is always faster, until it is told what to hold. */
  const contested = (generation: number) => {
    const asked: Array<[version: number | undefined, next: CircuitRecord.CircuitRecord]> = []
    let held = { ...closedAt(generation), version: 7 }
    const replace: CircuitStore["Service"]["replace"] = (_key, seen, next) => {
      asked.push([seen?.version, next])
      const conflict: Seen = { record: held, time: 0, precision: 1 }
      if (seen?.version !== held.version) return Effect.succeed({ _tag: "Conflict", seen: conflict })
      held = next
      return Effect.succeed(replaced)
    }
    return { read: () => Effect.succeed({ record: undefined, time: 0, precision: 1 }), replace, asked }
  }

  it.effect("is replaced, now that it has been seen, where it lies behind", () => {
    const { asked, ...store } = contested(0)
    return Effect.gen(function*() {
      yield* failing
      yield* settled
      assert.deepStrictEqual(asked.map(([seen, { phase }]) => [seen, phase._tag]), [[undefined, "Open"], [7, "Open"]])
      assert.strictEqual(asked[1]?.[1].version, 8)
      yield* CircuitBreaker.use((breaker) => breaker.reset(key))
      yield* settled
      assert.deepStrictEqual(asked[2]?.[0], 8, "the version of one's own write is remembered")
    }).pipe(over(store))
  })

  it.effect("stays where it is further on, and is known from then on", () => {
    const { asked, ...store } = contested(9)
    return Effect.gen(function*() {
      yield* failing
      yield* settled
      assert.strictEqual(asked[0]?.[1].phase._tag, "Open")
      assert.isTrue(asked.slice(1).every(([, { generation, phase }]) => generation === 9 && phase._tag === "Closed"))
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(over(store))
  })

  it.effect("each time is tried four times at once, and then after a while", () => {
    let version = 1
    let writes = 0
    return Effect.gen(function*() {
      yield* failing
      yield* settled
      assert.strictEqual(writes, 4)
      yield* TestClock.adjust("400 millis")
      assert.strictEqual(writes, 4)
      yield* TestClock.adjust("1200 millis")
      assert.isAtLeast(writes, 8)
      assert.isAtMost(writes, 12)
      assert.strictEqual(yield* phase, "Open")
    }).pipe(over({
      replace: () => {
        writes++
        return Effect.succeed({
          _tag: "Conflict",
          seen: { record: { ...closedAt(0), version: version++ }, time: 0, precision: 1 }
        })
      }
    }))
  })
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
        return Effect.succeed(replaced)
      }
    }))
  })
})
