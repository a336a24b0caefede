import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Duration, Effect, Exit, Layer, Schedule } from "effect"
import * as Effects from "effect/persistence/CircuitBreaker"
import { TestClock } from "effect/testing"
import * as Ours from "../../src/EffectCircuitBreaker.ts"
import { CircuitBreaker, CircuitOpen, type CircuitState, CircuitStore, PolicyError, TripRule } from "../../src/index.ts"

const options = { tripPolicy: Ours.consecutive(1), openDuration: "1 minute" } as const

class One extends Context.Service<One, Effects.CircuitBreaker>()("One") {}

class Other extends Context.Service<Other, Effects.CircuitBreaker>()("Other") {}

const failOn = (breaker: Effects.CircuitBreaker, key: string) =>
  Effect.ignore(breaker.execute(Effect.fail("down"), { key }))

const phaseOf = (breaker: Effects.CircuitBreaker, key: string) => Effect.map(breaker.state(key), ({ _tag }) => _tag)

/** How long a circuit has still to stay open. */
const openFor = (breaker: Effects.CircuitBreaker, key: string) =>
  Effect.map(breaker.state(key), (state) => state._tag === "Open" ? state.retryAfter : assert.fail("it is not open"))

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
      assert.deepStrictEqual(yield* openFor(long, "b"), Duration.days(2))
    }).pipe(Effect.provide(Ours.layerStoreMemory())))

  it.effect("lets a call ask for an hour and no more, or for as long as it may", () =>
    Effect.gen(function*() {
      const usual = yield* Ours.make(options)
      const generous = yield* Ours.make({ ...options, maxOpenDuration: "3 hours" })
      const failing = (breaker: Effects.CircuitBreaker, key: string, retryAfter: Duration.Input) =>
        breaker.execute(Effect.flip(Effect.fail("down")), { key, classify: () => Ours.failure({ retryAfter }) })
      const asked = [[usual, "a", "2 hours"], [generous, "b", "2 hours"], [generous, "c", "4 hours"]] as const
      for (const [breaker, key, retryAfter] of asked) yield* failing(breaker, key, retryAfter)
      const open = yield* Effect.forEach(asked, ([breaker, key]) => openFor(breaker, key))
      assert.deepStrictEqual(open, [Duration.hours(1), Duration.hours(2), Duration.hours(3)])
    }).pipe(Effect.provide(Ours.layerStoreMemory())))

  it.effect("stays open for a week at most", () =>
    Effect.gen(function*() {
      const breaker = yield* Ours.make({ ...options, openDuration: "8 days" })
      yield* failOn(breaker, "a")
      assert.deepStrictEqual(yield* openFor(breaker, "a"), Duration.days(7))
    }).pipe(Effect.provide(Ours.layerStoreMemory())))

  it.effect("gives a trial a day, and says whether a probe is out", () =>
    Effect.gen(function*() {
      const breaker = yield* Ours.make(options)
      yield* failOn(breaker, "a")
      yield* TestClock.adjust("1 minute")
      const halfOpen = { _tag: "HalfOpen", key: "a", consecutiveOpenings: 1 }
      yield* breaker.execute(Effect.void, { key: "a", classify: () => Ours.ignored })
      assert.deepStrictEqual<unknown>(yield* breaker.state("a"), { ...halfOpen, probing: false })
      yield* Effect.forkChild(breaker.execute(Effect.never, { key: "a" }), { startImmediately: true })
      assert.deepStrictEqual<unknown>(yield* breaker.state("a"), { ...halfOpen, probing: true })
      const { reason } = yield* Effect.flip(breaker.execute(Effect.void, { key: "a" }))
      assert.deepStrictEqual(reason, new Effects.CircuitHalfOpen({ key: "a" }))
      yield* TestClock.adjust(Duration.millis(86_399_999))
      assert.strictEqual(yield* phaseOf(breaker, "a"), "HalfOpen")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* phaseOf(breaker, "a"), "Open")
    }).pipe(Effect.provide(Ours.layerStoreMemory())))

  it.effect.each<[string, number, Layer.Layer<Ours.CircuitBreakerStore>]>([
    ["an hour", 60, Ours.layerStoreMemory()],
    ["as long as it is told", 5, Ours.layerStoreMemory({ idleTimeToLive: "5 minutes" })],
    [
      "as long as a store of one's own is told",
      5,
      Layer.provide(
        Ours.layerStore({ idleTimeToLive: "5 minutes" }),
        CircuitStore.layerMemory
      )
    ]
  ])("remembers failures for %s while nobody uses them", ([, minutes, store]) =>
    Effect.gen(function*() {
      const failOnce = Effect.scoped(
        Effect.gen(function*() {
          const breaker = yield* Ours.make({ ...options, tripPolicy: Ours.consecutive(2) })
          yield* failOn(breaker, "a")
          return yield* phaseOf(breaker, "a")
        })
      )
      yield* failOnce
      yield* TestClock.adjust(Duration.minutes(minutes))
      assert.strictEqual(yield* failOnce, "Closed")
      yield* TestClock.adjust(Duration.millis(minutes * 60_000 - 1))
      assert.strictEqual(yield* failOnce, "Open")
    }).pipe(Effect.provide(store)))

  it.effect("dies of a policy and of a key that it can't use", () =>
    Effect.gen(function*() {
      const breaker = yield* Ours.make(options)
      for (
        const mistake of [
          Effect.asVoid(Ours.make({ ...options, openDuration: Schedule.recurs(0) })),
          Effect.asVoid(Ours.make({ ...options, tripPolicy: Ours.consecutive(1_000_001) })),
          Effect.asVoid(Ours.make({ ...options, tripPolicy: Ours.rate({ size: 1_000_001 }) })),
          breaker.execute(Effect.void, { key: "" }),
          breaker.state(""),
          Effect.asVoid(Ours.make(options)).pipe(Effect.provide(Ours.layerStoreMemory({ idleTimeToLive: "31 days" })))
        ]
      ) {
        const exit = yield* Effect.exit(mistake)
        assert.instanceOf(Exit.isFailure(exit) && Cause.squash(exit.cause), PolicyError)
      }
    }).pipe(Effect.provide(Ours.layerStoreMemory())))
})

describe.each<[string, typeof Effects]>([
  ["Effect's", Effects],
  ["ours", Ours as unknown as typeof Effects] // the names that both have
])("an idle circuit of %s", (_, module) => {
  const under = <A, E>(test: (breaker: Effects.CircuitBreaker) => Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const breaker = yield* module.make({ tripPolicy: module.consecutive(2), openDuration: "1 minute" })
      return yield* test(breaker)
    }).pipe(Effect.provide(module.layerStoreMemory()))

  it.effect("has forgotten its streak after an hour, and not before", () =>
    under((breaker) =>
      Effect.gen(function*() {
        yield* failOn(breaker, "a")
        yield* failOn(breaker, "b")
        yield* TestClock.adjust("59 minutes")
        yield* failOn(breaker, "b")
        assert.strictEqual(yield* phaseOf(breaker, "b"), "Open")
        yield* TestClock.adjust("1 minute")
        yield* failOn(breaker, "a")
        assert.strictEqual(yield* phaseOf(breaker, "a"), "Closed")
      })
    ))

  it.effect("that is open is forgotten an hour after its opening has ended", () =>
    under((breaker) =>
      Effect.gen(function*() {
        yield* Effect.andThen(failOn(breaker, "a"), failOn(breaker, "a"))
        yield* TestClock.adjust("60 minutes")
        assert.strictEqual(yield* phaseOf(breaker, "a"), "Open")
        yield* TestClock.adjust("61 minutes")
        assert.strictEqual(yield* phaseOf(breaker, "a"), "Closed")
        yield* breaker.execute(Effect.void, { key: "a" })
        assert.strictEqual(yield* phaseOf(breaker, "a"), "Closed")
      })
    ))
})

it.effect("no circuit is held of the keys that nothing has called for a day", () =>
  Effect.gen(function*() {
    const context = yield* Layer.build(CircuitStore.layerMemory)
    let held: ReadonlyArray<CircuitState> = []
    // The breaker that the adapter makes, to look into it.
    const spy = Layer.effect(
      Ours.CircuitBreakerStore,
      Effect.map(Ours.CircuitBreakerStore, (store) =>
        Ours.CircuitBreakerStore.of({
          breaker: (sharing) =>
            Effect.tap(
              store.breaker(sharing),
              (breaker) => Effect.addFinalizer(() => Effect.map(breaker.list, (list) => void (held = list)))
            )
        }))
    ).pipe(Layer.provide(Ours.layerStore()), Layer.provide(Layer.succeedContext(context)))
    yield* Effect.gen(function*() {
      const breaker = yield* Ours.make(options)
      yield* Effect.forEach(Array.from({ length: 5_000 }, (_, i) => `host ${i}`), (key) => failOn(breaker, key))
      yield* TestClock.adjust("1 day")
      yield* breaker.execute(Effect.void, { key: "alive" })
    }).pipe(Effect.scoped, Effect.provide(spy))
    assert.deepStrictEqual(held.map(({ key }) => key), ["alive"])
  }))
