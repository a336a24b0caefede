/**
 * The error of a policy, of options, or of a circuit's key, that can't be used.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { showValue } from "./internal/showValue.ts"

/**
 * One mistake in a policy or in options: where it is, what stands there, and what may stand there.
 *
 * @category models
 * @since 0.1.0
 */
export interface PolicyIssue {
  /** The path of the field, such as `halfOpen.permits` or `keys["payments/*"].jitter`. */
  readonly field: string
  readonly value: unknown
  /** What is allowed there, in words. */
  readonly allowed: string
  /** What is wrong and what to do about it, where that takes more than these three. */
  readonly message?: string | undefined
}

/**
 * Raised where a policy is read: by `CircuitBreaker.layer`, `CircuitBreaker.make`, `update`, `Policy.fromJson` and
 * `Policy.config`, and by their like of other modules and packages; where the options of anything else are read, such as
 * a store's or those of metrics; and for a key that is empty, too long or holds control characters.
 *
 * **Details**
 *
 * It names every mistake of the policy at once, each with its field, its value and what is allowed.
 *
 * **Gotchas**
 *
 * Fields are named as the policy or the options have them. Where layers are merged, that is all that tells whose they are.
 *
 * **Example** (All mistakes at once)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore, TripRule } from "@reclose/core"
 * import { Effect, Layer } from "effect"
 *
 * const Breakers = CircuitBreaker.layer({ tripRule: TripRule.consecutive(0), jitter: 2 }).pipe(
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const error = await Effect.runPromise(Effect.flip(Effect.provide(Effect.void, Breakers)))
 *
 * error.issues.map((issue) => issue.field) // => ["tripRule.failures", "jitter"]
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class PolicyError extends Data.TaggedError("PolicyError")<{
  readonly issues: ReadonlyArray<PolicyIssue>
  readonly message: string
}> {
  constructor(options: { readonly issues: ReadonlyArray<PolicyIssue> }) {
    super({ issues: options.issues, message: options.issues.map(sentence).join("\n") })
  }
}

const sentence = ({ allowed, field, message, value }: PolicyIssue): string =>
  message ?? `${field} is ${value === undefined ? "missing" : showValue(value)}: it must be ${allowed}`
