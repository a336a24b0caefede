/** What happens to a call in each phase, and how the phases follow each other. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitOpen, type Policy, TripRule, withBreaker } from "@reclose/core"
import { Duration, Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import {
  failing,
  failures,
  hold,
  isRejected,
  key,
  listen,
  phase,
  rejection,
  state,
  succeeding,
  transitionsOf,
  under
} from "../support.ts"

const threeInARow: Policy.Policy = { tripRule: TripRule.consecutive(3), openDuration: "30 seconds" }
const first: Policy.Policy = { ...threeInARow, tripRule: TripRule.consecutive(1) }

describe("Closed", () => {
  it.effect("1: a success passes through unchanged and the circuit stays closed", () =>
    Effect.gen(function*() {
      const value = { quote: 42 }
      const answer = yield* Effect.succeed(value).pipe(withBreaker(key))
      assert.strictEqual(answer, value)
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(threeInARow)))

  it.effect("2: n failures in a row open the circuit, and their own errors surface", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* failures(2), ["down", "down"])
      assert.strictEqual(yield* phase, "Closed")
      assert.strictEqual(yield* failing, "down")
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(threeInARow)))

  it.effect("3: a success between them starts the count of failures anew", () =>
    Effect.gen(function*() {
      yield* failures(2)
      yield* succeeding
      yield* failures(2)
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(threeInARow)))
})

describe("Open", () => {
  it.effect("4: a call is rejected with a typed error and the dependency is not called", () =>
    Effect.gen(function*() {
      yield* failing
      let calls = 0
      const counted = Effect.sync(() => ++calls).pipe(withBreaker(key))
      const answer = yield* Effect.catchTag(counted, "CircuitOpen", () => Effect.succeed("rejected"))
      assert.strictEqual(answer, "rejected")
      assert.strictEqual(calls, 0)
    }).pipe(under(first)))

  it.effect("5: a rejection carries the key and the time that is left", () =>
    Effect.gen(function*() {
      yield* failing
      yield* TestClock.adjust("12 seconds")
      const open = yield* rejection
      assert.instanceOf(open, CircuitOpen)
      assert.strictEqual(open.key, key)
      assert.strictEqual(open.phase, "Open")
      assert.strictEqual(open.reason, "Tripped")
      assert.strictEqual(Duration.toMillis(open.retryAfter), 18_000)
      assert.strictEqual(open.consecutiveOpenings, 1)
    }).pipe(under(first)))

  it.effect("6: an open circuit needs no timer, the next call after the open time probes", () =>
    Effect.gen(function*() {
      yield* failing
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual((yield* rejection).reason, "Tripped")
      yield* TestClock.adjust("1 milli")
      assert.strictEqual(yield* phase, "Open")
      const probe = yield* hold()
      assert.strictEqual(yield* phase, "HalfOpen")
      assert.strictEqual((yield* state).probes, 1)
      yield* probe.succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))
})

describe("HalfOpen", () => {
  it.effect("7: a probe that succeeds closes the circuit with everything measured forgotten", () =>
    Effect.gen(function*() {
      yield* failures(3)
      yield* TestClock.adjust("30 seconds")
      yield* succeeding
      const closed = yield* state
      assert.strictEqual(closed.phase, "Closed")
      assert.deepStrictEqual(closed.readings, [{ _tag: "Consecutive", failures: 0, threshold: 3 }])
    }).pipe(under(threeInARow)))

  it.effect("8: a probe that fails opens the circuit at once, whatever the volume its rule asks for", () =>
    Effect.gen(function*() {
      yield* failures(100)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* failing, "down")
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.failureRate({ window: 100, minimumCalls: 100 }) })))

  it.effect("9: a call beside a running probe is rejected at once and never queued", () =>
    Effect.gen(function*() {
      yield* failing
      yield* TestClock.adjust("30 seconds")
      const probe = yield* hold()
      const beside = yield* rejection
      assert.strictEqual(beside.phase, "HalfOpen")
      assert.strictEqual(beside.reason, "Probing")
      assert.isTrue(Exit.isSuccess(yield* probe.succeed))
    }).pipe(under(first)))
})

describe("calls across phases", () => {
  it.effect("27: a call admitted before the circuit opened decides nothing in the trial, however it ends", () =>
    Effect.gen(function*() {
      const [succeedsLate, failsLate, beforeAll] = [yield* hold(), yield* hold(), yield* hold()]
      yield* failing
      assert.strictEqual(yield* beforeAll.fail.pipe(Effect.andThen(phase)), "Open")
      yield* TestClock.adjust("30 seconds")
      const probe = yield* hold()
      yield* failsLate.fail
      assert.strictEqual(yield* phase, "HalfOpen")
      yield* succeedsLate.succeed
      assert.strictEqual(yield* phase, "HalfOpen")
      assert.isTrue(isRejected(yield* Effect.exit(succeeding)), "no late result frees a permit")
      yield* probe.succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("28: 105 concurrent failures at a limit of 100 open the circuit once, and later calls are rejected", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const failingSoon = Effect.yieldNow.pipe(Effect.andThen(Effect.fail("down")), withBreaker(key), Effect.flip)
      const errors = yield* Effect.replicateEffect(failingSoon, 105, { concurrency: "unbounded" })
      assert.deepStrictEqual([...new Set(errors)], ["down"])
      assert.deepStrictEqual(transitionsOf(yield* events), ["Closed → Open: Tripped"])
      assert.strictEqual((yield* rejection).reason, "Tripped")
    }).pipe(under({ tripRule: TripRule.consecutive(100) })))

  it.effect("29: after a recovery one failure does not open the circuit, for the old window is gone", () =>
    Effect.gen(function*() {
      yield* failures(4)
      assert.strictEqual(yield* phase, "Open")
      yield* TestClock.adjust("30 seconds")
      yield* succeeding
      yield* failures(3)
      assert.strictEqual(yield* phase, "Closed")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ tripRule: TripRule.failureRate({ window: 10, minimumCalls: 4 }) })))

  it.effect("33: a key isolated by two holders stays isolated until both have let go", () =>
    Effect.gen(function*() {
      const isolate = Effect.orDie(CircuitBreaker.use((breaker) => breaker.isolate(key)))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* isolate
        yield* Effect.scoped(isolate)
        assert.strictEqual((yield* rejection).reason, "Forced")
      }))
      assert.strictEqual(yield* succeeding, "42")
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))
})
