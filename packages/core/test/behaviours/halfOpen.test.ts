/** How a half-open circuit is tried, and that nothing can keep it half-open. */
import { assert, describe, it } from "@effect/vitest"
import { type Policy, TripRule } from "@reclose/core"
import { Duration, Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import {
  failing,
  hold,
  isRejected,
  listen,
  phase,
  rejection,
  state,
  succeeding,
  transitionsOf,
  under
} from "../support.ts"

const tried = (halfOpen: Policy.HalfOpen) =>
  under({ tripRule: TripRule.consecutive(1), openDuration: "30 seconds", halfOpen })

/** Opens the circuit and lets its open time pass: the next call is the first probe. */
const readyToProbe = Effect.andThen(failing, TestClock.adjust("30 seconds"))

const twoOfThree = { permits: 3, successThreshold: 2, failureThreshold: 2 }

describe("a trial of several probes", () => {
  it.effect("10: it closes after the last probe, with no more failures than are allowed", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probes = [yield* hold(), yield* hold(), yield* hold()] as const
      yield* probes[0].fail
      yield* probes[1].succeed
      assert.strictEqual(yield* phase, "HalfOpen")
      yield* probes[2].succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(tried(twoOfThree)))

  it.effect("11: it opens at the failure that exceeds what is allowed, not after the last probe", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probes = [yield* hold(), yield* hold(), yield* hold()] as const
      yield* probes[0].fail
      assert.strictEqual(yield* phase, "HalfOpen")
      yield* probes[1].fail
      assert.strictEqual(yield* phase, "Open")
      assert.deepStrictEqual<unknown>(
        yield* probes[2].succeed,
        Exit.succeed("42"),
        "and what comes later changes nothing"
      )
      assert.strictEqual(yield* phase, "Open")
    }).pipe(tried(twoOfThree)))

  it.effect("12: one call more than there are permits is rejected, until a probe answers", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probes = [yield* hold(), yield* hold(), yield* hold()] as const
      const rejected = yield* rejection
      assert.strictEqual(rejected.reason, "Probing")
      assert.strictEqual(rejected.phase, "HalfOpen")
      yield* probes[0].succeed
      assert.isFalse(isRejected(yield* Effect.exit(succeeding)))
    }).pipe(tried({ ...twoOfThree, successThreshold: 3 })))

  it.effect("13: with a success threshold of 2, one success leaves the circuit half-open and the second closes it", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* succeeding
      assert.strictEqual(yield* phase, "HalfOpen")
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(tried({ successThreshold: 2 })))

  it.effect("13: a failure between them opens it, and the successes of that trial don't count in the next", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* succeeding
      yield* failing
      assert.strictEqual(yield* phase, "Open")
      yield* TestClock.adjust("30 seconds")
      yield* succeeding
      assert.strictEqual(yield* phase, "HalfOpen")
    }).pipe(tried({ successThreshold: 2 })))

  it.effect("14: without a decision in time the circuit is open again", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* readyToProbe
      yield* hold()
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual(yield* phase, "HalfOpen")
      yield* TestClock.adjust("1 milli")
      assert.strictEqual(yield* phase, "Open")
      assert.strictEqual((yield* state).consecutiveOpenings, 2)
      assert.deepStrictEqual(transitionsOf(yield* events).slice(-1), ["HalfOpen → Open: DeadlineExpired"])
    }).pipe(tried({ maxDuration: "10 seconds" })))
})

describe("a probe that gives no answer", () => {
  it.effect("25: a probe interrupted by its caller frees its place and has not failed", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const probe = yield* hold()
      yield* probe.interrupt
      const after = yield* state
      assert.strictEqual(after.phase, "HalfOpen")
      assert.strictEqual(after.probes, 0)
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(tried({})))

  it.effect("37: of many calls at the moment the open time is over, exactly one probes", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const calls = yield* Effect.replicateEffect(hold(), 100)
      assert.strictEqual((yield* state).probes, 1)
      const exits = yield* Effect.forEach(calls, (call) => call.succeed)
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
      assert.strictEqual(exits.filter(isRejected).length, 99)
    }).pipe(tried({})))

  it.effect("38: when a probe is lost, its lease lapses and another call probes", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const lost = yield* hold()
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(Duration.toMillis((yield* rejection).retryAfter), 30_000)
      yield* TestClock.adjust("30 seconds")
      const next = yield* hold()
      assert.strictEqual(yield* phase, "HalfOpen")
      yield* lost.fail
      assert.strictEqual(yield* phase, "HalfOpen", "its late result is fenced off")
      assert.strictEqual((yield* state).probes, 1, "and frees no permit")
      yield* next.succeed
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(tried({ maxDuration: "10 seconds" })))

  it.effect("38: a probe that fails releases its permit, so the next trial has all of them", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* failing
      yield* TestClock.adjust("30 seconds")
      const probes = yield* Effect.replicateEffect(hold(), 2)
      assert.strictEqual((yield* state).probes, 2)
      yield* Effect.forEach(probes, (probe) => probe.succeed)
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(tried({ permits: 2, successThreshold: 2 })))
})
