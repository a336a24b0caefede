/** Reads trip rules, from code, JSON and Config alike. */
import { leaves, type Rule, type Window } from "../machine/Rule.ts"
import * as Reader from "./Reader.ts"

const count = Reader.integer(1, 1_000_000)
const threshold = Reader.share({ zero: false })
const span = Reader.duration("10 millis", "1 day")
const age = Reader.duration("1 millis", "1 day")
const inFlightCalls = Reader.integer(1, 1000)

const window: Reader.Reader<Window> = {
  allowed: `${count.allowed} of calls, or ${span.allowed}`,
  instruction: `${count.allowed} of calls, or ${span.instruction}`,
  read: (value, field, reading) => {
    const silent = Reader.silently(reading)
    const size = count.read(value, field, silent)
    if (size !== undefined) return { _tag: "Calls", size }
    const millis = typeof value === "number" ? undefined : span.read(value, field, silent)
    if (millis !== undefined) return { _tag: "Time", span: millis }
    reading.issues.push({ field, value, allowed: window.instruction })
    return undefined
  }
}

/** See `TripRule.failureRate` for where these defaults come from. */
const rate = {
  threshold: { reader: threshold, default: 0.5 },
  window: { reader: window, default: 100 },
  minimumCalls: { reader: count, default: 20 }
}

/** The options of each rule, what each may be, and its default if it has one. */
export const ruleFields = {
  Consecutive: { failures: { reader: count } },
  Failures: { failures: { reader: count }, window: { reader: span } },
  FailureRate: rate,
  SlowCallRate: { slowerThan: { reader: age }, ...rate },
  InFlightAge: { olderThan: { reader: age }, calls: { reader: inFlightCalls, default: 1 } }
} satisfies Record<string, Record<string, { readonly reader: Reader.Reader<unknown>; readonly default?: unknown }>>

const example = "{ \"_tag\": \"Consecutive\", \"failures\": 5 }, which TripRule.consecutive(5) makes"

const maxDepth = 5
const maxRules = 16
/** How many rules without rules of their own a trip rule may be made of: each is counted by itself, in memory and in stores. */
const maxParts = 64

export const readTripRule = (value: unknown, field: string, reading: Reader.Reading): Rule | undefined => {
  const rule = readRule(value, field, reading)
  const parts = rule === undefined ? 0 : leaves(rule).length
  if (parts <= maxParts) return rule
  reading.issues.push({ field, value, allowed: `made of at most ${maxParts} rules, and it is made of ${parts}` })
  return undefined
}

const readRule = (value: unknown, field: string, reading: Reader.Reading, depth = 1): Rule | undefined => {
  const input = Reader.record(value, field, reading, `a trip rule, such as ${example}`)
  const tag = input["_tag"]
  if (tag === "Any" || tag === "All") return readRules(tag, input, field, reading, depth)
  if (typeof tag === "string" && Object.hasOwn(ruleFields, tag)) {
    return readLeaf(tag as keyof typeof ruleFields, input, field, reading) // it has just been found there
  }
  // What is no object at all has been noted as that.
  if (value === input) {
    const allowed = `one of ${[...Object.keys(ruleFields), "Any", "All"].join(", ")}`
    reading.issues.push({ field: Reader.at(field, "_tag"), value: tag, allowed })
  }
  return undefined
}

type Input = Readonly<Record<string, unknown>>

const readRules = (
  tag: "Any" | "All",
  input: Input,
  field: string,
  reading: Reader.Reading,
  depth: number
): Rule | undefined => {
  Reader.onlyKnown(input, ["_tag", "rules"], field, reading)
  const rules = input["rules"]
  const path = Reader.at(field, "rules")
  if (depth > maxDepth || !Array.isArray(rules) || rules.length < 1 || rules.length > maxRules) {
    const allowed = `a list of 1 to ${maxRules} rules, nested at most ${maxDepth} deep`
    const isEmpty = Array.isArray(rules) && rules.length === 0
    reading.issues.push({
      field: path,
      value: rules,
      allowed,
      ...(isEmpty ? { message: `${path} is an empty list: it must be ${allowed}` } : {})
    })
    return undefined
  }
  // `Array.from` sees the holes of a list, which `map` would skip.
  const read = Array.from(rules, (rule: unknown, i) => readRule(rule, `${path}[${i}]`, reading, depth + 1))
  const valid = read.filter((rule) => rule !== undefined)
  return valid.length === read.length ? { _tag: tag, rules: valid } : undefined
}

const readLeaf = (
  tag: keyof typeof ruleFields,
  input: Input,
  field: string,
  reading: Reader.Reading
): Rule | undefined => {
  const fields: Record<string, { readonly reader: Reader.Reader<unknown>; readonly default?: unknown }> =
    ruleFields[tag]
  const before = reading.issues.length
  Reader.onlyKnown(input, ["_tag", ...Object.keys(fields)], field, reading)
  const read: Record<string, unknown> = { _tag: tag }
  for (const [name, { default: otherwise, reader }] of Object.entries(fields)) {
    const value = input[name] === undefined ? otherwise : input[name]
    read[name] = reader.read(value, Reader.at(field, name), reading)
  }
  fitMinimumCalls(read, input, field, reading)
  if (reading.issues.length > before) return undefined
  // The readers of a rule's options give what the machine's rule of that name has.
  return (tag === "Failures" ? { _tag: tag, failures: read["failures"], span: read["window"] } : read) as Rule
}

/** The least number of calls has to fit into a window of calls; a default one is made to. */
const fitMinimumCalls = (
  read: Record<string, unknown>,
  input: Input,
  field: string,
  reading: Reader.Reading
): void => {
  const { minimumCalls, window } = read as { readonly minimumCalls?: number; readonly window?: Window | number }
  if (typeof window !== "object" || window._tag !== "Calls" || minimumCalls === undefined) return
  if (minimumCalls <= window.size) return
  read["minimumCalls"] = window.size
  if (input["minimumCalls"] === undefined) return
  reading.issues.push({
    field: Reader.at(field, "minimumCalls"),
    value: input["minimumCalls"],
    allowed: `at most the window of ${window.size} calls, or it would never be reached`
  })
}
