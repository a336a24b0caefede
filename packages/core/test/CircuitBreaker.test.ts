/** Guarding a call in each of its forms, and looking at circuits. */
import { assert, describe, it } from "@effect/vitest"
import {
  CircuitBreaker,
  CircuitOpen,
  type CircuitState,
  CircuitStore,
  Outcome,
  type Policy,
  PolicyError,
  TripRule,
  withBreaker
} from "@reclose/core"
import { Cause, Context, Duration, Effect, Exit, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { failing, failures, hold, key, listen, phase, rejection, state, succeeding, under } from "./support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

describe("withBreaker", () => {
  const down = Effect.fail("down")

  it.effect.each<[string, Effect.Effect<never, string | CircuitOpen, CircuitBreaker>]>([
    ["data-last with a key", down.pipe(withBreaker(key))],
    ["data-first with a key", withBreaker(down, key)],
    ["data-last with options", down.pipe(withBreaker({ key }))],
    ["data-first with options", withBreaker(down, { key })]
  ])("guards a call %s", ([, guarded]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(guarded), "down")
      assert.instanceOf(yield* Effect.flip(guarded), CircuitOpen)
    }).pipe(under(first)))

  it.effect("guards the same effect anew each time it runs, and pipes on like any effect", () =>
    Effect.gen(function*() {
      let calls = 0
      const guarded = Effect.sync(() => ++calls).pipe(withBreaker(key), Effect.map((n) => n * 10))
      assert.strictEqual(yield* guarded, 10)
      assert.strictEqual(yield* guarded, 20)
      assert.strictEqual((yield* state).counts.succeeded, 2)
    }).pipe(under(first)))

  it.effect("makes the call in the caller's context", () => {
    class Greeting extends Context.Service<Greeting, string>()("test/Greeting") {}
    return Effect.gen(function*() {
      assert.strictEqual(yield* withBreaker(Greeting, key), "hello")
    }).pipe(Effect.provideService(Greeting, "hello"), under(first))
  })

  it.effect("asks a classifier that is an effect, with the service that it needs", () => {
    class Severity
      extends Context.Service<Severity, { readonly of: (error: string) => Outcome.Outcome }>()("test/Severity")
    {}
    const guarded = (error: string) =>
      Effect.fail(error).pipe(
        withBreaker({
          key,
          classify: (exit: Exit.Exit<never, string>) =>
            Effect.map(Severity, (severity) =>
              Option.match(Exit.findErrorOption(exit), {
                onNone: () => Outcome.success,
                onSome: severity.of
              }))
        }),
        Effect.flip
      )
    return Effect.gen(function*() {
      assert.strictEqual(yield* guarded("late"), "late")
      assert.strictEqual(yield* phase, "Closed")
      assert.strictEqual(yield* guarded("down"), "down")
      assert.strictEqual(yield* phase, "Open")
    }).pipe(
      Effect.provideService(Severity, { of: (error) => error === "late" ? Outcome.ignored : Outcome.failure() }),
      under(first)
    )
  })

  it.effect("tells of a classifier that dies inside its effect, and goes on", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const guarded = withBreaker(Effect.succeed("42"), { key, classify: () => Effect.die("broken classifier") })
      const exit = yield* Effect.exit(guarded)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.deepStrictEqual((yield* events).map((event) => event._tag), ["ClassifierFailed"])
      assert.strictEqual(yield* succeeding, "42")
    }).pipe(under(first)))

  it.effect("never asks a classifier about an interruption", () =>
    Effect.gen(function*() {
      let asked = 0
      const call = yield* hold({
        key,
        classify: () => {
          asked++
          return Outcome.failure()
        }
      })
      yield* call.interrupt
      assert.strictEqual(asked, 0)
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect.each<[string, string]>([
    ["is empty", ""],
    ["is too long", "x".repeat(513)],
    ["holds a control character", "a\nb"],
    ["holds half of a surrogate pair", "\uD800"]
  ])("dies with a PolicyError for a key that %s", ([, unsafe]) =>
    Effect.gen(function*() {
      let calls = 0
      const exit = yield* Effect.exit(withBreaker(Effect.sync(() => calls++), unsafe))
      assert.isTrue(Exit.isFailure(exit))
      if (!Exit.isFailure(exit)) return
      const [defect] = exit.cause.reasons.filter(Cause.isDieReason).map((reason) => reason.defect)
      assert.instanceOf(defect, PolicyError)
      assert.deepStrictEqual(defect.issues.map(({ field, value }) => ({ field, value })), [{
        field: "key",
        value: unsafe
      }])
      assert.strictEqual(calls, 0)
    }).pipe(under(first)))

  it.effect("takes keys of every other kind", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const keys = ["a", "x".repeat(512), "GET https://api.example/v1?q=ä*", "__proto__", "🙂", " "]
      yield* Effect.forEach(keys, (key) => withBreaker(Effect.void, key))
      const listed = yield* breaker.list
      assert.deepStrictEqual(listed.map((state) => state.key).sort(), keys.sort())
    }).pipe(under(first)))
})

describe("a breaker's handle", () => {
  const keep = Effect.provide(CircuitStore.layerMemory)

  it.effect("guards with its own policy, beside others", () =>
    Effect.gen(function*() {
      const strict = yield* CircuitBreaker.make(first)
      const lenient = yield* CircuitBreaker.make({ tripRule: TripRule.consecutive(100) })
      const call = Effect.fail("down")
      yield* Effect.flip(call.pipe(strict.withBreaker(key)))
      yield* Effect.flip(lenient.withBreaker(call, { key }))
      assert.strictEqual((yield* strict.state(key)).phase, "Open")
      assert.strictEqual((yield* lenient.state(key)).phase, "Closed")
    }).pipe(keep))

  it.effect("can be provided as the service", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make(first)
      yield* Effect.provideService(failing, CircuitBreaker, breaker)
      assert.strictEqual((yield* breaker.state(key)).phase, "Open")
    }).pipe(keep))

  it.effect("is not made from a policy that can't be", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(CircuitBreaker.make({ jitter: 2, halfOpen: { permits: 0 } }))
      assert.instanceOf(error, PolicyError)
      assert.deepStrictEqual(error.issues.map((issue) => issue.field), ["jitter", "halfOpen.permits"])
      const fromLayer = yield* Effect.flip(Effect.provide(Effect.void, CircuitBreaker.layer({ jitter: 2 })))
      assert.instanceOf(fromLayer, PolicyError)
    }).pipe(keep))

  it.effect("goes on guarding after its scope has closed", () =>
    Effect.gen(function*() {
      const breaker = yield* Effect.scoped(CircuitBreaker.make(first))
      assert.strictEqual(yield* breaker.withBreaker(Effect.succeed("42"), key), "42")
    }).pipe(keep))
})

describe("the state of a circuit", () => {
  it.effect("is closed and of generation 0 for one that was never used, which looking does not make", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const fresh = yield* breaker.state("never used")
      assert.strictEqual(fresh.phase, "Closed")
      assert.strictEqual(fresh.generation, 0)
      assert.deepStrictEqual(yield* breaker.list, [])
    }).pipe(under(first)))

  it.effect("says all there is to say of each phase", () =>
    Effect.gen(function*() {
      yield* succeeding
      // Compared with what was published; what that says is another test's.
      const published = Effect.map(yield* listen(), (seen) => seen.findLast((event) => event._tag === "Transition"))
      const common: Omit<CircuitState, "phase" | "generation" | "consecutiveOpenings" | "counts" | "lastTransition"> = {
        key,
        override: "None",
        retryAfter: Duration.zero,
        isRejecting: false,
        rejection: undefined,
        probes: 0,
        readings: []
      }
      const counts = { succeeded: 1, failed: 0, ignored: 0, rejected: 0 }
      assert.deepStrictEqual(yield* state, {
        ...common,
        phase: "Closed",
        lastTransition: undefined,
        generation: 1,
        consecutiveOpenings: 0,
        readings: [{ _tag: "Consecutive", failures: 0, threshold: 2 }],
        counts
      })
      yield* failures(2)
      yield* TestClock.adjust("10 seconds")
      yield* rejection
      assert.deepStrictEqual(yield* state, {
        ...common,
        phase: "Open",
        lastTransition: yield* published,
        generation: 2,
        consecutiveOpenings: 1,
        retryAfter: Duration.seconds(20),
        isRejecting: true,
        rejection: { reason: "Tripped", retryAfter: Duration.seconds(20) },
        counts: { ...counts, failed: 2, rejected: 1 }
      })
      yield* TestClock.adjust("20 seconds")
      yield* hold()
      assert.deepStrictEqual(yield* state, {
        ...common,
        phase: "HalfOpen",
        lastTransition: yield* published,
        generation: 3,
        consecutiveOpenings: 1,
        probes: 1,
        isRejecting: true,
        rejection: { reason: "Probing", retryAfter: Duration.seconds(30) },
        counts: { ...counts, failed: 2, rejected: 1 }
      })
    }).pipe(under({ ...first, tripRule: TripRule.consecutive(2) })))

  it.effect("counts an interrupted call nowhere", () =>
    Effect.gen(function*() {
      const nothing = { succeeded: 0, failed: 0, ignored: 0, rejected: 0 }
      yield* (yield* hold()).interrupt
      yield* (yield* hold({ key, classify: Outcome.fromExit })).interrupt
      assert.deepStrictEqual((yield* state).counts, nothing)
      yield* failing
      yield* TestClock.adjust("30 seconds")
      yield* (yield* hold()).interrupt
      assert.deepStrictEqual((yield* state).counts, { ...nothing, failed: 1 })
    }).pipe(under(first)))

  it.effect("is found to have reopened by whoever lists circuits after the deadline", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* failing
      yield* TestClock.adjust("30 seconds")
      yield* hold()
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual((yield* breaker.list).map((state) => state.phase), ["Open"])
    }).pipe(under(first)))

  it.effect("of a key that can't be one fails with a PolicyError, and so does steering it", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const { disable, forceClosed, forceOpen, isolate, metricsOnly, release, remove, reset, state } = breaker
      for (const act of [state, forceOpen, forceClosed, disable, metricsOnly, release, remove, reset, isolate]) {
        assert.instanceOf(yield* Effect.flip(act("")), PolicyError)
      }
      assert.deepStrictEqual(yield* breaker.list, [])
    }).pipe(under(first)))
})

describe("two layers", () => {
  it.effect("with a store of their own share nothing", () =>
    Effect.gen(function*() {
      const breakers = CircuitBreaker.layer(first).pipe(Layer.provide(Layer.fresh(CircuitStore.layerMemory)))
      yield* Effect.provide(failing, breakers)
      assert.strictEqual(yield* Effect.provide(succeeding, breakers), "42")
    }))
})
