/** Ten thousand fibers through one breaker: no count is lost, no permit leaks, no transition happens twice. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, type CircuitOpen, Outcome, type Policy, TripRule, withBreaker } from "@reclose/core"
import { Effect, Exit, Fiber, Random } from "effect"
import { TestClock } from "effect/testing"
import {
  failing,
  failures,
  hold,
  isRejected,
  key,
  listen,
  phase,
  state,
  succeeding,
  transitionsOf,
  under
} from "./support.ts"

const fibers = 10_000

/** Any number of turns for others, so that calls overlap in every order. */
const turns = Effect.flatMap(Random.nextIntBetween(0, 5), (turns) => Effect.replicateEffect(Effect.yieldNow, turns))

/** The same chance in every run. */
const seeded = Random.withSeed("concurrency")

const everywhere = <A, E, R>(call: (index: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(Array.from({ length: fibers }, (_, index) => index), call, { concurrency: "unbounded" })

/** Every third call fails. */
const mixed = (index: number) => Effect.andThen(turns, index % 3 === 0 ? Effect.fail("down") : Effect.succeed("42"))

/** A window that holds every call, under a rule that no call meets. */
const countingAll: Policy.Policy = {
  tripRule: TripRule.failureRate({ window: fibers, minimumCalls: fibers, threshold: 1 })
}

/** The ways to guard a call of the closed circuit. */
const guards: Record<string, (call: Effect.Effect<string, string>) => Effect.Effect<string, unknown, CircuitBreaker>> =
  {
    "by key": withBreaker(key),
    "with a classifier": withBreaker<string, string>({ key, classify: Outcome.fromExit }),
    "with an effectful classifier": withBreaker<string, string>({
      key,
      classify: (exit) => Effect.as(Effect.yieldNow, Outcome.fromExit(exit))
    })
  }

const failed = Math.ceil(fibers / 3)

describe("a closed circuit", () => {
  it.effect.each(Object.entries(guards))("loses no count of calls guarded %s", ([, guard]) =>
    Effect.gen(function*() {
      yield* everywhere((index) => Effect.exit(guard(mixed(index))))
      const { counts, readings } = yield* state
      assert.deepStrictEqual(counts, { succeeded: fibers - failed, failed, ignored: 0, rejected: 0 })
      assert.include(readings[0], { calls: fibers, hits: failed })
    }).pipe(under(countingAll), seeded))

  it.effect("has no call in flight once all have ended, however they did", () =>
    Effect.gen(function*() {
      const calls = yield* everywhere((index) =>
        Effect.forkChild(Effect.exit(withBreaker(mixed(index), key)), { startImmediately: true })
      )
      yield* Effect.forEach(calls, (fiber, index) => index % 7 === 0 ? Fiber.interrupt(fiber) : Fiber.await(fiber))
      yield* TestClock.adjust("1 hour")
      assert.include((yield* state).readings[0], { calls: 0 })
    }).pipe(under({ tripRule: TripRule.inFlightAge({ olderThan: "1 second", calls: 1000 }) }), seeded))

  it.effect("counts calls interrupted at random once or not at all", () =>
    Effect.gen(function*() {
      const calls = yield* everywhere((index) =>
        Effect.forkChild(withBreaker(mixed(index), key), { startImmediately: true })
      )
      const exits = yield* everywhere((index) =>
        Effect.gen(function*() {
          const fiber = calls[index]
          if (fiber === undefined) return assert.fail("there is a fiber for each call")
          yield* turns
          if (yield* Random.nextBoolean) yield* Fiber.interrupt(fiber)
          return yield* Fiber.await(fiber)
        })
      )
      const interrupted = exits.filter(Exit.hasInterrupts).length
      assert.isAbove(interrupted, 1000)
      const { counts, readings } = yield* state
      assert.strictEqual(counts.succeeded, exits.filter(Exit.isSuccess).length)
      assert.strictEqual(counts.failed, exits.filter(Exit.hasFails).length)
      assert.include(readings[0], { calls: fibers - interrupted, hits: counts.failed })
    }).pipe(under(countingAll), seeded))

  it.effect("opens once, when many fail at the same time", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* everywhere(() => turns.pipe(Effect.andThen(Effect.fail("down")), withBreaker(key), Effect.exit))
      assert.deepStrictEqual(transitionsOf(yield* events), ["Closed → Open: Tripped"])
      const { counts } = yield* state
      assert.strictEqual(counts.failed + counts.rejected, fibers)
    }).pipe(under({ tripRule: TripRule.consecutive(100) }), seeded))

  it.effect("lets the five calls fail that were under way when the hundredth opened it, and rejects the next", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const calls = yield* Effect.replicateEffect(hold(), 105)
      const exits = yield* Effect.forEach(calls, (call) => call.fail)
      assert.deepStrictEqual(exits.filter(isRejected), [])
      assert.isTrue(isRejected(yield* Effect.exit(succeeding)))
      assert.deepStrictEqual(transitionsOf(yield* events), ["Closed → Open: Tripped"])
      assert.strictEqual((yield* state).counts.failed, 105)
    }).pipe(under({ tripRule: TripRule.consecutive(100) })))
})

describe("a half-open circuit", () => {
  const permits = 5
  const onTrial = under({
    tripRule: TripRule.consecutive(1),
    openDuration: "30 seconds",
    halfOpen: { permits, successThreshold: 1000, failureThreshold: 1000 }
  })
  const readyToProbe = Effect.andThen(failing, TestClock.adjust("30 seconds"))

  /** The calls of a dependency, and how many of them it ever had at once. */
  const dependency = () => {
    let now = 0
    const seen = { most: 0, calls: 0 }
    const call = <A, E>(answer: Effect.Effect<A, E>) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          seen.calls++
          seen.most = Math.max(seen.most, ++now)
        }),
        () => Effect.andThen(turns, answer),
        () => Effect.sync(() => now--)
      )
    return { seen, call }
  }

  it.effect("lets no more calls through at once than it has permits, and has all of them back in the end", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const { call, seen } = dependency()
      const exits = yield* everywhere((index) =>
        Effect.andThen(turns, withBreaker(call(index % 20 === 0 ? Effect.fail("down") : Effect.succeed("42")), key))
          .pipe(
            Effect.exit
          )
      )
      assert.strictEqual(seen.most, permits)
      assert.isAbove(seen.calls, permits)
      assert.strictEqual(exits.filter(isRejected).length, fibers - seen.calls)
      const after = yield* state
      assert.strictEqual(after.phase, "HalfOpen")
      assert.strictEqual(after.probes, 0)
      const probes = yield* Effect.replicateEffect(hold(), permits)
      assert.strictEqual((yield* state).probes, permits)
      yield* Effect.forEach(probes, (probe) => probe.interrupt)
    }).pipe(onTrial, seeded))

  it.effect("leaks no permit to calls interrupted at random", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const { call, seen } = dependency()
      yield* everywhere(() =>
        Effect.gen(function*() {
          yield* turns
          const fiber = yield* Effect.forkChild(withBreaker(call(Effect.succeed("42")), key), {
            startImmediately: true
          })
          yield* turns
          yield* Fiber.interrupt(fiber)
        })
      )
      assert.isAtMost(seen.most, permits)
      const after = yield* state
      assert.strictEqual(after.phase, "HalfOpen")
      assert.strictEqual(after.probes, 0)
      yield* Effect.replicateEffect(hold(), permits)
      assert.strictEqual((yield* state).probes, permits)
    }).pipe(onTrial, seeded))

  it.effect("closes once and opens once, whoever answers at the same time", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* readyToProbe
      const probes = yield* Effect.replicateEffect(hold(), 10)
      yield* Effect.forEach(probes, (probe) => probe.succeed, { concurrency: "unbounded" })
      yield* failing
      yield* TestClock.adjust("30 seconds")
      const failedProbes = yield* Effect.replicateEffect(hold(), 10)
      yield* Effect.forEach(failedProbes, (probe) => probe.fail, { concurrency: "unbounded" })
      assert.deepStrictEqual(transitionsOf(yield* events), [
        "Closed → Open: Tripped",
        "Open → HalfOpen: OpenElapsed",
        "HalfOpen → Closed: ProbesSucceeded",
        "Closed → Open: Tripped",
        "Open → HalfOpen: OpenElapsed",
        "HalfOpen → Open: ProbeFailed"
      ])
    }).pipe(under({ tripRule: TripRule.consecutive(1), openDuration: "30 seconds", halfOpen: { permits: 10 } })))
})

describe("many keys", () => {
  it.effect("keep their counts apart, also where all are used for the first time at once", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* everywhere((index) => withBreaker(turns, `key-${index % 100}`))
      const states = yield* breaker.list
      assert.strictEqual(states.length, 100)
      assert.deepStrictEqual([...new Set(states.map((state) => state.counts.succeeded))], [100])
    }).pipe(under(), seeded))

  it.effect("of which one is open leave the others alone", () =>
    Effect.gen(function*() {
      yield* failures(5)
      assert.strictEqual(yield* phase, "Open")
      const answers: ReadonlyArray<string | CircuitOpen> = yield* everywhere((index) =>
        withBreaker(Effect.succeed("42"), `key-${index % 100}`)
      )
      assert.deepStrictEqual([...new Set(answers)], ["42"])
    }).pipe(under()))
})
