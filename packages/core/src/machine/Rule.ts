/**
 * What the machine needs to know of a policy: every number validated, every duration in milliseconds.
 */

export type Window =
  | { readonly _tag: "Calls"; readonly size: number }
  | { readonly _tag: "Time"; readonly span: number }

/** A trip rule in the machine's own units. */
export type Rule =
  | { readonly _tag: "Consecutive"; readonly failures: number }
  | { readonly _tag: "Failures"; readonly failures: number; readonly span: number }
  | { readonly _tag: "FailureRate"; readonly threshold: number; readonly window: Window; readonly minimumCalls: number }
  | {
    readonly _tag: "SlowCallRate"
    readonly slowerThan: number
    readonly threshold: number
    readonly window: Window
    readonly minimumCalls: number
  }
  | { readonly _tag: "InFlightAge"; readonly olderThan: number; readonly calls: number }
  | { readonly _tag: "Any"; readonly rules: ReadonlyArray<Rule> }
  | { readonly _tag: "All"; readonly rules: ReadonlyArray<Rule> }

/** How a half-open circuit is tried. */
export interface Trial {
  readonly permits: number
  readonly successThreshold: number
  readonly failureThreshold: number
  readonly maxDuration: number
}

/** The machine's view of a policy. */
export interface MachinePolicy {
  readonly tripRule: Rule
  readonly halfOpen: Trial
  readonly warmUp: number
  readonly maxOpenDuration: number
  /**
   * How long the n-th opening in a row lasts. Any randomness in it belongs to the caller, so that the machine itself
   * stays a function of its arguments.
   */
  readonly openDuration: (consecutiveOpenings: number) => number
  /** How many processes have to see failures before what they share opens the circuit for all. */
  readonly quorum: number
  /** Derived from the rule once, because every call asks. */
  readonly needs: Needs
  readonly slowerThan: number
}

/** Every leaf of a rule, in order. */
export const leaves = (rule: Rule): ReadonlyArray<Exclude<Rule, { readonly rules: unknown }>> =>
  rule._tag === "Any" || rule._tag === "All" ? rule.rules.flatMap(leaves) : [rule]

/** What recording an outcome under a rule takes: the time, the call's duration, a note of each call in flight. */
export interface Needs {
  readonly time: boolean
  readonly duration: boolean
  readonly inFlight: boolean
}

export const needs = (rule: Rule): Needs => {
  const all = leaves(rule)
  const duration = all.some((leaf) => leaf._tag === "SlowCallRate")
  const inFlight = all.some((leaf) => leaf._tag === "InFlightAge")
  return {
    time: duration || inFlight ||
      all.some((leaf) => leaf._tag === "Failures" || ("window" in leaf && leaf.window._tag === "Time")),
    duration,
    inFlight
  }
}

/** From which duration a call is slow; infinite when no rule asks. */
export const slowerThan = (rule: Rule): number =>
  leaves(rule).reduce(
    (least, leaf) => leaf._tag === "SlowCallRate" ? Math.min(least, leaf.slowerThan) : least,
    Number.POSITIVE_INFINITY
  )
