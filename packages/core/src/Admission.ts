/**
 * Calls whose end is told by hand.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type { Outcome } from "./Outcome.ts"

/**
 * A call that a circuit has let through, and that tells how it ends: what `Breaker.admit` answers.
 *
 * **Details**
 *
 * It is for calls that no single effect stands for, such as a message whose answer comes over another channel; all others
 * want `withBreaker`. The time of the call runs from its admission until its end is told. The first word about the end
 * counts, and no later one.
 *
 * **Gotchas**
 *
 * Whoever is admitted may hold something: a probe of a circuit on trial, a place among the calls in flight. Tell the end
 * whatever happens, an interruption included, as `Effect.acquireRelease` does. A trial that a probe leaves without an end is
 * over after `halfOpen.maxDuration`, and the circuit opens anew.
 *
 * **Example** (A call whose answer comes by another way)
 *
 * ```ts
 * import { CircuitBreaker, Outcome, TripRule } from "@reclose/core"
 * import { Effect } from "effect"
 *
 * const send = (onAnswer: (status: number) => void) => onAnswer(503)
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker
 *   const admission = yield* breaker.admit("quotes")
 *   send((status) => admission.settle(status < 500 ? Outcome.success : Outcome.failure()))
 *   return (yield* breaker.state("quotes")).phase
 * })
 *
 * const Breakers = CircuitBreaker.layerLocal({ tripRule: TripRule.consecutive(1) })
 *
 * await Effect.runPromise(Effect.provide(program, Breakers)) // => "Open"
 * ```
 *
 * **Example** (Given back, whatever happens)
 *
 * ```ts
 * import { CircuitBreaker, Outcome } from "@reclose/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker
 *   const admission = yield* Effect.acquireRelease(
 *     breaker.admit("quotes"),
 *     (admission) => Effect.sync(() => admission.release())
 *   )
 *   yield* Effect.sleep("1 milli") // Interrupted here, the call counts nowhere.
 *   admission.settle(Outcome.success)
 *   return (yield* breaker.state("quotes")).counts.succeeded
 * })
 *
 * await Effect.runPromise(Effect.scoped(Effect.provide(program, CircuitBreaker.layerLocal()))) // => 1
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Admission {
  /** Tells the circuit how the call ended. */
  readonly settle: (outcome: Outcome) => void
  /** Gives back what the call holds. It counts nowhere, like an interrupted call. */
  readonly release: () => void
  /** Tells that nobody knows what the end means, because a classifier failed: the call counts as ignored, and the event `ClassifierFailed` names the cause. */
  readonly unclassified: (cause: Cause.Cause<never>) => void
}
