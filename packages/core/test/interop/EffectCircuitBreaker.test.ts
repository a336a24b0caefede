import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Duration, Effect, Exit, Layer, Schedule } from "effect"
import * as Effects from "effect/persistence/CircuitBreaker"
import { TestClock } from "effect/testing"
import * as Ours from "../../src/EffectCircuitBreaker.ts"
import { CircuitBreaker, CircuitOpen, CircuitStore, PolicyError, TripRule } from "../../src/index.ts"

const options = { tripPolicy: Ours.consecutive(1), openDuration: "1 minute" } as const

class One extends Context.Service<One, Effects.CircuitBreaker>()("One") {}

class Other extends Context.Service<Other, Effects.CircuitBreaker>()("Other") {}

const failOn = (breaker: Effects.CircuitBreaker, key: string) =>
  Effect.ignore(breaker.execute(Effect.fail("down"), { key }))

const phaseOf = (breaker: Effects.CircuitBreaker, key: string) => Effect.map(breaker.state(key), ({ _tag }) => _tag)

describe("EffectCircuitBreaker", () => {
  it("exports what Effect's module does, but for its Redis store", () => {
    const missing = Object.keys(Effects).filter((name) => !(name in Ours))
    const added = Object.keys(Ours).filter((name) => !(name in Effects))
    assert.deepStrictEqual([missing, added], [["layerStoreRedis", "layerStoreRedisConfig"], ["layerStore"]])
  })

  it.effect("rejects with Effect's own errors", () =>
    Effect.gen(function*() {
      const breaker = yield* Ours.make(options)
      yield* failOn(breaker, "a")
      const error = yield* Effect.flip(breaker.execute(Effect.void, { key: "a" }))
      assert.instanceOf(error, Effects.CircuitBreakerError)
      assert.instanceOf(error.reason, Effects.CircuitOpen)
    }).pipe(Effect.provide(Ours.layerStoreMemory())))

  it.effect("passes on the rejection of a breaker inside the call", () =>
    Effect.gen(function*() {
      const outer = yield* Ours.make(options)
      const inner = yield* CircuitBreaker.make({ tripRule: TripRule.consecutive(1) })
      yield* Effect.flip(inner.withBreaker(Effect.fail("down"), "a"))
      const error = yield* Effect.flip(outer.execute(inner.withBreaker(Effect.void, "a"), { key: "a" }))
      assert.instanceOf(error, CircuitOpen)
    }).pipe(Effect.provide(Layer.merge(Ours.layerStoreMemory(), CircuitStore.layerMemory))))

  it.effect("shares circuits between equal breakers of one store, one after the other or at once", () =>
    Effect.gen(function*() {
      const equal = { tripPolicy: Ours.consecutive(3), openDuration: "1 minute" } as const
      for (let request = 0; request < 2; request++) {
        yield* Effect.scoped(Effect.flatMap(Ours.make(equal), (breaker) => failOn(breaker, "a")))
      }
      const [one, other] = yield* Effect.all([Ours.make(equal), Ours.make({ ...equal, openDuration: 60_000 })])
      yield* failOn(one, "a")
      assert.strictEqual(yield* phaseOf(other, "a"), "Open")
    }).pipe(Effect.provide(Ours.layerStoreMemory())))

  it.effect("keeps apart what two memory stores hold", () =>
    Effect.gen(function*() {
      const one = yield* One
      yield* failOn(one, "a")
      // By then the opening is in the store of the one breaker.
      yield* TestClock.adjust(1)
      const other = yield* Other
      yield* other.execute(Effect.void, { key: "a" })
    }).pipe(Effect.provide(Layer.mergeAll(
      Layer.provide(Layer.effect(One, Ours.make(options)), Ours.layerStoreMemory()),
      Layer.provide(Layer.effect(Other, Ours.make(options)), Ours.layerStoreMemory())
    ))))

  it.effect("opens for no time at all, and for longer than a day", () =>
    Effect.gen(function*() {
      const brief = yield* Ours.make({ ...options, openDuration: 0 })
      yield* failOn(brief, "a")
      yield* brief.execute(Effect.void, { key: "a" })
      const long = yield* Ours.make({ ...options, openDuration: "2 days" })
      yield* failOn(long, "b")
      const state = yield* long.state("b")
      assert.deepStrictEqual(state._tag === "Open" && state.retryAfter, Duration.days(2))
    }).pipe(Effect.provide(Ours.layerStoreMemory())))

  it.effect("dies of a policy and of a key that it can't use", () =>
    Effect.gen(function*() {
      const breaker = yield* Ours.make(options)
      for (
        const mistake of [
          Effect.asVoid(Ours.make({ ...options, openDuration: Schedule.recurs(0) })),
          breaker.execute(Effect.void, { key: "" })
        ]
      ) {
        const exit = yield* Effect.exit(mistake)
        assert.instanceOf(Exit.isFailure(exit) && Cause.squash(exit.cause), PolicyError)
      }
    }).pipe(Effect.provide(Ours.layerStoreMemory())))
})
