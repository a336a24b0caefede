/**
 * What one finished call says about the health of its dependency.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import { readDuration } from "./PolicyError.ts"

/**
 * What one finished call says about the health of its dependency.
 *
 * **Details**
 *
 * - `Success` counts for the dependency.
 * - `Failure` counts against it. `retryAfter` is the dependency's own wish for how long it be left alone: when this
 *   failure opens the circuit, it stays open at least that long, up to `maxOpenDuration`. One that `isSoft` counts in every
 *   window and fails a probe, but is no failure in a row: it neither lengthens a streak nor ends it.
 * - `Ignored` says nothing, as a validation error or an interruption does. It frees the call's permit and counts
 *   nowhere.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = Success | Failure | Ignored

/**
 * The call counts for the dependency.
 *
 * @category models
 * @since 0.1.0
 */
export interface Success {
  readonly _tag: "Success"
}

/**
 * The call counts against the dependency.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  readonly _tag: "Failure"
  readonly retryAfter: Duration.Duration | undefined
  readonly isSoft: boolean
}

/**
 * The call says nothing about the dependency.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ignored {
  readonly _tag: "Ignored"
}

/**
 * The outcome of a call that shows a healthy dependency.
 *
 * @category constructors
 * @since 0.1.0
 */
export const success: Outcome = { _tag: "Success" }

/**
 * The outcome of a call that says nothing about the dependency.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ignored: Outcome = { _tag: "Ignored" }

const plainFailure: Outcome = { _tag: "Failure", retryAfter: undefined, isSoft: false }

/**
 * The outcome of a call that shows a sick dependency, with an optional wish for how long to leave it alone.
 *
 * **Details**
 *
 * A `soft` failure is one that a healthy dependency gives under load, such as a 429: enough of them should open a circuit
 * that reads a rate, a few in a row should not open one that counts a streak.
 *
 * **Example** (Honouring a dependency's own wish)
 *
 * ```ts
 * import { Outcome } from "@reclose/core"
 *
 * Outcome.failure()._tag // => "Failure"
 * Outcome.failure({ retryAfter: "2 minutes" })._tag // => "Failure"
 * ```
 *
 * **Example** (Too many requests)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore, Outcome, TripRule, withBreaker } from "@reclose/core"
 * import { Effect, Layer } from "effect"
 *
 * const call = Effect.fail("429").pipe(
 *   withBreaker({ key: "quotes", classify: () => Outcome.failure({ soft: true }) }),
 *   Effect.flip
 * )
 *
 * const Breakers = CircuitBreaker.layer({ tripRule: TripRule.consecutive(1) }).pipe(
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * await Effect.runPromise(Effect.provide(Effect.all([call, call]), Breakers)) // => ["429", "429"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const failure = (options?: {
  readonly retryAfter?: Duration.Input | undefined
  readonly soft?: boolean | undefined
}): Outcome =>
  options?.retryAfter === undefined && options?.soft !== true ? plainFailure : {
    _tag: "Failure",
    retryAfter: options.retryAfter === undefined ? undefined : readDuration("retryAfter", options.retryAfter),
    isSoft: options.soft === true
  }

/**
 * Returns whether a value is an outcome, for code that gets one from where types don't reach.
 *
 * **Example** (A classifier with a hole)
 *
 * ```ts
 * import { Outcome } from "@reclose/core"
 *
 * Outcome.isOutcome(Outcome.failure({ retryAfter: "2 minutes" })) // => true
 * Outcome.isOutcome(undefined) // => false
 * Outcome.isOutcome({ _tag: "Failure", retryAfter: "2 minutes" }) // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isOutcome = (value: unknown): value is Outcome => {
  if (value === success || value === ignored || value === plainFailure) return true
  // An exit has the tags of an outcome, and none of its fields.
  if (typeof value !== "object" || value === null || !("_tag" in value) || Exit.isExit(value)) return false
  if (value._tag !== "Failure") return value._tag === "Success" || value._tag === "Ignored"
  const isSoft = "isSoft" in value ? value.isSoft : undefined
  const retryAfter = "retryAfter" in value ? value.retryAfter : undefined
  return (isSoft === undefined || typeof isSoft === "boolean") &&
    (retryAfter === undefined || Duration.isDuration(retryAfter))
}

/**
 * The default classifier: a success is a `Success`, an interruption alone is `Ignored`, and every other exit, a typed
 * failure as well as a defect, is a `Failure`.
 *
 * **Example** (The default reading of an exit)
 *
 * ```ts
 * import { Outcome } from "@reclose/core"
 * import { Exit } from "effect"
 *
 * Outcome.fromExit(Exit.succeed(1))._tag // => "Success"
 * Outcome.fromExit(Exit.fail("down"))._tag // => "Failure"
 * Outcome.fromExit(Exit.interrupt())._tag // => "Ignored"
 * ```
 *
 * @category classifiers
 * @since 0.1.0
 */
export const fromExit = (exit: Exit.Exit<unknown, unknown>): Outcome =>
  exit._tag === "Success" ? success : Cause.hasInterruptsOnly(exit.cause) ? ignored : plainFailure

/**
 * Creates a classifier from predicates: which errors to ignore or to count as successes, which results as failures.
 *
 * **Details**
 *
 * - `succeedOnError`: a typed error for which it holds is a `Success`, since the dependency answered as it should; it is
 *   asked before `ignoreError`. opossum, cockatiel, Polly and resilience4j treat an error that they don't handle so.
 * - `ignoreError`: a typed error for which it holds is `Ignored`; every other error is a `Failure`.
 * - `ignoreResult`: a result for which it holds is `Ignored`, as an HTTP status in the four hundreds may be.
 * - `failOnResult`: a result for which it holds is a `Failure` although the call succeeded; it is asked first.
 * - Defects are `Failure` and interruption alone is `Ignored`, as in `fromExit`.
 *
 * **Gotchas**
 *
 * An ignored error in a half-open circuit frees the probe's permit and decides nothing: while a dependency answers
 * nothing but such errors, the circuit stays half-open. Where an expected error, such as "not found", proves that the
 * dependency is healthy, use `succeedOnError`.
 *
 * **Example** (A missing row is no outage, a degraded answer is)
 *
 * ```ts
 * import { Outcome } from "@reclose/core"
 * import { Exit } from "effect"
 *
 * const classify = Outcome.classifier({
 *   ignoreError: (error: "NotFound" | "Unavailable") => error === "NotFound",
 *   failOnResult: (answer: { readonly degraded: boolean }) => answer.degraded
 * })
 *
 * classify(Exit.fail("NotFound"))._tag // => "Ignored"
 * classify(Exit.fail("Unavailable"))._tag // => "Failure"
 * classify(Exit.succeed({ degraded: true }))._tag // => "Failure"
 * ```
 *
 * **Example** (An answer that proves health)
 *
 * ```ts
 * import { Outcome } from "@reclose/core"
 * import { Exit } from "effect"
 *
 * const classify = Outcome.classifier({ succeedOnError: (error: "NotFound" | "Unavailable") => error === "NotFound" })
 *
 * classify(Exit.fail("NotFound"))._tag // => "Success"
 * classify(Exit.fail("Unavailable"))._tag // => "Failure"
 * ```
 *
 * @category classifiers
 * @since 0.1.0
 */
export const classifier = <A, E>(options: {
  readonly succeedOnError?: ((error: E) => boolean) | undefined
  readonly ignoreError?: ((error: E) => boolean) | undefined
  readonly ignoreResult?: ((result: A) => boolean) | undefined
  readonly failOnResult?: ((result: A) => boolean) | undefined
}): (exit: Exit.Exit<A, E>) => Outcome =>
(exit) => {
  if (exit._tag === "Success") {
    if (options.failOnResult?.(exit.value) === true) return plainFailure
    return options.ignoreResult?.(exit.value) === true ? ignored : success
  }
  if (holdsForAll(exit.cause, options.succeedOnError)) return success
  return holdsForAll(exit.cause, options.ignoreError) ? ignored : fromExit(exit)
}

/** Whether a predicate holds for every typed error of a cause that has some and no defect. */
const holdsForAll = <E>(cause: Cause.Cause<E>, predicate: ((error: E) => boolean) | undefined): boolean => {
  if (predicate === undefined || cause.reasons.some(Cause.isDieReason)) return false
  const failed = cause.reasons.filter(Cause.isFailReason)
  return failed.length > 0 && failed.every(({ error }) => predicate(error) === true)
}
