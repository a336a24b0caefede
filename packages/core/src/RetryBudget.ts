/**
 * Retry budgets: retries that never exceed a stated share of a dependency's traffic.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type { BudgetPolicy } from "./BudgetPolicy.ts"
import { CircuitOpen } from "./CircuitOpen.ts"
import { readBudget } from "./internal/BudgetReader.ts"
import { BudgetTable } from "./internal/BudgetTable.ts"
import { failuresOf, keepFailure } from "./internal/Failures.ts"
import { isKey, keyError } from "./internal/Key.ts"
import { CircuitTime } from "./machine/CircuitTime.ts"
import { KeyBudget } from "./machine/KeyBudget.ts"
import { type PolicyError, readDuration } from "./PolicyError.ts"

/**
 * The budget of one key as it stands.
 *
 * @category models
 * @since 0.1.0
 */
export interface BudgetState {
  readonly key: string
  /** How many retries it would allow right now. */
  readonly balance: number
  /** How many calls it remembers, those of the last `window`. */
  readonly calls: number
  /** How many retries it remembers, those of the last `window`. */
  readonly retries: number
  /** How many calls ended without a retry because nothing was left, since the key came into use. */
  readonly refused: number
}

/**
 * How a call is retried.
 *
 * @category models
 * @since 0.1.0
 */
export interface RetryOptions<in E, out R = never> {
  /** Whose budget it is: 1 to 512 characters, none of them a control character. As a rule, the key of the circuit. */
  readonly key: string
  /**
   * How long to wait before each retry, and when to give up. It is asked with the error. One that never ends retries for
   * as long as the budget lasts, so end it with `times` or `Schedule.upTo`.
   */
  readonly schedule: Schedule.Schedule<unknown, E, never, R>
  /** How many retries there are at most. Default: as many as the schedule says. */
  readonly times?: number | undefined
  /** Which errors are worth a retry. It is not asked about `CircuitOpen`. Default: all. */
  readonly while?: ((error: E) => boolean) | undefined
  /**
   * How long a call that its circuit rejected may wait for the circuit, once, instead of failing: it is tried again after
   * the rejection's `retryAfter`, unless that is longer. Default: it fails at once.
   */
  readonly waitForCircuit?: Duration.Input | undefined
}

/**
 * The pipeable and data-first forms of retrying a call, with `Needs` among what the call requires.
 *
 * @category models
 * @since 0.1.0
 */
export interface WithRetryBudget<Needs> {
  // The call's own types pass through: a predicate may know less of them than the call does.
  <E, R2 = never>(
    options: RetryOptions<E, R2>
  ): <A, E1 extends E | CircuitOpen, R>(call: Effect.Effect<A, E1, R>) => Effect.Effect<A, E1, R | R2 | Needs>
  <A, E, R, R2 = never>(
    call: Effect.Effect<A, E, R>,
    options: RetryOptions<Exclude<E, CircuitOpen>, R2>
  ): Effect.Effect<A, E, R | R2 | Needs>
}

/**
 * A retry budget: leave for retries by key, under one policy.
 *
 * **Details**
 *
 * `withRetryBudget` does all of it for an effect. Who retries by other means deposits once for each call, however often
 * it is tried; asks `mayWithdraw` before waiting for a retry; and withdraws right before making it.
 *
 * A key that can't be one is a defect with a `PolicyError`, as for a circuit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Budget {
  /** Counts a call. Its retries are none. */
  readonly deposit: (key: string) => Effect.Effect<void>
  /** Whether a retry would be allowed right now. It takes nothing; a no counts as a refused retry. */
  readonly mayWithdraw: (key: string) => Effect.Effect<boolean>
  /** Takes leave for one retry that is made right now. A no counts as a refused retry. */
  readonly withdraw: (key: string) => Effect.Effect<boolean>
  /** The budget of a key as it stands; looking takes no place in the table. */
  readonly state: (key: string) => Effect.Effect<BudgetState>
  /** The budgets of all keys that are held, in no order. */
  readonly list: Effect.Effect<ReadonlyArray<BudgetState>>
  /** Retries a call on this budget, for programs that hold several. The module's `withRetryBudget` takes the service. */
  readonly withRetryBudget: WithRetryBudget<never>
}

const make = Effect.fnUntraced(function*(policy: BudgetPolicy = {}): Effect.fn.Return<Budget, PolicyError> {
  const table = new BudgetTable(yield* readBudget(policy))
  const clock = yield* Clock.Clock
  const time = new CircuitTime()
  const now = () => time.at(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)

  /** Asks the budget of a key, which is undefined where the table has no room for it. */
  const ask = <A>(key: string, question: (budget: KeyBudget | undefined, now: number) => A): Effect.Effect<A> =>
    Effect.suspend(() => {
      const at = now()
      const held = table.get(key)
      if (held !== undefined) return Effect.succeed(question(held, at))
      return isKey(key) ? Effect.succeed(question(table.add(key, at), at)) : Effect.die(keyError(key))
    })

  const stateOf = (key: string, budget: KeyBudget, at: number): BudgetState => ({
    key,
    balance: budget.balance(at),
    calls: budget.calls(at),
    retries: budget.retries(at),
    refused: budget.refused
  })

  const budget: Budget = {
    deposit: (key) => ask(key, (budget, at) => budget?.deposit(at)),
    mayWithdraw: (key) => ask(key, (budget, at) => budget?.mayWithdraw(at) === true),
    withdraw: (key) => ask(key, (budget, at) => budget?.withdraw(at) === true),
    state: (key) => Effect.sync(() => stateOf(key, table.get(key) ?? new KeyBudget(table.policy), now())),
    list: Effect.sync(() => {
      const at = now()
      return Array.from(table.entries(), ([key, budget]) => stateOf(key, budget, at))
    }),
    withRetryBudget: makeWithRetryBudget((retry) => retry(budget))
  }
  return budget
})

/**
 * The retry budget service: what `withRetryBudget` asks for leave.
 *
 * **Details**
 *
 * Every call deposits, every retry withdraws, and both expire after `window`; that is Finagle's algorithm. A retry is
 * made only if the retries of the `window` that ends with it, itself included, are at most `ratio` times the calls of
 * that same window, plus `minimumPerSecond` for each second of it. So an outage adds a fifth to a dependency's load by
 * default, however many callers retry how often.
 *
 * It costs a map lookup for each call, about a kilobyte for each key, no timer and no fiber, and its time is monotonic.
 * Windows move on by a tenth of their length, each time to the safe side: in steady traffic, up to a fifth of what
 * `ratio` stands for may go unused.
 *
 * A budget keeps the clock that it was built with: build its layer under `TestClock` to move its time in a test. It
 * lives in one process: many processes may each retry their share of what they send.
 *
 * @category services
 * @since 0.1.0
 */
export class RetryBudget extends Context.Service<RetryBudget, Budget>()("@reclose/core/RetryBudget") {
  /**
   * Makes a retry budget, for programs that hold several; most want `layer`.
   *
   * **Example** (Asking for leave by hand)
   *
   * ```ts
   * import { RetryBudget } from "@reclose/core"
   * import { Effect } from "effect"
   *
   * const program = Effect.gen(function*() {
   *   const budget = yield* RetryBudget.make({ ratio: 0.5, minimumPerSecond: 0 })
   *   yield* budget.deposit("quotes")
   *   yield* budget.deposit("quotes")
   *   return [yield* budget.withdraw("quotes"), yield* budget.withdraw("quotes")]
   * })
   *
   * await Effect.runPromise(program) // => [true, false]
   * ```
   *
   * @since 0.1.0
   */
  static readonly make: (policy?: BudgetPolicy) => Effect.Effect<Budget, PolicyError> = make

  /**
   * Provides a retry budget with a policy; every field of it has a default.
   *
   * **Details**
   *
   * Fails with a `PolicyError` that names every mistake of the policy.
   *
   * @since 0.1.0
   */
  static readonly layer = (policy?: BudgetPolicy): Layer.Layer<RetryBudget, PolicyError> =>
    Layer.effect(this, make(policy))
}

/** A call that is tried again for as long as everybody agrees. */
const retrying = <A, E, R, R2>(
  budget: Budget,
  call: Effect.Effect<A, E, R>,
  options: RetryOptions<Exclude<E, CircuitOpen>, R2>
): Effect.Effect<A, E, R | R2> =>
  Effect.andThen(
    budget.deposit(options.key),
    // Made when there is something to retry: a call that succeeds pays for none of it.
    Effect.catchCause(call, (cause) => makeRecover(budget, call, options)(cause))
  )

/** What follows each failure of one call: a retry, or the failure. */
const makeRecover = <A, E, R, R2>(
  budget: Budget,
  call: Effect.Effect<A, E, R>,
  { key, schedule, times = Infinity, waitForCircuit, while: isWorthIt }: RetryOptions<Exclude<E, CircuitOpen>, R2>
): (cause: Cause.Cause<E>) => Effect.Effect<A, E, R | R2> => {
  let circuitWait = waitForCircuit === undefined ? undefined : readDuration("waitForCircuit", waitForCircuit)
  let step: ((error: Exclude<E, CircuitOpen>) => Pull.Pull<Schedule.Metadata, never, unknown, R2>) | undefined
  let metadata = Schedule.CurrentMetadata.defaultValue()
  let retries = 0

  /** Waits until a retry is due, and answers whether there is to be one; undefined where that is clear already. */
  const wait = (error: E): Effect.Effect<boolean, never, R2> | undefined => {
    if (error instanceof CircuitOpen) {
      const longest = circuitWait
      circuitWait = undefined
      if (longest === undefined || Duration.isGreaterThan(error.retryAfter, longest)) return undefined
      return Effect.as(Effect.sleep(error.retryAfter), true)
    }
    // What is no `CircuitOpen` is one of the others; `instanceof` doesn't tell TypeScript so for a type parameter.
    const own = error as Exclude<E, CircuitOpen>
    if (isWorthIt !== undefined && isWorthIt(own) !== true) return undefined
    return Effect.gen(function*() {
      step ??= yield* Schedule.toStepWithMetadata(schedule)
      metadata = yield* step(own)
      return true
    }).pipe((due) => Pull.catchDone(due, () => Effect.succeed(false)))
  }

  const again = Effect.fnUntraced(function*(error: E) {
    const due = wait(error)
    // Asked before the wait, since a call that will not be retried has no reason to wait; taken after it, so that one
    // that is interrupted takes nothing, and a retry counts when the dependency sees it.
    if (due === undefined || !(yield* budget.mayWithdraw(key)) || !(yield* due)) return false
    retries++
    return yield* budget.withdraw(key)
  })

  const recover = (cause: Cause.Cause<E>): Effect.Effect<A, E, R | R2> => {
    const [failed] = retries < times ? failuresOf(cause) : []
    return failed === undefined
      ? Effect.failCause(cause)
      : Effect.flatMap(
        keepFailure(again(failed.error), cause),
        (again) => again ? retry : Effect.failCause(cause)
      )
  }

  const retry = Effect.catchCause(
    Effect.suspend(() => Effect.provideService(call, Schedule.CurrentMetadata, metadata)),
    recover
  )
  return recover
}

const makeWithRetryBudget = <Needs>(
  use: <A, E, R>(retry: (budget: Budget) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | Needs>
): WithRetryBudget<Needs> =>
  dual(
    2,
    <A, E, R, R2>(call: Effect.Effect<A, E, R>, options: RetryOptions<Exclude<E, CircuitOpen>, R2>) =>
      use((budget) => retrying(budget, call, options))
  )

/**
 * Retries a call by a schedule, for as long as the budget of its key has something left.
 *
 * **Details**
 *
 * - Adds nothing to the call's errors: a call that is not retried any more fails with its own last error, whether the
 *   schedule ended, `times` was reached, or the budget was used up. `refused` in the budget's `state` counts the last.
 * - A retry is withdrawn when it is made. A call that is interrupted while it waits for its retry has taken nothing; one
 *   for which nothing is left fails at once and doesn't wait.
 * - Only typed errors are retried, no defect and nothing that was interrupted.
 * - A `CircuitOpen` is not retried, since the same circuit would answer it again; `waitForCircuit` waits for it once.
 * - Attempts see `Schedule.CurrentMetadata`, as under `Effect.retry`.
 *
 * **Gotchas**
 *
 * Outside a breaker, each attempt is a call of its own for the circuit. Inside, all attempts are one: put it inside
 * where a call that succeeds at the second attempt says that the dependency is well.
 *
 * **Example** (Retries for a fifth of the calls)
 *
 * ```ts
 * import { RetryBudget, withRetryBudget } from "@reclose/core"
 * import { Effect, Schedule } from "effect"
 *
 * let attempts = 0
 * const call = Effect.suspend(() => {
 *   attempts++
 *   return Effect.fail("down")
 * })
 *
 * const retried = call.pipe(
 *   withRetryBudget({ key: "quotes", schedule: Schedule.spaced("1 millis"), times: 2 }),
 *   Effect.exit
 * )
 *
 * const Budget = RetryBudget.layer({ ratio: 0.2, minimumPerSecond: 0 })
 *
 * // A hundred calls that each want two retries more: not three hundred attempts, but a hundred and twenty.
 * await Effect.runPromise(Effect.provide(Effect.replicateEffect(retried, 100), Budget))
 *
 * attempts // => 120
 * ```
 *
 * @category retrying
 * @since 0.1.0
 */
export const withRetryBudget: WithRetryBudget<RetryBudget> = makeWithRetryBudget((retry) => RetryBudget.use(retry))
