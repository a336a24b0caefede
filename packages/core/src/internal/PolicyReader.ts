/** Reads policies: the one place that holds fields, bounds, defaults and cross-checks. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Rule, Trial } from "../machine/Rule.ts"
import { PolicyError } from "../PolicyError.ts"
import { isKey, keyIssue } from "./Key.ts"
import { contains, intersect } from "./KeyPattern.ts"
import { isUsable } from "./OpenDuration.ts"
import * as Reader from "./Reader.ts"
import { complete, type Field, field, type Input, option, type Read } from "./Reader.ts"
import { readTripRule } from "./RuleReader.ts"

/** How long openings last, before cap and jitter; a schedule is asked for its delays. */
export type OpenDuration =
  | { readonly _tag: "Backoff"; readonly initial: number; readonly factor: number }
  | { readonly _tag: "Schedule"; readonly schedule: Schedule.Schedule<unknown, number> }

/** A policy for one key: every field valid and present, durations in milliseconds. */
export interface ValidPolicy {
  readonly tripRule: Rule
  readonly openDuration: OpenDuration
  readonly maxOpenDuration: number
  readonly jitter: number
  readonly halfOpen: Trial
  readonly warmUp: number
  readonly quorum: number
}

/** How circuits are shared, durations in milliseconds. */
export interface SyncPolicy {
  readonly hydrateTimeout: number
  readonly storeTimeout: number
  readonly flushEvery: number
  readonly refreshEvery: number
  readonly idleTimeToLive: number
  /** Whether there is work between calls. */
  readonly background: boolean
}

export interface PatternPolicy {
  readonly pattern: string
  readonly policy: ValidPolicy
}

/** What a whole policy comes to. */
export interface ValidPolicies {
  readonly base: ValidPolicy
  /** The policies of patterns, each with what it inherits, the narrowest first. */
  readonly patterns: ReadonlyArray<PatternPolicy>
  readonly maxKeys: number
  readonly sync: SyncPolicy
}

const initial = Reader.duration("1 millis", "1 day")
const factor = Reader.atLeast(1)
const probes = Reader.integer(1, 1000)

const openDuration: Reader.Reader<OpenDuration> = {
  allowed: `${initial.allowed}, an object with initial and factor, or a Schedule`,
  instruction: `${initial.instruction}, an object with initial and factor, or a Schedule`,
  read: (value, path, reading) => {
    if (Schedule.isSchedule(value)) {
      // A schedule's input and requirements leave no trace at run time; the policy's type asks for the right ones.
      const schedule = value as Schedule.Schedule<unknown, number>
      if (isUsable(schedule)) return { _tag: "Schedule", schedule }
      const allowed = "a Schedule that recurs at least once, and steps without waiting"
      reading.issues.push({ field: path, value, allowed })
      return undefined
    }
    const backoff = typeof value === "object" && value !== null && "initial" in value ? value : undefined
    if (backoff === undefined) {
      const constant = initial.read(value, path, Reader.silently(reading))
      if (constant !== undefined) return { _tag: "Backoff", initial: constant, factor: 1 }
      const allowed = openDuration.instruction
      reading.issues.push({ field: path, value, allowed, ...Reader.unitless(value, path, allowed, reading) })
      return undefined
    }
    Reader.onlyKnown({ ...backoff }, ["initial", "factor"], path, reading)
    const first = initial.read(backoff.initial, `${path}.initial`, reading)
    const by = "factor" in backoff && backoff.factor !== undefined
      ? factor.read(backoff.factor, `${path}.factor`, reading)
      : 2
    return first === undefined || by === undefined ? undefined : { _tag: "Backoff", initial: first, factor: by }
  }
}

const tripRule: Reader.Reader<Rule> = { allowed: "a TripRule", instruction: "a TripRule", read: readTripRule }

/** The fields of a key's policy, but for `halfOpen`. */
export const keyFields = {
  tripRule: field(tripRule, "consecutive(5)"),
  openDuration: field(openDuration, "30 seconds"),
  maxOpenDuration: field(Reader.duration("1 millis", "7 days"), "1 hour"),
  jitter: field(Reader.share({ zero: true }), 0),
  warmUp: field(Reader.duration("0 millis", "1 day"), 0),
  quorum: field(Reader.integer(1, 32), 1)
} satisfies Record<string, Field>

/** The fields of `halfOpen`. */
export const halfOpenFields = {
  permits: field(probes, 1),
  successThreshold: field(probes, 1),
  failureThreshold: field(probes, 1),
  maxDuration: field(Reader.duration("1 millis", "1 day"), "30 seconds")
} satisfies Record<string, Field>

/** The fields of a breaker as a whole. */
export const breakerFields = {
  maxKeys: field(Reader.integer(1, 10_000_000), 10_000),
  idleTimeToLive: field(Reader.duration("1 second", "30 days"), "1 hour"),
  hydrateTimeout: field(Reader.duration("1 millis", "1 minute"), "100 millis"),
  storeTimeout: field(Reader.duration("1 millis", "1 minute"), "500 millis"),
  flushEvery: field(Reader.duration("10 millis", "1 minute"), "1 second"),
  refreshEvery: field(Reader.duration("10 millis", "1 hour"), "2 seconds"),
  background: field(Reader.boolean, true)
} satisfies Record<string, Field>

/** Where an option belongs that stands in a place that does not know it. */
const ofBreaker = Object.fromEntries(
  [...Object.keys(breakerFields), "keys"].map((name) => [
    name,
    `${name} is an option of the whole breaker; set it outside of keys`
  ])
)
const ofHalfOpen = Object.fromEntries(
  Object.keys(halfOpenFields).map((name) => [name, `${name} is an option of halfOpen; set it there`])
)

const keyNames = [...Object.keys(keyFields), "halfOpen"]
const breakerNames = [...keyNames, ...Object.keys(breakerFields), "keys"]

const defaultRule: Rule = { _tag: "Consecutive", failures: 5 }

/** Reads a policy, or every mistake in it. */
export const readPolicy = (
  input: unknown,
  options?: Pick<Reader.Reading, "requiresUnits">
): Effect.Effect<ValidPolicies, PolicyError> =>
  Effect.suspend(() => {
    const reading: Reader.Reading = { ...options, issues: [] }
    const whole = Reader.record(input, "policy", reading)
    Reader.onlyKnown(whole, breakerNames, "", reading, ofHalfOpen)
    const fields = readFields(whole, "", reading)
    crossCheck(fields, whole, "", reading)
    const policies = complete<ValidPolicies>({
      base: complete<ValidPolicy>(fields),
      maxKeys: option(whole, breakerFields, "maxKeys", "", reading),
      sync: complete<SyncPolicy>({
        idleTimeToLive: option(whole, breakerFields, "idleTimeToLive", "", reading),
        hydrateTimeout: option(whole, breakerFields, "hydrateTimeout", "", reading),
        storeTimeout: option(whole, breakerFields, "storeTimeout", "", reading),
        flushEvery: option(whole, breakerFields, "flushEvery", "", reading),
        refreshEvery: option(whole, breakerFields, "refreshEvery", "", reading),
        background: option(whole, breakerFields, "background", "", reading)
      }),
      patterns: readPatterns(whole, reading)
    })
    return reading.issues.length > 0 || policies === undefined
      ? Effect.fail(new PolicyError({ issues: reading.issues }))
      : Effect.succeed(policies)
  })

const readFields = (input: Input, path: string, reading: Reader.Reading): Read<ValidPolicy> => ({
  tripRule: input["tripRule"] === undefined
    ? defaultRule
    : tripRule.read(input["tripRule"], Reader.at(path, "tripRule"), reading),
  openDuration: option(input, keyFields, "openDuration", path, reading),
  maxOpenDuration: option(input, keyFields, "maxOpenDuration", path, reading),
  jitter: option(input, keyFields, "jitter", path, reading),
  halfOpen: readTrial(input["halfOpen"], Reader.at(path, "halfOpen"), reading),
  warmUp: option(input, keyFields, "warmUp", path, reading),
  quorum: option(input, keyFields, "quorum", path, reading)
})

/** Checks fields against each other, as far as they are valid by themselves. */
const crossCheck = (fields: Read<ValidPolicy>, input: Input, path: string, reading: Reader.Reading): void => {
  const { maxOpenDuration, openDuration } = fields
  if (openDuration?._tag !== "Backoff" || maxOpenDuration === undefined) return
  if (maxOpenDuration >= openDuration.initial) return
  const first = Duration.format(Duration.millis(openDuration.initial))
  const longest = Duration.format(Duration.millis(maxOpenDuration))
  const byDefault = input["maxOpenDuration"] === undefined ? ", the default" : ""
  const field = Reader.at(path, "maxOpenDuration")
  reading.issues.push({
    field,
    value: input["maxOpenDuration"] ?? keyFields.maxOpenDuration.default,
    allowed: `at least the first openDuration, ${openDuration.initial} millis`,
    message: `${Reader.at(path, "openDuration")} starts at ${first}, which is more than ` +
      `${field} (${longest}${byDefault}): set maxOpenDuration to at least ${first}, or shorten openDuration`
  })
}

const readTrial = (value: unknown, path: string, reading: Reader.Reading): Trial | undefined => {
  const input = value === undefined ? {} : Reader.record(value, path, reading)
  Reader.onlyKnown(input, Object.keys(halfOpenFields), path, reading)
  return complete<Trial>({
    permits: option(input, halfOpenFields, "permits", path, reading),
    successThreshold: option(input, halfOpenFields, "successThreshold", path, reading),
    failureThreshold: option(input, halfOpenFields, "failureThreshold", path, reading),
    maxDuration: option(input, halfOpenFields, "maxDuration", path, reading)
  })
}

const readPatterns = (whole: Input, reading: Reader.Reading): ReadonlyArray<PatternPolicy> => {
  if (whole["keys"] === undefined) return []
  const entries = Object.entries(Reader.record(whole["keys"], "keys", reading)).map(([pattern, value]) => {
    const path = `keys[${JSON.stringify(pattern)}]`
    if (!isKey(pattern)) reading.issues.push(keyIssue(path, pattern))
    const input = Reader.record(value, path, reading)
    Reader.onlyKnown(input, keyNames, path, reading, { ...ofHalfOpen, ...ofBreaker })
    return { pattern, path, input }
  })
  for (const [i, { path, pattern }] of entries.entries()) {
    const rival = entries.slice(0, i).find((other) => clash(other.pattern, pattern))
    if (rival !== undefined) {
      const other = JSON.stringify(rival.pattern)
      reading.issues.push({
        field: path,
        value: pattern,
        allowed: `a pattern that shares no key with ${other}, or is narrower or wider than it`,
        message:
          `${path} and the pattern ${other} match some of the same keys, and neither is narrower than the other: ` +
          "change one of them, so that it is clear which policy such a key has"
      })
    }
  }
  // A wider pattern contains more patterns; ties don't overlap, so their order is of no matter.
  const narrowestFirst = entries
    .map((entry) => ({ ...entry, width: entries.filter((other) => contains(entry.pattern, other.pattern)).length }))
    .sort((a, b) => a.width - b.width)
  return narrowestFirst.flatMap(({ input, path, pattern }) => {
    readFields(input, path, reading)
    // Itself first, and then what is wider.
    const around = narrowestFirst.filter((other) => contains(other.pattern, pattern)).map((other) => other.input)
    const merged = [...around, whole].reduceRight((all, own) => inherit(own, all), {})
    // What is inherited has been read where it stands, so its mistakes are named once, and there.
    const fields = readFields(merged, path, Reader.silently(reading))
    if (capped.some((name) => input[name] !== undefined)) crossCheck(fields, merged, path, reading)
    const policy = complete<ValidPolicy>(fields)
    return policy === undefined ? [] : [{ pattern, policy }]
  })
}

const capped = ["openDuration", "maxOpenDuration"]

const clash = (a: string, b: string): boolean => intersect(a, b) && contains(a, b) === contains(b, a)

const inherit = (own: Input, wider: Input): Input => ({
  ...wider,
  ...given(own),
  halfOpen: { ...given(wider["halfOpen"]), ...given(own["halfOpen"]) }
})

/** The fields that are given, of what may be no object at all. */
const given = (value: unknown): Input =>
  typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined))
    : {}
