/** Random policies, as plain data that can be printed, small enough that every threshold is reached. */
import type { MachinePolicy, Rule, Window } from "../../../src/machine/Rule.ts"
import { needs, slowerThan } from "../../../src/machine/Rule.ts"
import type { Random } from "./random.ts"

/** A policy before the machine derives its own fields from it. */
export interface PolicyData extends Omit<MachinePolicy, "openDuration" | "needs" | "slowerThan"> {
  readonly openDuration: { readonly initial: number; readonly factor: number }
}

export const toMachine = (data: PolicyData): MachinePolicy => ({
  ...data,
  openDuration: (n) => Math.min(data.openDuration.initial * data.openDuration.factor ** (n - 1), data.maxOpenDuration),
  needs: needs(data.tripRule),
  slowerThan: slowerThan(data.tripRule)
})

// Most spans are whole tenths. Halves of milliseconds are kept exactly, too, so the model needs no tolerance.
const spans = [10, 15, 100, 250, 1_000, 4_000] as const
const ages = [1, 5, 20, 100] as const
// Some of these are not kept exactly, so `share × calls` and `hits ÷ calls` differ where they fall on the threshold.
const shares = [0.07, 0.25, 0.28, 0.3, 0.5, 0.56, 0.7, 1] as const
const sizes = [1, 2, 3, 5, 8, 10, 25, 31, 32, 33, 63, 64, 65, 70] as const

const window = (random: Random, unit: Window["_tag"]): Window =>
  unit === "Calls" ? { _tag: "Calls", size: random.pick(sizes) } : { _tag: "Time", span: random.pick(spans) }

const rate = (random: Random, unit: Window["_tag"] = random.pick(["Calls", "Time"])) => {
  const over = window(random, unit)
  const most = over._tag === "Calls" ? over.size : 20
  const minimumCalls = random.weighted([
    [4, () => random.between(1, Math.min(most, 6))],
    [2, () => random.between(1, most)],
    [1, () => most]
  ])
  return { threshold: random.pick(shares), window: over, minimumCalls }
}

const rule = (random: Random, depth: number): Rule =>
  random.weighted<Rule>([
    [3, () => ({ _tag: "Consecutive", failures: random.between(1, 5) })],
    [2, () => ({ _tag: "Failures", failures: random.between(1, 5), span: random.pick(spans) })],
    [4, () => ({ _tag: "FailureRate", ...rate(random) })],
    [2, () => ({ _tag: "SlowCallRate", slowerThan: random.pick(ages), ...rate(random) })],
    [2, () => ({ _tag: "InFlightAge", olderThan: random.pick(ages), calls: random.between(1, 3) })],
    [depth, () => ({ _tag: "Any", rules: random.list(random.between(1, 3), () => rule(random, depth - 1)) })],
    [depth, () => ({ _tag: "All", rules: random.list(random.between(1, 3), () => rule(random, depth - 1)) })]
  ])

/** A rule of the same kinds as another, that measures in the same units by other numbers. */
const variation = (random: Random, rule: Rule): Rule => {
  switch (rule._tag) {
    case "Consecutive":
      return { ...rule, failures: random.between(1, 5) }
    case "Failures":
      return { ...rule, failures: random.between(1, 5), span: random.pick(spans) }
    case "FailureRate":
    case "SlowCallRate":
      return { ...rule, ...rate(random, rule.window._tag) }
    case "InFlightAge":
      return { ...rule, olderThan: random.pick(ages), calls: random.between(1, 3) }
    default:
      return { ...rule, rules: rule.rules.map((part) => variation(random, part)) }
  }
}

/** A policy, often with a rule like that of another, so that an update between them has something to keep. */
export const policy = (random: Random, like: PolicyData | undefined): PolicyData => ({
  tripRule: like !== undefined && random.chance(0.5) ? variation(random, like.tripRule) : rule(random, 2),
  quorum: 1, // of no matter to one process
  halfOpen: {
    permits: random.between(1, 4),
    successThreshold: random.between(1, 3),
    failureThreshold: random.between(1, 3),
    maxDuration: random.pick([1, 20, 100, 1_000])
  },
  warmUp: random.chance(0.2) ? random.pick([1, 20, 500]) : 0,
  maxOpenDuration: random.pick([1, 50, 400, 3_600_000]),
  openDuration: { initial: random.pick([1, 10, 30, 100]), factor: random.pick([1, 2, 3]) }
})

const windowText = (window: Window): string => window._tag === "Calls" ? `${window.size} calls` : `${window.span} ms`

const ruleText = (rule: Rule): string => {
  switch (rule._tag) {
    case "Consecutive":
      return `consecutive(${rule.failures})`
    case "Failures":
      return `failures(${rule.failures} in ${rule.span} ms)`
    case "FailureRate":
      return `failureRate(${rule.threshold} of ${windowText(rule.window)}, at least ${rule.minimumCalls})`
    case "SlowCallRate":
      return `slowCallRate(${rule.slowerThan} ms, ${rule.threshold} of ${windowText(rule.window)}, ` +
        `at least ${rule.minimumCalls})`
    case "InFlightAge":
      return `inFlightAge(${rule.calls} of ${rule.olderThan} ms)`
    default:
      return `${rule._tag.toLowerCase()}[${rule.rules.map(ruleText).join(", ")}]`
  }
}

export const policyText = ({ halfOpen, maxOpenDuration, openDuration, tripRule, warmUp }: PolicyData): string =>
  [
    ruleText(tripRule),
    `open ${openDuration.initial} × ${openDuration.factor}ⁿ ms, at most ${maxOpenDuration}`,
    `permits ${halfOpen.permits}`,
    `closes at ${halfOpen.successThreshold}`,
    `opens at ${halfOpen.failureThreshold}`,
    `deadline ${halfOpen.maxDuration}`,
    ...(warmUp === 0 ? [] : [`warm-up ${warmUp}`])
  ].join("; ")
