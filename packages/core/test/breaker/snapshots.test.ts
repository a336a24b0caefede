/** Circuits kept as data and restored, here or under another clock. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, type CircuitOverride, type Policy, PolicyError, TripRule, withBreaker } from "@reclose/core"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { SteppedClock } from "../SteppedClock.ts"
import {
  failing,
  failures,
  hold,
  isRejected,
  key,
  listen,
  over,
  phase,
  rejection,
  settled,
  state,
  succeeding,
  TestStore,
  under,
  underStepped
} from "../support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const snapshot = CircuitBreaker.use((breaker) => breaker.snapshot)

/** Takes a snapshot and restores it in the same breaker. */
const andBack = Effect.orDie(CircuitBreaker.use((breaker) => Effect.flatMap(breaker.snapshot, breaker.restore)))

const readyToProbe = Effect.andThen(failing, TestClock.adjust("30 seconds"))

describe("a circuit that is restored", () => {
  it.effect("closed, keeps what it measured", () =>
    Effect.gen(function*() {
      yield* failures(2)
      yield* andBack
      assert.strictEqual(yield* phase, "Closed")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ ...first, tripRule: TripRule.consecutive(3) })))

  it.effect("closed, keeps a window of time in its place", () =>
    Effect.gen(function*() {
      yield* failures(2)
      yield* TestClock.adjust("8 seconds")
      yield* andBack
      yield* TestClock.adjust("1 second")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ ...first, tripRule: TripRule.failures({ failures: 3, window: "10 seconds" }) })))

  it.effect("closed, keeps its openings in a row for as long as they would have been kept", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* succeeding
      yield* TestClock.adjust("29 seconds")
      yield* andBack
      assert.strictEqual((yield* state).consecutiveOpenings, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* state).consecutiveOpenings, 0)
    }).pipe(under(first)))

  it.effect("warming up, is warm when it would have been", () =>
    Effect.gen(function*() {
      yield* succeeding
      yield* TestClock.adjust("50 seconds")
      yield* andBack
      yield* TestClock.adjust("9 seconds")
      yield* failing
      assert.strictEqual(yield* phase, "Closed")
      yield* TestClock.adjust("1 second")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ ...first, warmUp: "1 minute" })))

  it.effect("open, goes on for the time that was left", () =>
    Effect.gen(function*() {
      yield* failing
      yield* TestClock.adjust("20 seconds")
      yield* andBack
      assert.strictEqual(Duration.toSeconds((yield* rejection).retryAfter), 10)
    }).pipe(under(first)))

  it.effect("half-open, lets its next call probe, and the probes of before are lost", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const lost = yield* hold()
      yield* andBack
      const probe = yield* hold()
      assert.strictEqual((yield* state).probes, 1)
      yield* lost.fail
      assert.strictEqual(yield* phase, "HalfOpen")
      assert.strictEqual((yield* state).consecutiveOpenings, 1)
      yield* probe.succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("half-open past its deadline, has reopened, for a snapshot reads as any reader does", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* hold()
      yield* TestClock.adjust("40 seconds")
      const { circuits: [circuit] } = yield* snapshot
      assert.include(circuit, { phase: "Open", consecutiveOpenings: 2, remaining: 20_000 })
    }).pipe(under(first)))

  it.effect.each<["forceOpen" | "forceClosed" | "disable" | "metricsOnly", CircuitOverride]>([
    ["forceOpen", "ForcedOpen"],
    ["forceClosed", "ForcedClosed"],
    ["disable", "Disabled"],
    ["metricsOnly", "MetricsOnly"]
  ])("after %s, stays so", ([act, override]) =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* breaker[act](key)
      yield* andBack
      assert.strictEqual((yield* state).override, override)
    }).pipe(under(first)))

  it.effect("is in a new generation, so that a call of before settles nothing and announces nothing", () =>
    Effect.gen(function*() {
      const call = yield* hold()
      const before = yield* state
      yield* andBack
      const events = yield* listen()
      assert.isAbove((yield* state).generation, before.generation)
      yield* call.fail
      assert.strictEqual(yield* phase, "Closed")
      assert.deepStrictEqual(yield* events, [])
    }).pipe(under(first)))

  it.effect("is what the store holds from then on, whatever it held before", () => {
    const store = new TestStore()
    return Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* failing
      const taken = yield* snapshot
      yield* breaker.reset(key)
      yield* settled
      assert.strictEqual(store.held.get(key)?.phase._tag, "Closed")
      yield* breaker.restore(taken)
      yield* settled
      assert.strictEqual(yield* phase, "Open")
      assert.strictEqual(store.held.get(key)?.phase._tag, "Open")
    }).pipe(over(store, first))
  })

  it.effect("has a generation above all that the key had, so that who counts them never sees one again", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* succeeding
      const taken = yield* snapshot
      yield* readyToProbe
      const before = yield* state
      yield* breaker.restore(taken)
      assert.isAbove((yield* state).generation, before.generation)
    }).pipe(under(first)))

  it.effect("is not overwritten in the store by a call of before", () => {
    const store = new TestStore()
    return Effect.gen(function*() {
      const call = yield* hold()
      yield* andBack
      yield* call.fail
      yield* settled
      assert.strictEqual(store.held.get(key)?.phase._tag, "Closed")
    }).pipe(over(store, first))
  })
})

describe("a snapshot", () => {
  it.effect("is plain data, that survives JSON", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* withBreaker(Effect.void, "orders")
      yield* failures(2)
      const taken = yield* snapshot
      assert.deepStrictEqual(JSON.parse(JSON.stringify(taken)), taken)
      yield* breaker.restore(JSON.parse(JSON.stringify(taken)))
      assert.deepStrictEqual((yield* breaker.list).map((state) => [state.key, state.phase]).sort(), [
        ["orders", "Closed"],
        [key, "Open"]
      ])
    }).pipe(under({ ...first, tripRule: TripRule.consecutive(2) })))

  it.effect("means the same in a breaker with another clock", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 day")
      const taken = yield* Effect.gen(function*() {
        yield* failing
        yield* TestClock.adjust("20 seconds")
        return yield* snapshot
      }).pipe(under(first))
      const clock = new SteppedClock()
      yield* Effect.gen(function*() {
        const breaker = yield* CircuitBreaker
        yield* breaker.restore(taken)
        assert.strictEqual(Duration.toSeconds((yield* rejection).retryAfter), 10)
        yield* clock.step("10 seconds")
        yield* succeeding
        assert.strictEqual(yield* phase, "Closed")
      }).pipe(underStepped(clock, first))
    }))

  it.effect("leaves circuits alone that it does not name, and makes those that are missing", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* failing
      const taken = yield* snapshot
      yield* breaker.reset(key)
      yield* withBreaker(Effect.void, "orders")
      yield* breaker.restore({ ...taken, circuits: taken.circuits.map((circuit) => ({ ...circuit, key: "new" })) })
      const phases = (yield* breaker.list).map((state) => `${state.key}: ${state.phase}`)
      assert.deepStrictEqual(phases.sort(), ["new: Open", "orders: Closed", `${key}: Closed`])
    }).pipe(under(first)))

  it.effect("of another policy stays open no longer than the policy allows", () =>
    Effect.gen(function*() {
      yield* failing
      const taken = yield* snapshot
      yield* Effect.gen(function*() {
        const breaker = yield* CircuitBreaker
        yield* breaker.restore(taken)
        assert.strictEqual(Duration.toSeconds((yield* rejection).retryAfter), 5)
      }).pipe(under({ ...first, openDuration: "1 second", maxOpenDuration: "5 seconds" }))
    }).pipe(under(first)))

  it.effect("with a key that can't be one is refused as a whole", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* failing
      const taken = yield* snapshot
      yield* breaker.reset(key)
      const broken = { ...taken, circuits: taken.circuits.flatMap((circuit) => [circuit, { ...circuit, key: "" }]) }
      const error = yield* Effect.flip(breaker.restore(broken))
      assert.instanceOf(error, PolicyError)
      assert.deepStrictEqual(error.issues.map(({ field, value }) => [field, value]), [["circuits.key", ""]])
      assert.isFalse(isRejected(yield* Effect.exit(succeeding)))
    }).pipe(under(first)))
})
