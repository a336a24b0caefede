/** A guarded call interrupted at every point at which it can be: nothing leaks and nothing is half done. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, type CircuitState, Outcome, type Policy, TripRule, withBreaker } from "@reclose/core"
import { Context, Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import { interruptedAt, type Moment, type Step } from "./scheduling.ts"
import { failing, key, settled, state, succeeding, under } from "./support.ts"

/** More than any of the calls below takes. That none gets there is checked, too. */
const mostPoints = 200

/** A service, so that a classifier can need one. */
class Severity extends Context.Service<Severity, { readonly ofFailure: Outcome.Outcome }>()("test/Severity") {}

/** Some steps of a call or of a classifier, with a turn for others between them. */
const steps = (step: Step) => Effect.replicateEffect(Effect.andThen(Effect.sync(step), Effect.yieldNow), 3)

/** The ways to guard a call. */
const guards = {
  "by key": () => withBreaker(key),
  "with a classifier": (step: Step) =>
    withBreaker<string, string>({
      key,
      classify: (exit) => {
        step()
        return Outcome.fromExit(exit)
      }
    }),
  "with an effectful classifier": (step: Step) =>
    withBreaker<string, string, Severity>({
      key,
      classify: (exit) =>
        Effect.gen(function*() {
          yield* steps(step)
          return Exit.isSuccess(exit) ? Outcome.success : (yield* Severity).ofFailure
        })
    })
}

/** What the circuit of a call has come to before it, and what must hold after it, however far the call got. */
interface Situation {
  readonly policy: Policy.Policy
  readonly before: Effect.Effect<unknown, unknown, CircuitBreaker>
  readonly after: (state: CircuitState) => Effect.Effect<void, unknown, CircuitBreaker>
}

const opensAndProbes = Effect.gen(function*() {
  yield* failing
  assert.strictEqual((yield* state).phase, "Open")
  yield* TestClock.adjust("30 seconds")
  assert.strictEqual(yield* succeeding, "42")
  assert.strictEqual((yield* state).phase, "Closed")
})

const counted = ({ counts }: CircuitState): number => counts.succeeded + counts.failed

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const situations: Record<string, Situation> = {
  "closed": {
    policy: { ...first, tripRule: TripRule.failureRate({ window: 10, minimumCalls: 10 }) },
    before: succeeding,
    after: (state) =>
      Effect.sync(() => {
        assert.strictEqual(state.phase, "Closed")
        assert.include(state.readings[0], { calls: counted(state), hits: state.counts.failed })
      })
  },
  "closed, its calls in flight noted": {
    policy: { ...first, tripRule: TripRule.inFlightAge({ olderThan: "1 second", calls: 2 }) },
    before: succeeding,
    after: () =>
      Effect.gen(function*() {
        yield* TestClock.adjust("1 minute")
        assert.include((yield* state).readings[0], { calls: 0 })
      })
  },
  "closed, its calls timed": {
    policy: { ...first, tripRule: TripRule.slowCallRate({ slowerThan: "1 second", window: "1 minute" }) },
    before: succeeding,
    after: (state) => Effect.sync(() => assert.include(state.readings[0], { calls: counted(state), hits: 0 }))
  },
  "used for the first time": {
    policy: { ...first, tripRule: TripRule.consecutive(5) },
    before: Effect.void,
    after: (state) =>
      Effect.sync(() => {
        assert.strictEqual(state.phase, "Closed")
        const failures = state.counts.failed
        assert.deepStrictEqual(state.readings, [{ _tag: "Consecutive", failures, threshold: 5 }])
      })
  },
  "warming up": {
    policy: { ...first, warmUp: "1 minute" },
    before: succeeding,
    after: (state) =>
      Effect.gen(function*() {
        assert.strictEqual(state.phase, "Closed")
        yield* TestClock.adjust("1 minute")
        yield* opensAndProbes
      })
  },
  "about to probe": {
    policy: first,
    before: Effect.andThen(failing, TestClock.adjust("30 seconds")),
    after: (after) =>
      Effect.gen(function*() {
        assert.strictEqual(after.probes, 0)
        if (after.phase === "Closed") return yield* opensAndProbes
        if (after.consecutiveOpenings === 2) yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* succeeding, "42")
        assert.strictEqual((yield* state).phase, "Closed")
      })
  },
  "on trial with two probes": {
    policy: { ...first, halfOpen: { permits: 2, successThreshold: 2, failureThreshold: 2 } },
    before: failing.pipe(Effect.andThen(TestClock.adjust("30 seconds")), Effect.andThen(succeeding)),
    after: (after) =>
      Effect.gen(function*() {
        assert.strictEqual(after.probes, 0)
        if (after.phase === "Closed") return
        assert.strictEqual(after.phase, "HalfOpen")
        yield* succeeding
        assert.strictEqual((yield* state).phase, "Closed")
      })
  },
  "forced closed": {
    policy: first,
    before: CircuitBreaker.use((breaker) => breaker.forceClosed(key)),
    after: () => CircuitBreaker.use((breaker) => Effect.andThen(breaker.reset(key), opensAndProbes))
  }
}

const ends = { succeeds: Exit.succeed("42"), fails: Exit.fail("down"), dies: Exit.die("broken") }

/** Interrupts one call at each of its points in turn, every time in a breaker of its own. Answers how many there are. */
const everywhere = Effect.fnUntraced(function*<E, R>(
  situation: Situation,
  call: (step: Step) => Effect.Effect<string, E, R>,
  moment: Moment
) {
  for (let point = 0; point < mostPoints; point++) {
    const tooLate = yield* Effect.gen(function*() {
      yield* situation.before
      const before = counted(yield* state)
      const { exit, tooLate } = yield* interruptedAt(call, moment, point)
      if (exit === undefined) return assert.fail(`the call hangs when it is interrupted at point ${point}`)
      if (!tooLate && moment === "running") assert.isTrue(Exit.hasInterrupts(exit), `point ${point}`)
      yield* settled // a probe that was asked for on its behalf is given back
      const after = yield* state
      assert.isAtMost(counted(after) - before, 1, "a call counts once at most")
      yield* situation.after(after)
      return tooLate
    }).pipe(under(situation.policy))
    if (tooLate) return point
  }
  return assert.fail("the call has more points than it can have")
})

describe.each(Object.entries(situations))("a call interrupted at any point, its circuit %s,", (_, situation) => {
  for (const [guarded, guard] of Object.entries(guards)) {
    for (const [how, end] of Object.entries(ends)) {
      it.effect(`guarded ${guarded}, that ${how}`, () =>
        Effect.gen(function*() {
          const call = (step: Step): Effect.Effect<string, unknown, CircuitBreaker | Severity> =>
            Effect.andThen(steps(step), end).pipe(guard(step))
          assert.isAtLeast(yield* everywhere(situation, call, "running"), 3)
          assert.isAtLeast(yield* everywhere(situation, call, "waiting"), 5)
        }).pipe(Effect.provideService(Severity, { ofFailure: Outcome.failure() })))
    }
  }
})
