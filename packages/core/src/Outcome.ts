/**
 * What one finished call says about the health of its dependency.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import type * as Exit from "effect/Exit"

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
    retryAfter: options.retryAfter === undefined ? undefined : Duration.fromInputUnsafe(options.retryAfter),
    isSoft: options.soft === true
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
 * Builds a classifier from predicates: which errors to ignore, which results to count as failures.
 *
 * **Details**
 *
 * - `ignoreError`: a typed error for which it holds is `Ignored`; every other error is a `Failure`.
 * - `ignoreResult`: a result for which it holds is `Ignored`, as an HTTP status in the four hundreds may be.
 * - `failOnResult`: a result for which it holds is a `Failure` although the call succeeded; it is asked first.
 * - Defects are `Failure` and interruption alone is `Ignored`, as in `fromExit`.
 *
 * **Gotchas**
 *
 * An ignored error in a half-open circuit frees the probe's place and decides nothing. To let an expected error, such
 * as "not found", count as proof of health, classify it as `success` with a function of your own.
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
 * @category classifiers
 * @since 0.1.0
 */
export const classifier = <A, E>(options: {
  readonly ignoreError?: ((error: E) => boolean) | undefined
  readonly ignoreResult?: ((result: A) => boolean) | undefined
  readonly failOnResult?: ((result: A) => boolean) | undefined
}): (exit: Exit.Exit<A, E>) => Outcome =>
(exit) => {
  if (exit._tag === "Success") {
    if (options.failOnResult?.(exit.value) === true) return plainFailure
    return options.ignoreResult?.(exit.value) === true ? ignored : success
  }
  if (options.ignoreError !== undefined) {
    const failed = exit.cause.reasons.filter(Cause.isFailReason)
    const died = exit.cause.reasons.some(Cause.isDieReason)
    if (failed.length > 0 && !died && failed.every((reason) => options.ignoreError?.(reason.error))) return ignored
  }
  return fromExit(exit)
}
