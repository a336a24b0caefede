/**
 * What a closed circuit has measured, by the specification in docs/guide/semantics.md alone: each rule keeps a plain
 * list of outcomes, and everything else is counted from the list whenever it is asked for.
 */
import type { Reading } from "../../../src/machine/Evidence.ts"
import type { Rule } from "../../../src/machine/Rule.ts"

type Leaf = Exclude<Rule, { readonly rules: unknown }>

export interface ModelOutcome {
  readonly at: number
  readonly failed: boolean
  readonly soft: boolean
  readonly duration: number
}

interface Log {
  readonly leaf: Leaf
  readonly outcomes: ReadonlyArray<ModelOutcome>
}

const leavesOf = (rule: Rule): ReadonlyArray<Leaf> =>
  rule._tag === "Any" || rule._tag === "All" ? rule.rules.flatMap(leavesOf) : [rule]

/** "A probe that is slow by the `slowerThan` of a rule has failed." */
export const isSlow = (rule: Rule, duration: number): boolean =>
  leavesOf(rule).some((leaf) => leaf._tag === "SlowCallRate" && duration >= leaf.slowerThan)

const spanOf = (leaf: Leaf): number | undefined => {
  if (leaf._tag === "Failures") return leaf.span
  if (leaf._tag !== "FailureRate" && leaf._tag !== "SlowCallRate") return undefined
  return leaf.window._tag === "Time" ? leaf.window.span : undefined
}

const bucketOf = (span: number, at: number): number => Math.floor(at / (span / 10))

/** When the next bucket of some window of time begins. */
export const nextBucket = (rule: Rule, now: number): number | undefined => {
  const span = leavesOf(rule).map(spanOf).find((span) => span !== undefined)
  return span === undefined ? undefined : (bucketOf(span, now) + 1) * (span / 10)
}

/** The outcomes that a rule's window holds. */
const held = ({ leaf, outcomes }: Log, now: number): ReadonlyArray<ModelOutcome> => {
  const span = spanOf(leaf)
  if (span !== undefined) return outcomes.filter(({ at }) => bucketOf(span, now) - bucketOf(span, at) < 10)
  return "window" in leaf && leaf.window._tag === "Calls" ? outcomes.slice(-leaf.window.size) : outcomes
}

/** What only rules that read the same outcomes in the same unit have in common. */
const unitOf = (leaf: Leaf): string =>
  [leaf._tag, "window" in leaf ? leaf.window._tag : "", leaf._tag === "SlowCallRate" ? leaf.slowerThan : ""].join()

export class ModelEvidence {
  private readonly rule: Rule
  private logs: ReadonlyArray<Log>
  /** The calls in flight, and when each began. */
  private inFlight: ReadonlyArray<{ readonly at: number }> = []
  /** Whether calls are noted when they begin: from when on a rule asks for their age, though a later one may not. */
  private notes: boolean

  constructor(
    rule: Rule,
    logs: ReadonlyArray<Log> = leavesOf(rule).map((leaf) => ({ leaf, outcomes: [] }))
  ) {
    this.rule = rule
    this.logs = logs
    this.notes = leavesOf(rule).some(({ _tag }) => _tag === "InFlightAge")
  }

  begin(call: { readonly at: number }): void {
    if (this.notes) this.inFlight = [...this.inFlight, call]
  }

  end(call: { readonly at: number }): void {
    this.inFlight = this.inFlight.filter((other) => other !== call)
  }

  record(outcome: ModelOutcome): void {
    this.logs = this.logs.map(({ leaf, outcomes }) => ({ leaf, outcomes: [...outcomes, outcome] }))
  }

  /**
   * The evidence under another rule. Each part of the rule takes over what the first part that measures the same, and
   * that no other has taken, holds: outcomes of a window of time as if they had come when their bucket began.
   */
  under(rule: Rule, now: number): ModelEvidence {
    const next = this.restored(rule, now, 0)
    next.notes ||= this.notes
    next.inFlight = this.inFlight
    return next
  }

  /** The same by way of a snapshot, restored so much later. Calls in flight are left behind. */
  restored(rule: Rule, now: number, shift: number): ModelEvidence {
    const unused = [...this.logs]
    const logs = leavesOf(rule).map((leaf): Log => {
      const found = unused.findIndex((log) => unitOf(log.leaf) === unitOf(leaf))
      const before = found < 0 ? undefined : unused.splice(found, 1)[0]
      if (before === undefined) return { leaf, outcomes: [] }
      const span = spanOf(before.leaf)
      const outcomes = held(before, now).map((outcome) =>
        span === undefined ? outcome : { ...outcome, at: bucketOf(span, outcome.at) * (span / 10) + shift }
      )
      return { leaf, outcomes: held({ leaf, outcomes }, now + shift) }
    })
    return new ModelEvidence(rule, logs)
  }

  /** What each rule measures, in order. */
  readings(now: number): ReadonlyArray<Reading> {
    return leavesOf(this.rule).map((leaf) => this.read(leaf, now))
  }

  private read(leaf: Leaf, now: number): Reading {
    const log = this.logs.find((log) => log.leaf === leaf)
    const outcomes = log === undefined ? [] : held(log, now)
    switch (leaf._tag) {
      case "Consecutive": {
        const lastSuccess = outcomes.findLastIndex(({ failed }) => !failed)
        const failures = outcomes.slice(lastSuccess + 1).filter(({ soft }) => !soft).length
        return { _tag: leaf._tag, failures, threshold: leaf.failures }
      }
      case "Failures": {
        const failures = outcomes.filter(({ failed }) => failed).length
        return { _tag: leaf._tag, failures, threshold: leaf.failures, window: leaf.span }
      }
      case "InFlightAge": {
        const old = this.inFlight.filter(({ at }) => now - at >= leaf.olderThan).length
        // More than it takes are not told apart.
        return { _tag: leaf._tag, calls: Math.min(old, leaf.calls), threshold: leaf.calls, olderThan: leaf.olderThan }
      }
      default: {
        const hits =
          outcomes.filter(({ duration, failed }) => leaf._tag === "FailureRate" ? failed : duration >= leaf.slowerThan)
            .length
        const { minimumCalls, threshold } = leaf
        const rate = outcomes.length === 0 ? 0 : hits / outcomes.length
        return { _tag: leaf._tag, rate, hits, calls: outcomes.length, threshold, minimumCalls }
      }
    }
  }

  /** The readings that open the circuit: of the first of `any` that would, of each of `all`. */
  verdict(now: number, rule: Rule = this.rule): ReadonlyArray<Reading> | undefined {
    if (rule._tag === "Any") {
      return rule.rules.map((part) => this.verdict(now, part)).find((readings) => readings !== undefined)
    }
    if (rule._tag === "All") {
      return rule.rules.every((part) => this.verdict(now, part) !== undefined)
        ? leavesOf(rule).map((leaf) => this.read(leaf, now))
        : undefined
    }
    const reading = this.read(rule, now)
    return opens(reading) ? [reading] : undefined
  }

  /** The same where nothing is judged but the age of the calls in flight, and what `all` ties to it. */
  verdictOfAges(now: number, rule: Rule = this.rule): ReadonlyArray<Reading> | undefined {
    if (rule._tag === "Any") {
      return rule.rules.map((part) => this.verdictOfAges(now, part)).find((readings) => readings !== undefined)
    }
    if (rule._tag === "All") {
      const judged = rule.rules.some((part) => this.verdictOfAges(now, part) !== undefined)
      return judged ? this.verdict(now, rule) : undefined
    }
    return rule._tag === "InFlightAge" ? this.verdict(now, rule) : undefined
  }
}

const opens = (reading: Reading): boolean => {
  switch (reading._tag) {
    case "Consecutive":
    case "Failures":
      return reading.failures >= reading.threshold
    case "InFlightAge":
      return reading.calls >= reading.threshold
    default:
      return reading.calls >= reading.minimumCalls && reading.hits > 0 && reading.rate >= reading.threshold
  }
}
