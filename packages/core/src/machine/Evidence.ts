/**
 * What a closed circuit has measured, and whether that is enough to open it.
 *
 * Evidence is the one part of a circuit that is updated in place: copying a window on every call would make its cost
 * grow with its size. It belongs to the circuit that holds it, and a step that returns a new circuit hands it on.
 */
import { CountWindow } from "./CountWindow.ts"
import { InFlight } from "./InFlight.ts"
import type { Rule } from "./Rule.ts"
import { type Bucket, TimeWindow } from "./TimeWindow.ts"

/** What one rule measures at a moment, beside what it opens at. Durations are in milliseconds. */
export type Reading =
  | { readonly _tag: "Consecutive"; readonly failures: number; readonly threshold: number }
  | { readonly _tag: "Failures"; readonly failures: number; readonly threshold: number; readonly window: number }
  | {
    readonly _tag: "FailureRate" | "SlowCallRate"
    readonly rate: number
    readonly hits: number
    readonly calls: number
    readonly threshold: number
    readonly minimumCalls: number
  }
  | { readonly _tag: "InFlightAge"; readonly calls: number; readonly threshold: number; readonly olderThan: number }

/** One rule's measurement as plain data. */
export type Measured =
  | { readonly _tag: "Consecutive"; readonly failures: number }
  | { readonly _tag: "Calls"; readonly rule: RateRule; readonly slowerThan: number; readonly outcomes: string }
  | {
    readonly _tag: "Time"
    readonly rule: RateRule | "Failures"
    readonly slowerThan: number
    readonly buckets: ReadonlyArray<Bucket>
  }

type RateRule = "FailureRate" | "SlowCallRate"

export interface Evidence {
  /** Counts a finished call. Answers the readings that open the circuit, or nothing. A soft failure is in no streak. */
  record(failed: boolean, duration: number, now: number, soft: boolean): ReadonlyArray<Reading> | undefined
  /** Judges without counting. */
  verdict(now: number): ReadonlyArray<Reading> | undefined
  /** Judges what can come about without an outcome: that calls in flight grow old, and what depends on it. */
  overdue(now: number): ReadonlyArray<Reading> | undefined
  readings(now: number): ReadonlyArray<Reading>
  measured(now: number): ReadonlyArray<Measured>
  /** How many calls each part of what is measured has ever counted, for a window of calls; 0 for others. */
  totals(): ReadonlyArray<number>
}

const noTotals = [0]

class ConsecutiveEvidence implements Evidence {
  private readonly threshold: number
  private failures: number

  constructor(threshold: number, failures: number) {
    this.threshold = threshold
    this.failures = failures
  }

  record(failed: boolean, _duration: number, now: number, soft: boolean) {
    if (!failed) {
      this.failures = 0
      return undefined
    }
    if (!soft) this.failures++
    return this.verdict(now)
  }

  verdict(_now: number) {
    return this.failures >= this.threshold ? this.readings() : undefined
  }

  overdue() {
    return undefined
  }

  readings(): ReadonlyArray<Reading> {
    return [{ _tag: "Consecutive", failures: this.failures, threshold: this.threshold }]
  }

  measured(): ReadonlyArray<Measured> {
    return [{ _tag: "Consecutive", failures: this.failures }]
  }

  totals() {
    return noTotals
  }
}

// The evidences below are windows that judge themselves, rather than hold one: an object less for each circuit.

class FailuresEvidence extends TimeWindow implements Evidence {
  private readonly threshold: number

  constructor(threshold: number, span: number) {
    super(span)
    this.threshold = threshold
  }

  record(failed: boolean, _duration: number, now: number) {
    if (failed) this.add(true, now)
    return this.verdict(now)
  }

  verdict(now: number) {
    this.advance(now)
    return this.hits >= this.threshold ? this.readings(now) : undefined
  }

  overdue() {
    return undefined
  }

  readings(now: number): ReadonlyArray<Reading> {
    this.advance(now)
    return [{ _tag: "Failures", failures: this.hits, threshold: this.threshold, window: this.span }]
  }

  measured(now: number): ReadonlyArray<Measured> {
    return [{ _tag: "Time", rule: "Failures", slowerThan: 0, buckets: this.buckets(now) }]
  }

  totals() {
    return noTotals
  }
}

type Rate = Extract<Rule, { readonly _tag: RateRule }>

/** What makes a call a hit: that it failed, or that it was slow. */
const isHit = (rule: Rate, failed: boolean, duration: number): boolean =>
  rule._tag === "FailureRate" ? failed : duration >= rule.slowerThan

const slowLimit = (rule: Rate): number => rule._tag === "FailureRate" ? 0 : rule.slowerThan

interface Totals {
  readonly calls: number
  readonly hits: number
}

const judge = (rule: Rate, window: Totals): ReadonlyArray<Reading> | undefined => {
  const { calls, hits } = window
  // Divided, not multiplied: 7 of 100 must reach 0.07, and 0.07 * 100 is more than 7.
  return hits > 0 && calls >= rule.minimumCalls && hits / calls >= rule.threshold ? read(rule, window) : undefined
}

const read = ({ _tag, minimumCalls, threshold }: Rate, { calls, hits }: Totals): ReadonlyArray<Reading> => [
  { _tag, rate: calls === 0 ? 0 : hits / calls, hits, calls, threshold, minimumCalls }
]

class CallsRateEvidence extends CountWindow implements Evidence {
  private readonly rule: Rate

  constructor(rule: Rate, size: number) {
    super(size)
    this.rule = rule
  }

  record(failed: boolean, duration: number) {
    this.add(isHit(this.rule, failed, duration))
    return judge(this.rule, this)
  }

  verdict() {
    return judge(this.rule, this)
  }

  overdue() {
    return undefined
  }

  readings() {
    return read(this.rule, this)
  }

  measured(): ReadonlyArray<Measured> {
    return [{ _tag: "Calls", rule: this.rule._tag, slowerThan: slowLimit(this.rule), outcomes: this.outcomes() }]
  }

  totals() {
    return [this.total]
  }
}

class TimeRateEvidence extends TimeWindow implements Evidence {
  private readonly rule: Rate

  constructor(rule: Rate, span: number) {
    super(span)
    this.rule = rule
  }

  record(failed: boolean, duration: number, now: number) {
    this.add(isHit(this.rule, failed, duration), now)
    return judge(this.rule, this)
  }

  verdict(now: number) {
    this.advance(now)
    return judge(this.rule, this)
  }

  overdue() {
    return undefined
  }

  readings(now: number) {
    this.advance(now)
    return read(this.rule, this)
  }

  measured(now: number): ReadonlyArray<Measured> {
    return [{ _tag: "Time", rule: this.rule._tag, slowerThan: slowLimit(this.rule), buckets: this.buckets(now) }]
  }

  totals() {
    return noTotals
  }
}

class InFlightAgeEvidence implements Evidence {
  private readonly threshold: number
  private readonly olderThan: number
  private readonly inFlight: InFlight

  constructor(rule: Extract<Rule, { readonly _tag: "InFlightAge" }>, inFlight: InFlight) {
    this.threshold = rule.calls
    this.olderThan = rule.olderThan
    this.inFlight = inFlight
  }

  record(_failed: boolean, _duration: number, now: number) {
    return this.verdict(now)
  }

  verdict(now: number) {
    const readings = this.readings(now)
    return readings[0]?.calls === this.threshold ? readings : undefined
  }

  overdue(now: number) {
    return this.verdict(now)
  }

  readings(now: number) {
    const calls = this.inFlight.countOlder(this.olderThan, this.threshold, now)
    return [{ _tag: "InFlightAge" as const, calls, threshold: this.threshold, olderThan: this.olderThan }]
  }

  measured(): ReadonlyArray<Measured> {
    return []
  }

  totals() {
    return []
  }
}

abstract class CompositeEvidence {
  protected readonly parts: ReadonlyArray<Evidence>

  constructor(parts: ReadonlyArray<Evidence>) {
    this.parts = parts
  }

  readings(now: number) {
    return this.parts.flatMap((part) => part.readings(now))
  }

  measured(now: number) {
    return this.parts.flatMap((part) => part.measured(now))
  }

  totals() {
    return this.parts.flatMap((part) => part.totals())
  }
}

class AnyEvidence extends CompositeEvidence implements Evidence {
  // Every part counts the call, also when an earlier one already has its verdict.
  record(failed: boolean, duration: number, now: number, soft: boolean) {
    let met: ReadonlyArray<Reading> | undefined
    for (const part of this.parts) {
      const verdict = part.record(failed, duration, now, soft)
      met ??= verdict
    }
    return met
  }

  verdict(now: number) {
    for (const part of this.parts) {
      const verdict = part.verdict(now)
      if (verdict !== undefined) return verdict
    }
    return undefined
  }

  overdue(now: number) {
    for (const part of this.parts) {
      const overdue = part.overdue(now)
      if (overdue !== undefined) return overdue
    }
    return undefined
  }
}

class AllEvidence extends CompositeEvidence implements Evidence {
  record(failed: boolean, duration: number, now: number, soft: boolean) {
    let met = true
    for (const part of this.parts) {
      if (part.record(failed, duration, now, soft) === undefined) met = false
    }
    return met ? this.readings(now) : undefined
  }

  verdict(now: number) {
    return this.parts.every((part) => part.verdict(now) !== undefined) ? this.readings(now) : undefined
  }

  overdue(now: number) {
    return this.parts.some((part) => part.overdue(now) !== undefined) ? this.verdict(now) : undefined
  }
}

/**
 * Evidence for a rule, beginning with what was measured before where it fits: a streak goes on, a window keeps what
 * falls within its new size. What a changed rule can no longer read, such as calls marked slow by another limit, starts
 * empty.
 */
export const makeEvidence = (
  rule: Rule,
  inFlight: InFlight | undefined,
  before: ReadonlyArray<Measured>,
  now: number
): Evidence => {
  const unused = [...before]
  const take = <M extends Measured>(fits: (measured: Measured) => measured is M): M | undefined => {
    const at = unused.findIndex(fits)
    const found = at < 0 ? undefined : unused.splice(at, 1)[0]
    return found !== undefined && fits(found) ? found : undefined
  }
  const build = (rule: Rule): Evidence => {
    switch (rule._tag) {
      case "Consecutive":
        return new ConsecutiveEvidence(
          rule.failures,
          take((measured) => measured._tag === "Consecutive")?.failures ?? 0
        )
      case "Failures":
        return overTime(new FailuresEvidence(rule.failures, rule.span), take(fitsTime("Failures", 0)))
      case "FailureRate":
      case "SlowCallRate":
        return rule.window._tag === "Calls"
          ? overCalls(new CallsRateEvidence(rule, rule.window.size), take(fitsCalls(rule._tag, slowLimit(rule))))
          : overTime(new TimeRateEvidence(rule, rule.window.span), take(fitsTime(rule._tag, slowLimit(rule))))
      case "InFlightAge":
        return new InFlightAgeEvidence(rule, inFlight ?? new InFlight())
      case "Any":
        return new AnyEvidence(rule.rules.map(build))
      case "All":
        return new AllEvidence(rule.rules.map(build))
    }
  }
  const overTime = <E extends TimeWindow>(evidence: E, measured: MeasuredTime | undefined): E => {
    evidence.restore(measured?.buckets ?? [], now)
    return evidence
  }
  return build(rule)
}

type MeasuredCalls = Extract<Measured, { readonly _tag: "Calls" }>
type MeasuredTime = Extract<Measured, { readonly _tag: "Time" }>

const fitsCalls = (rule: RateRule, slowerThan: number) => (measured: Measured): measured is MeasuredCalls =>
  measured._tag === "Calls" && measured.rule === rule && measured.slowerThan === slowerThan

const fitsTime = (rule: MeasuredTime["rule"], slowerThan: number) => (measured: Measured): measured is MeasuredTime =>
  measured._tag === "Time" && measured.rule === rule && measured.slowerThan === slowerThan

const overCalls = <E extends CountWindow>(evidence: E, measured: MeasuredCalls | undefined): E => {
  for (const outcome of measured?.outcomes.slice(-evidence.size) ?? "") evidence.add(outcome === "1")
  return evidence
}
