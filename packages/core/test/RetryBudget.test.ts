/** Retries of effects under a budget: how many there are, what ends them, and what a call that gives up takes along. */
import { assert, describe, it } from "@effect/vitest"
import {
  type BudgetPolicy,
  CircuitBreaker,
  CircuitOpen,
  CircuitStore,
  PolicyError,
  RetryBudget,
  TripRule,
  withBreaker,
  withRetryBudget
} from "@reclose/core"
import { Cause, Clock, Deferred, Duration, Effect, Exit, Fiber, Layer, Ref, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { SteppedClock } from "./SteppedClock.ts"
import { reasonsOf, settled } from "./support.ts"

const key = "quotes"

const under = (policy?: BudgetPolicy.BudgetPolicy) => Effect.provide(RetryBudget.layer(policy))

const state = RetryBudget.use((budget) => budget.state(key))

/** A call that fails with the number of its attempt, until the attempt that succeeds. */
const counting = (succeedsAt = Infinity) => {
  const counter = { attempts: 0 }
  const call = Effect.suspend(() => {
    counter.attempts++
    return counter.attempts >= succeedsAt ? Effect.succeed("42") : Effect.fail(counter.attempts)
  })
  return { call, counter }
}

const atOnce = Schedule.forever

/** Runs an effect on a clock that is moved on for long enough. */
const running = <A, E, R>(effect: Effect.Effect<A, E, R>, duration: Duration.Input = "1 hour") =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* TestClock.adjust(duration)
    return yield* Fiber.await(fiber)
  })

describe("a call under a budget", () => {
  it.effect("is made once where it succeeds, and deposits once", () =>
    Effect.gen(function*() {
      const { call, counter } = counting(1)
      assert.strictEqual(yield* withRetryBudget(call, { key, schedule: atOnce }), "42")
      assert.strictEqual(counter.attempts, 1)
      assert.deepStrictEqual(yield* state, { key, balance: 100, calls: 1, retries: 0, refused: 0 })
    }).pipe(under()))

  it.effect("is retried until it succeeds; each retry withdraws and none deposits", () =>
    Effect.gen(function*() {
      const { call, counter } = counting(4)
      assert.strictEqual(yield* call.pipe(withRetryBudget({ key, schedule: atOnce })), "42")
      assert.strictEqual(counter.attempts, 4)
      assert.deepStrictEqual(yield* state, { key, balance: 97, calls: 1, retries: 3, refused: 0 })
    }).pipe(under()))

  it.effect("fails with its own last error once nothing is left, which the budget counts", () =>
    Effect.gen(function*() {
      const { call } = counting()
      assert.strictEqual(yield* Effect.flip(withRetryBudget(call, { key, schedule: atOnce })), 4)
      assert.deepStrictEqual(yield* state, { key, balance: 0, calls: 1, retries: 3, refused: 1 })
    }).pipe(under({ minimumPerSecond: 3, window: "1 second" })))

  it.effect("fails with its own last error after `times` retries, which is no refusal", () =>
    Effect.gen(function*() {
      const { call } = counting()
      assert.strictEqual(yield* Effect.flip(withRetryBudget(call, { key, schedule: atOnce, times: 2 })), 3)
      assert.strictEqual((yield* state).refused, 0)
    }).pipe(under()))

  it.effect("is made once with `times` at 0", () =>
    Effect.gen(function*() {
      const { call } = counting()
      assert.strictEqual(yield* Effect.flip(withRetryBudget(call, { key, schedule: atOnce, times: 0 })), 1)
    }).pipe(under()))

  it.effect("fails with its own last error when the schedule ends", () =>
    Effect.gen(function*() {
      const { call } = counting()
      assert.strictEqual(yield* Effect.flip(withRetryBudget(call, { key, schedule: Schedule.recurs(2) })), 3)
      assert.include(yield* state, { retries: 2, refused: 0 })
    }).pipe(under()))

  it.effect("keeps the annotations of its last failure", () =>
    Effect.gen(function*() {
      const cause = Cause.combine(Cause.fail("one"), Cause.fail("two"))
      const exit = yield* Effect.exit(withRetryBudget(Effect.failCause(cause), { key, schedule: atOnce, times: 1 }))
      assert.deepStrictEqual(exit, Exit.failCause(cause))
    }).pipe(under()))

  it.effect("waits as long as the schedule says, which is asked with the error", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const times: Array<number> = []
      const { call } = counting(4)
      const clock = yield* Clock.Clock
      yield* running(withRetryBudget(
        Effect.tap(Effect.sync(() => times.push(clock.currentTimeMillisUnsafe())), () => call),
        {
          key,
          schedule: Schedule.exponential("1 second").pipe(
            Schedule.setInputType<number>(),
            Schedule.tap(({ input }) => Effect.sync(() => seen.push(input)))
          )
        }
      ))
      assert.deepStrictEqual(seen, [1, 2, 3])
      assert.deepStrictEqual(times, [0, 1_000, 3_000, 7_000])
    }).pipe(under()))

  it.effect("starts its schedule anew each time it is run", () =>
    Effect.gen(function*() {
      const { call, counter } = counting()
      const retried = withRetryBudget(call, { key, schedule: Schedule.recurs(2) })
      yield* Effect.flip(retried)
      yield* Effect.flip(retried)
      assert.strictEqual(counter.attempts, 6)
      assert.include(yield* state, { calls: 2, retries: 4 })
    }).pipe(under()))

  it.effect("is not retried for an error that is not worth it", () =>
    Effect.gen(function*() {
      const { call } = counting()
      const options = { key, schedule: atOnce, while: (attempt: number) => attempt < 3 }
      assert.strictEqual(yield* Effect.flip(withRetryBudget(call, options)), 3)
      assert.strictEqual((yield* state).refused, 0)
    }).pipe(under()))

  it.effect.each<[string, Effect.Effect<never, string>]>([
    ["a defect", Effect.die("broken")],
    ["an interruption", Effect.interrupt],
    ["an error beside a defect", Effect.failCause(Cause.combine(Cause.fail("down"), Cause.die("broken")))],
    ["an error beside an interruption", Effect.failCause(Cause.combine(Cause.fail("down"), Cause.interrupt(1)))]
  ])("is not retried for %s", ([, end]) =>
    Effect.gen(function*() {
      let attempts = 0
      const call = Effect.suspend(() => {
        attempts++
        return end
      })
      const exit = yield* Effect.exit(withRetryBudget(call, { key, schedule: atOnce }))
      assert.strictEqual(attempts, 1)
      assert.isTrue(Exit.isFailure(exit))
      assert.include(yield* state, { retries: 0, refused: 0 })
    }).pipe(under()))

  it.effect("sees the metadata of its schedule from its first retry on, as under Effect.retry", () =>
    Effect.gen(function*() {
      const attemptsUnder = (
        retry: (call: Effect.Effect<never, string>) => Effect.Effect<never, string, RetryBudget>
      ) =>
        Effect.gen(function*() {
          const seen: Array<readonly [number, unknown]> = []
          const call = Effect.flatMap(
            Schedule.CurrentMetadata,
            ({ attempt, input }) => Effect.andThen(Effect.sync(() => seen.push([attempt, input])), Effect.fail("down"))
          )
          yield* Effect.exit(retry(call))
          return seen
        })
      const schedule = Schedule.recurs(2)
      const ours = yield* attemptsUnder(withRetryBudget({ key, schedule }))
      assert.deepStrictEqual(ours, [[0, undefined], [1, "down"], [2, "down"]])
      assert.deepStrictEqual(ours, yield* attemptsUnder(Effect.retry(schedule)))
    }).pipe(under()))

  it.effect("with a key that can't be one is a defect with a PolicyError, and isn't made", () =>
    Effect.gen(function*() {
      const { call, counter } = counting(1)
      const exit = yield* Effect.exit(withRetryBudget(call, { key: "quotes\n", schedule: atOnce }))
      assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof PolicyError)
      assert.strictEqual(counter.attempts, 0)
    }).pipe(under()))
})

describe("a call that waits for its retry", () => {
  const options = { key, schedule: Schedule.spaced("10 seconds") }

  it.effect("has taken nothing yet, and takes nothing when it is interrupted", () =>
    Effect.gen(function*() {
      const { call, counter } = counting()
      const fiber = yield* Effect.forkChild(withRetryBudget(call, options), { startImmediately: true })
      yield* TestClock.adjust("9 seconds")
      assert.include(yield* state, { balance: 5, retries: 0 })
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(counter.attempts, 1)
      assert.include(yield* state, { balance: 5, retries: 0, refused: 0 })
    }).pipe(under({ minimumPerSecond: 5, window: "1 second" })))

  it.effect("is not retried if others took what was left meanwhile", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget
      const { call, counter } = counting()
      const fiber = yield* Effect.forkChild(withRetryBudget(call, options), { startImmediately: true })
      yield* TestClock.adjust("9500 millis")
      assert.isTrue(yield* budget.withdraw(key))
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.fail(1))
      assert.strictEqual(counter.attempts, 1)
      assert.include(yield* state, { retries: 1, refused: 1 })
    }).pipe(under({ minimumPerSecond: 1, window: "1 second" })))

  it.effect("doesn't, but fails at once, if nothing is left when it fails", () =>
    Effect.gen(function*() {
      const { call } = counting()
      assert.strictEqual(yield* Effect.flip(withRetryBudget(call, options)), 1)
      assert.strictEqual((yield* state).refused, 1)
    }).pipe(under({ ratio: 0, minimumPerSecond: 0 })))
})

describe("a call that its circuit rejects", () => {
  const Breakers = CircuitBreaker.layer({ tripRule: TripRule.consecutive(1), openDuration: "5 seconds" }).pipe(
    Layer.provide(CircuitStore.layerMemory)
  )
  const test = Effect.provide(Layer.merge(Breakers, RetryBudget.layer()))
  const tripped = Effect.flip(withBreaker(Effect.fail("down"), key))

  it.effect("is not retried", () =>
    Effect.gen(function*() {
      yield* tripped
      const { call, counter } = counting(1)
      const error = yield* call.pipe(withBreaker(key), withRetryBudget({ key, schedule: atOnce }), Effect.flip)
      assert.instanceOf(error, CircuitOpen)
      assert.strictEqual(counter.attempts, 0)
      assert.include(yield* state, { retries: 0, refused: 0 })
    }).pipe(test))

  it.effect("is not retried either by a retry that is rejected", () =>
    Effect.gen(function*() {
      const { call, counter } = counting()
      const error = yield* call.pipe(withBreaker(key), withRetryBudget({ key, schedule: atOnce }), Effect.flip)
      assert.instanceOf(error, CircuitOpen)
      assert.strictEqual(counter.attempts, 1)
    }).pipe(test))

  it.effect("waits for the circuit where it may, and is tried again then", () =>
    Effect.gen(function*() {
      yield* tripped
      const { call, counter } = counting(1)
      const retried = call.pipe(
        withBreaker(key),
        withRetryBudget({ key, schedule: atOnce, waitForCircuit: "5 seconds" })
      )
      const fiber = yield* Effect.forkChild(retried, { startImmediately: true })
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(counter.attempts, 0)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.succeed("42"))
      assert.include(yield* state, { calls: 1, retries: 1 })
    }).pipe(test))

  it.effect("doesn't wait for longer than it may", () =>
    Effect.gen(function*() {
      yield* tripped
      const error = yield* Effect.succeed("42").pipe(
        withBreaker(key),
        withRetryBudget({ key, schedule: atOnce, waitForCircuit: "4999 millis" }),
        Effect.flip
      )
      assert.instanceOf(error, CircuitOpen)
    }).pipe(test))

  it.effect("waits once, and not a second time", () =>
    Effect.gen(function*() {
      yield* tripped
      const clock = yield* Clock.Clock
      // Its probe fails, so its next attempt is rejected again, for another five seconds.
      const exit = yield* running(
        Effect.fail("down").pipe(
          withBreaker(key),
          withRetryBudget({ key, schedule: Schedule.spaced("1 second"), waitForCircuit: "1 minute" }),
          Effect.flip,
          Effect.map((error) => [error instanceof CircuitOpen, clock.currentTimeMillisUnsafe()])
        )
      )
      assert.deepStrictEqual(exit, Exit.succeed([true, 6_000]))
    }).pipe(test))

  it.effect("is not one that `while` or the schedule are asked about", () =>
    Effect.gen(function*() {
      yield* tripped
      const asked: Array<unknown> = []
      yield* running(
        Effect.succeed("42").pipe(
          withBreaker(key),
          withRetryBudget({
            key,
            schedule: atOnce.pipe(Schedule.tap(({ input }) => Effect.sync(() => asked.push(input)))),
            while: (error: unknown) => asked.push(error) > 0,
            waitForCircuit: "1 minute"
          })
        )
      )
      assert.deepStrictEqual(asked, [])
    }).pipe(test))
})

describe("a budget of many callers", () => {
  it.effect("is never overdrawn by a thousand calls at once", () =>
    Effect.gen(function*() {
      const attempts = yield* Ref.make(0)
      const gate = yield* Deferred.make<void>()
      const call = Ref.update(attempts, (n) => n + 1).pipe(
        Effect.andThen(Deferred.await(gate)),
        Effect.andThen(Effect.yieldNow),
        Effect.andThen(Effect.fail("down"))
      )
      const fibers = yield* Effect.replicateEffect(
        Effect.forkChild(withRetryBudget(call, { key, schedule: Schedule.spaced("1 second") }), {
          startImmediately: true
        }),
        1_000
      )
      yield* Deferred.succeed(gate, undefined)
      yield* settled
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 minute")
      assert.isTrue((yield* Fiber.awaitAll(fibers)).every((exit) => exit._tag === "Failure"))
      // A fifth of a thousand, and ten a second for ten seconds.
      assert.strictEqual(yield* Ref.get(attempts), 1_000 + 200 + 100)
      assert.strictEqual((yield* state).refused, 1_000)
    }).pipe(under()))

  it.effect("is one for each key", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget
      assert.isTrue(yield* budget.withdraw("a"))
      assert.isFalse(yield* budget.withdraw("a"))
      assert.isTrue(yield* budget.withdraw("b"))
      const all = [...(yield* budget.list)].sort((one, other) => one.key.localeCompare(other.key))
      assert.deepStrictEqual(all, [
        { key: "a", balance: 0, calls: 0, retries: 1, refused: 1 },
        { key: "b", balance: 0, calls: 0, retries: 1, refused: 0 }
      ])
    }).pipe(under({ minimumPerSecond: 1, window: "1 second" })))

  it.effect("is another one in each budget that a program holds", () =>
    Effect.gen(function*() {
      const policy: BudgetPolicy.BudgetPolicy = { minimumPerSecond: 1, window: "1 second" }
      const [one, other] = yield* Effect.all([RetryBudget.make(policy), RetryBudget.make(policy)])
      for (const budget of [one, other]) {
        const { call } = counting()
        assert.strictEqual(yield* call.pipe(budget.withRetryBudget({ key, schedule: atOnce }), Effect.flip), 2)
        assert.include(yield* budget.state(key), { calls: 1, retries: 1, refused: 1 })
      }
    }))

  it.effect("asks about a retry without taking one", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget
      assert.isTrue(yield* budget.mayWithdraw(key))
      assert.isTrue(yield* budget.mayWithdraw(key))
      assert.isTrue(yield* budget.withdraw(key))
      assert.isFalse(yield* budget.mayWithdraw(key))
      assert.include(yield* state, { balance: 0, retries: 1, refused: 1 })
    }).pipe(under({ minimumPerSecond: 1, window: "1 second" })))

  it.effect("goes on by its own time when the clock steps back", () =>
    Effect.gen(function*() {
      const clock = new SteppedClock()
      const budget = yield* Effect.provideService(
        RetryBudget.make({ minimumPerSecond: 1, window: "1 second" }),
        Clock.Clock,
        clock
      )
      assert.isTrue(yield* budget.withdraw(key))
      yield* clock.step({ back: "10 minutes" })
      assert.isFalse(yield* budget.withdraw(key))
      yield* clock.step("2 seconds")
      assert.isTrue(yield* budget.withdraw(key))
    }))
})

describe("the keys of a budget", () => {
  const use = (key: string) => RetryBudget.use((budget) => budget.deposit(key))
  const held = RetryBudget.use((budget) => Effect.map(budget.list, (all) => all.map((state) => state.key).sort()))

  it.effect("take no place by being looked at", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* state, { key, balance: 100, calls: 0, retries: 0, refused: 0 })
      assert.deepStrictEqual(yield* held, [])
    }).pipe(under()))

  it.effect("are forgotten after a window of silence, as others come", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(["a", "b"], use)
      yield* TestClock.adjust("9 seconds")
      yield* use("c")
      assert.deepStrictEqual(yield* held, ["a", "b", "c"])
      yield* TestClock.adjust("1 second")
      yield* use("d")
      assert.deepStrictEqual(yield* held, ["c", "d"])
    }).pipe(under()))

  it.effect("that are in use don't make room: calls of others run, without retries", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(["a", "b"], use)
      const { call, counter } = counting()
      assert.strictEqual(yield* Effect.flip(withRetryBudget(call, { key, schedule: atOnce })), 1)
      assert.strictEqual(counter.attempts, 1)
      assert.deepStrictEqual(yield* held, ["a", "b"])
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Effect.flip(withRetryBudget(call, { key, schedule: atOnce, times: 1 })), 3)
    }).pipe(under({ maxKeys: 2 })))

  it.effect("that find no room get no leave for a retry, asked for or asked about", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget
      yield* use("a")
      assert.isFalse(yield* budget.mayWithdraw(key))
      assert.isFalse(yield* budget.withdraw(key))
      assert.deepStrictEqual(yield* held, ["a"])
    }).pipe(under({ maxKeys: 1 })))

  it.effect("are forgotten two for each new one, so that a call never pays for all that are idle", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 10 }, (_, i) => `idle-${i}`), use)
      yield* TestClock.adjust("10 seconds")
      yield* use(key)
      assert.strictEqual((yield* held).length, 9)
    }).pipe(under()))

  it.effect("are found idle however many in use stand before them", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 100 }, (_, i) => `idle-${i}`), use)
      yield* TestClock.adjust("10 seconds")
      yield* Effect.forEach(Array.from({ length: 100 }, (_, i) => `idle-${i}`).slice(0, 90), use)
      yield* Effect.forEach(Array.from({ length: 20 }, (_, i) => `new-${i}`), use)
      assert.strictEqual((yield* held).filter((key) => key.startsWith("new")).length, 10)
    }).pipe(under({ maxKeys: 100 })))
})

describe("a predicate or a schedule that fails", () => {
  it.effect("leaves the call's own error typed where `while` throws", () =>
    Effect.gen(function*() {
      const call = withRetryBudget(Effect.fail("down"), {
        key,
        schedule: atOnce,
        while: () => {
          throw new Error("broken")
        }
      })
      assert.deepStrictEqual(reasonsOf(yield* Effect.exit(call)), ["Fail down", "Die Error: broken"])
    }).pipe(under()))

  it.effect("leaves the call's own error typed where the schedule dies", () =>
    Effect.gen(function*() {
      const schedule = Schedule.fromStep(
        Effect.succeed((): Effect.Effect<[number, Duration.Duration]> => Effect.die("broken"))
      )
      const call = withRetryBudget(Effect.fail("down"), { key, schedule })
      assert.deepStrictEqual(reasonsOf(yield* Effect.exit(call)), ["Fail down", "Die broken"])
    }).pipe(under()))

  it.effect("retries nothing where `while` returns nothing", () =>
    Effect.gen(function*() {
      const { call, counter } = counting()
      // As JavaScript may.
      const nothing = (): boolean => undefined as unknown as boolean
      assert.strictEqual(yield* Effect.flip(withRetryBudget(call, { key, schedule: atOnce, while: nothing })), 1)
      assert.strictEqual(counter.attempts, 1)
    }).pipe(under()))
})
