/**
 * Rules that say when a closed circuit opens.
 *
 * **Details**
 *
 * A rule is plain data, so it reads the same from code, from JSON and from Config. It is validated with the policy that
 * holds it, where every mistake is reported at once.
 *
 * A rule is judged after every counted outcome, a success as well as a failure: the success that brings a window to its
 * minimum number of calls can open the circuit. Rates open at the threshold, not only above it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"

/**
 * What a rate is measured over: a number means the last so many calls, a duration means the calls that finished within
 * it.
 *
 * **Details**
 *
 * A window of time is kept in ten buckets, so it covers between nine and ten tenths of its duration. Both kinds cost
 * the same per call at any size.
 *
 * @category models
 * @since 0.1.0
 */
export type Window = number | Exclude<Duration.Input, number>

/**
 * A rule that says when a closed circuit opens.
 *
 * @category models
 * @since 0.1.0
 */
export type TripRule = Consecutive | Failures | FailureRate | SlowCallRate | InFlightAge | Any | All

/**
 * Opens after this many failures in a row, in order of completion.
 *
 * @category models
 * @since 0.1.0
 */
export interface Consecutive {
  readonly _tag: "Consecutive"
  readonly failures: number
}

/**
 * Opens after this many failures within a window of time, however many calls succeed beside them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failures {
  readonly _tag: "Failures"
  readonly failures: number
  readonly window: Duration.Input
}

/**
 * Opens when the share of failed calls in a window reaches the threshold.
 *
 * @category models
 * @since 0.1.0
 */
export interface FailureRate {
  readonly _tag: "FailureRate"
  readonly threshold?: number | undefined
  readonly window?: Window | undefined
  readonly minimumCalls?: number | undefined
}

/**
 * Opens when the share of slow calls in a window reaches the threshold.
 *
 * @category models
 * @since 0.1.0
 */
export interface SlowCallRate {
  readonly _tag: "SlowCallRate"
  readonly slowerThan: Duration.Input
  readonly threshold?: number | undefined
  readonly window?: Window | undefined
  readonly minimumCalls?: number | undefined
}

/**
 * Opens while this many calls in flight are older than the given age.
 *
 * @category models
 * @since 0.1.0
 */
export interface InFlightAge {
  readonly _tag: "InFlightAge"
  readonly olderThan: Duration.Input
  readonly calls?: number | undefined
}

/**
 * Opens when one of its rules would.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any {
  readonly _tag: "Any"
  readonly rules: ReadonlyArray<TripRule>
}

/**
 * Opens when each of its rules would, judged at the same moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface All {
  readonly _tag: "All"
  readonly rules: ReadonlyArray<TripRule>
}

/**
 * Opens after `failures` failures in a row, 1 to 1,000,000.
 *
 * **Details**
 *
 * In a row means in order of completion, however much time lies between. One success starts the count anew; an ignored
 * call does not touch it.
 *
 * **Example** (Five failures in a row)
 *
 * ```ts
 * import { TripRule } from "@reclose/core"
 *
 * TripRule.consecutive(5) // => { _tag: "Consecutive", failures: 5 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const consecutive = (failures: number): TripRule => ({ _tag: "Consecutive", failures })

/**
 * Opens after `failures` failures (1 to 1,000,000) within `window` (10 milliseconds to 1 day), whatever succeeds beside
 * them.
 *
 * **Example** (Five failures within a minute)
 *
 * ```ts
 * import { TripRule } from "@reclose/core"
 *
 * TripRule.failures({ failures: 5, window: "60 seconds" })._tag // => "Failures"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const failures = (options: {
  readonly failures: number
  readonly window: Duration.Input
}): TripRule => ({ _tag: "Failures", ...options })

/**
 * Opens when the share of failed calls in a window reaches a threshold.
 *
 * **Details**
 *
 * - `threshold`: a share above 0, at most 1. Default 0.5, as in resilience4j.
 * - `window`: a number of calls (1 to 1,000,000) or a duration (10 milliseconds to 1 day). Default the last 100 calls,
 *   as in resilience4j.
 * - `minimumCalls`: below so many calls in the window nothing is judged, 1 to 1,000,000 and at most a window of calls.
 *   Default 20, as in Hystrix, or the window if that is smaller.
 *
 * **Example** (Half of the calls of the last thirty seconds)
 *
 * ```ts
 * import { TripRule } from "@reclose/core"
 *
 * const rule = TripRule.failureRate({ threshold: 0.5, window: "30 seconds", minimumCalls: 20 })
 *
 * rule._tag // => "FailureRate"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const failureRate = (options: Omit<FailureRate, "_tag"> = {}): TripRule => ({ _tag: "FailureRate", ...options })

/**
 * Opens when the share of slow calls in a window reaches a threshold, whether they succeed or fail.
 *
 * **Details**
 *
 * - `slowerThan`: a call that takes at least this long is slow, 1 millisecond to 1 day.
 * - `threshold`, `window`, `minimumCalls`: as in `failureRate`.
 *
 * In a half-open circuit, a probe that is slow by this rule counts as a failed probe.
 *
 * **Gotchas**
 *
 * A call is counted when it ends. For a dependency that hangs, add `inFlightAge`, or a timeout inside the breaker.
 *
 * **Example** (Failures or slowness)
 *
 * ```ts
 * import { TripRule } from "@reclose/core"
 *
 * const rule = TripRule.any([
 *   TripRule.failureRate({ window: "30 seconds" }),
 *   TripRule.slowCallRate({ slowerThan: "2 seconds", window: "30 seconds" })
 * ])
 *
 * rule._tag // => "Any"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const slowCallRate = (options: Omit<SlowCallRate, "_tag">): TripRule => ({ _tag: "SlowCallRate", ...options })

/**
 * Opens while at least `calls` calls in flight (1 to 1,000, default 1) are older than `olderThan` (1 millisecond to
 * 1 day).
 *
 * **Details**
 *
 * A dependency that hangs finishes no call, so no rule over finished calls can see it. This one looks at each new call
 * and opens the circuit before the new call joins the hanging ones. The hanging calls themselves run on; their results
 * change nothing any more.
 *
 * **Gotchas**
 *
 * A circuit with this rule keeps a note of each call in flight, which costs about 100 nanoseconds more per call.
 *
 * **Example** (Ten calls hanging for five seconds)
 *
 * ```ts
 * import { TripRule } from "@reclose/core"
 *
 * TripRule.inFlightAge({ olderThan: "5 seconds", calls: 10 })._tag // => "InFlightAge"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const inFlightAge = (options: Omit<InFlightAge, "_tag">): TripRule => ({ _tag: "InFlightAge", ...options })

/**
 * Opens when one of the rules would; the first in order gives the reason.
 *
 * **Example** (A short streak or a high rate)
 *
 * ```ts
 * import { TripRule } from "@reclose/core"
 *
 * TripRule.any([TripRule.consecutive(5), TripRule.failureRate()])._tag // => "Any"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const any = (rules: ReadonlyArray<TripRule>): TripRule => ({ _tag: "Any", rules })

/**
 * Opens when each of the rules would, judged at the same moment.
 *
 * **Example** (A rate that also rests on enough failures)
 *
 * ```ts
 * import { TripRule } from "@reclose/core"
 *
 * const rule = TripRule.all([
 *   TripRule.failureRate({ threshold: 0.2 }),
 *   TripRule.failures({ failures: 10, window: "1 minute" })
 * ])
 *
 * rule._tag // => "All"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const all = (rules: ReadonlyArray<TripRule>): TripRule => ({ _tag: "All", rules })
