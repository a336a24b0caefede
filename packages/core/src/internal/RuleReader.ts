/** Reads trip rules, from code, JSON and Config alike. */
import type { Rule, Window } from "../machine/Rule.ts"
import * as Reader from "./Reader.ts"

const count = Reader.integer(1, 1_000_000)
const threshold = Reader.share({ zero: false })
const span = Reader.duration("10 millis", "1 day")
const age = Reader.duration("1 millis", "1 day")
const inFlightCalls = Reader.integer(1, 1000)

const window: Reader.Reader<Window> = {
  allowed: `${count.allowed} of calls, or ${span.allowed}`,
  read: (value, field, reading) => {
    const silent = { issues: [] }
    const size = count.read(value, field, silent)
    if (size !== undefined) return { _tag: "Calls", size }
    const millis = typeof value === "number" ? undefined : span.read(value, field, silent)
    if (millis !== undefined) return { _tag: "Time", span: millis }
    reading.issues.push({ field, value, allowed: window.allowed })
    return undefined
  }
}

/** The defaults of a rate, see `TripRule.failureRate` for where they come from. */
export const rateDefaults = { threshold: 0.5, window: 100, minimumCalls: 20 }

/** The options of each rule, what each may be, and its default if it has one. */
export const ruleFields = {
  Consecutive: { failures: { reader: count } },
  Failures: { failures: { reader: count }, window: { reader: span } },
  FailureRate: {
    threshold: { reader: threshold, default: rateDefaults.threshold },
    window: { reader: window, default: rateDefaults.window },
    minimumCalls: { reader: count, default: rateDefaults.minimumCalls }
  },
  SlowCallRate: {
    slowerThan: { reader: age },
    threshold: { reader: threshold, default: rateDefaults.threshold },
    window: { reader: window, default: rateDefaults.window },
    minimumCalls: { reader: count, default: rateDefaults.minimumCalls }
  },
  InFlightAge: { olderThan: { reader: age }, calls: { reader: inFlightCalls, default: 1 } }
} as const

const maxDepth = 5
const maxRules = 16

export const readRule = (value: unknown, field: string, reading: Reader.Reading, depth = 1): Rule | undefined => {
  const input = Reader.record(value, field, reading)
  const tag = input["_tag"]
  switch (tag) {
    case "Any":
    case "All": {
      Reader.onlyKnown(input, ["_tag", "rules"], field, reading)
      const rules = input["rules"]
      const path = Reader.at(field, "rules")
      if (depth > maxDepth || !Array.isArray(rules) || rules.length < 1 || rules.length > maxRules) {
        const allowed = `a list of 1 to ${maxRules} rules, nested at most ${maxDepth} deep`
        reading.issues.push({ field: path, value: rules, allowed })
        return undefined
      }
      // `Array.from` sees the holes of a list, which `map` would skip.
      const read = Array.from(rules, (rule: unknown, i) => readRule(rule, `${path}[${i}]`, reading, depth + 1))
      const valid = read.filter((rule) => rule !== undefined)
      return valid.length === read.length ? { _tag: tag, rules: valid } : undefined
    }
    case "Consecutive": {
      const failures = leaf(input, "Consecutive", field, reading)("failures", count)
      return failures === undefined ? undefined : { _tag: tag, failures }
    }
    case "Failures": {
      const option = leaf(input, "Failures", field, reading)
      const failures = option("failures", count)
      const millis = option("window", span)
      return failures === undefined || millis === undefined ? undefined : { _tag: tag, failures, span: millis }
    }
    case "FailureRate": {
      const read = rate(leaf(input, "FailureRate", field, reading), input, field, reading)
      return read === undefined ? undefined : { _tag: tag, ...read }
    }
    case "SlowCallRate": {
      const option = leaf(input, "SlowCallRate", field, reading)
      const slowerThan = option("slowerThan", age)
      const read = rate(option, input, field, reading)
      return slowerThan === undefined || read === undefined ? undefined : { _tag: tag, slowerThan, ...read }
    }
    case "InFlightAge": {
      const option = leaf(input, "InFlightAge", field, reading)
      const olderThan = option("olderThan", age)
      const calls = option("calls", inFlightCalls, 1)
      return olderThan === undefined || calls === undefined ? undefined : { _tag: tag, olderThan, calls }
    }
    default: {
      if (value === input) {
        const allowed = `one of ${[...Object.keys(ruleFields), "Any", "All"].join(", ")}`
        reading.issues.push({ field: Reader.at(field, "_tag"), value: tag, allowed })
      }
      return undefined
    }
  }
}

type Option = <A>(name: string, reader: Reader.Reader<A>, otherwise?: A) => A | undefined

/** Reads the options of one rule, after noting those that it doesn't have. */
const leaf = (
  input: Readonly<Record<string, unknown>>,
  tag: keyof typeof ruleFields,
  field: string,
  reading: Reader.Reading
): Option => {
  Reader.onlyKnown(input, ["_tag", ...Object.keys(ruleFields[tag])], field, reading)
  return (name, reader, otherwise) =>
    input[name] === undefined && otherwise !== undefined
      ? otherwise
      : reader.read(input[name], Reader.at(field, name), reading)
}

const rate = (
  option: Option,
  input: Readonly<Record<string, unknown>>,
  field: string,
  reading: Reader.Reading
): { readonly threshold: number; readonly window: Window; readonly minimumCalls: number } | undefined => {
  const share = option("threshold", threshold, rateDefaults.threshold)
  const over = option("window", window, { _tag: "Calls", size: rateDefaults.window })
  const most = over?._tag === "Calls" ? over.size : Number.POSITIVE_INFINITY
  const minimumCalls = option("minimumCalls", count, Math.min(rateDefaults.minimumCalls, most))
  if (minimumCalls !== undefined && minimumCalls > most) {
    reading.issues.push({
      field: Reader.at(field, "minimumCalls"),
      value: input["minimumCalls"],
      allowed: `at most the window of ${most} calls, or it would never be reached`
    })
    return undefined
  }
  if (share === undefined || over === undefined || minimumCalls === undefined) return undefined
  return { threshold: share, window: over, minimumCalls }
}
