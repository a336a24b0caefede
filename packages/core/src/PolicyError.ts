/**
 * The error of a policy, of options, or of a circuit's key, that can't be used.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
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

/**
 * Returns the duration that an option stands for, for functions that are no effects. Throws a `PolicyError` that names the
 * option and shows an example, if it stands for none.
 *
 * **Example** (A unit that does not exist)
 *
 * ```ts
 * import { readDuration } from "@reclose/core/PolicyError"
 *
 * let message = ""
 * try {
 *   readDuration("maxAge", JSON.parse(`"5 secs"`))
 * } catch (error) {
 *   message = String(error)
 * }
 *
 * message // => `PolicyError: maxAge is "5 secs": it must be a duration, such as "30 seconds"`
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const readDuration = (field: string, input: Duration.Input): Duration.Duration =>
  Option.getOrThrowWith(
    Duration.fromInput(input),
    () => new PolicyError({ issues: [{ field, value: input, allowed: `a duration, such as "30 seconds"` }] })
  )

/**
 * Returns the mistake of an option that nothing reads, for readers of options of their own: the message suggests a known
 * name that differs by case or by one or two letters, says where the option belongs (`place`), or lists the known names.
 *
 * **Example** (A typo)
 *
 * ```ts
 * import { unknownOption } from "@reclose/core/PolicyError"
 *
 * unknownOption({ path: "", name: "triprule", value: 1, known: ["tripRule", "jitter"] }).message
 * // => `Unknown option "triprule". Did you mean "tripRule"?`
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const unknownOption = ({ known, name, path, place, value }: {
  /** Where the option stands, such as `halfOpen`; empty for the whole. */
  readonly path: string
  readonly name: string
  readonly value: unknown
  readonly known: ReadonlyArray<string>
  /** Where it belongs, as a sentence. */
  readonly place?: string | undefined
}): PolicyIssue => {
  const similar = known.find((other) => isSimilar(name, other))
  const advice = similar !== undefined
    ? `. Did you mean ${JSON.stringify(similar)}?`
    : `: ${place ?? `the options are ${known.join(", ")}`}`
  return {
    field: path === "" ? name : `${path}.${name}`,
    value,
    allowed: `one of ${known.join(", ")}`,
    message: `Unknown option ${JSON.stringify(name)}${path === "" ? "" : ` in ${path}`}${advice}`
  }
}

/** Whether two names differ in case alone, or by one or two letters that are missing, wrong or in excess. */
const isSimilar = (name: string, other: string): boolean => {
  const [a, b] = [name.toLowerCase(), other.toLowerCase()]
  // What is as short as that differs from everything by two letters.
  const most = Math.min(2, Math.floor(b.length / 3))
  if (Math.abs(a.length - b.length) > most) return false
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    above = row
  }
  return (above[b.length] ?? 0) <= most
}

const sentence = ({ allowed, field, message, value }: PolicyIssue): string =>
  message ?? `${field} is ${value === undefined ? "missing" : showValue(value)}: it must be ${allowed}`
