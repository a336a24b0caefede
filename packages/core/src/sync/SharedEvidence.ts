/**
 * What the processes of a fleet have counted together.
 *
 * A process reports what it has counted since its last report; the record adds it up. Totals instead of a list of
 * processes keep the record small at any size of fleet. That nothing is added twice is for the record's writers to say,
 * see `SharedCircuit`.
 */
import type { SharedCount } from "../CircuitRecord.ts"
import type { Evidence, Measured } from "../machine/Evidence.ts"
import { leaves, type Rule } from "../machine/Rule.ts"
import { bucketCount } from "../machine/TimeWindow.ts"

/** A part of a rule that can be shared. The age of calls in flight can't: it is measured where the calls are. */
type Part = Exclude<Rule, { readonly _tag: "Any" | "All" | "InFlightAge" }>

/** What a process had counted at a moment, for each part of the rule. Buckets begin at a time of the process's own. */
export interface Count {
  readonly at: number
  readonly succeeded: number
  readonly parts: ReadonlyArray<PartCount>
}

type PartCount =
  | { readonly _tag: "Consecutive"; readonly failures: number }
  | { readonly _tag: "Calls"; readonly total: number; readonly outcomes: string }
  | { readonly _tag: "Time"; readonly buckets: ReadonlyArray<BucketCount> }

interface BucketCount {
  readonly begin: number
  readonly calls: number
  readonly hits: number
}

/** What a process has counted since it last reported, for each part of the rule. Buckets are numbered by its own time. */
export type Report =
  | { readonly _tag: "Consecutive"; readonly succeeded: boolean; readonly failures: number }
  | { readonly _tag: "Calls"; readonly calls: number; readonly hits: number; readonly known: number }
  | {
    readonly _tag: "Time"
    readonly buckets: ReadonlyArray<BucketCount>
    readonly known: number
  }

const parts = (rule: Rule): ReadonlyArray<Part> =>
  leaves(rule).flatMap((leaf) => leaf._tag === "InFlightAge" ? [] : [leaf])

/** For how long a failure makes its process one that fails: as long as the rule looks back, a minute at least. */
export const horizon = (rule: Rule): number => Math.max(60_000, ...parts(rule).map(spanOf))

const spanOf = (part: Part): number =>
  part._tag === "Failures" ? part.span : "window" in part && part.window._tag === "Time" ? part.window.span : 0

/** What a closed circuit has counted at `at`. */
export const countOf = (evidence: Evidence, succeeded: number, at: number): Count => {
  const totals = evidence.totals()
  const parts = evidence.measured(at).map((measured, part): PartCount => {
    switch (measured._tag) {
      case "Consecutive":
        return measured
      case "Calls":
        return { _tag: "Calls", total: totals[part] ?? 0, outcomes: measured.outcomes }
      case "Time":
        return { _tag: "Time", buckets: measured.buckets.map(({ age, ...bucket }) => ({ ...bucket, begin: at - age })) }
    }
  })
  return { at, succeeded, parts }
}

/**
 * What counts as told for a process that begins to count. What it did before doesn't matter, but for a window of time: its
 * calls have their time, so that all of them that have not been told are. Nor does a streak begin with a failure that
 * follows a success within `recent` milliseconds.
 */
export const begin = (told: Count | undefined, now: Count, recent: number): Count => {
  const isRecent = told !== undefined && now.at - told.at < recent
  const parts = now.parts.map((part, i) => {
    const before = told?.parts[i]
    if (part._tag === "Time") return before?._tag === "Time" ? before : { ...part, buckets: [] }
    return part._tag === "Consecutive" && isRecent && before?._tag === "Consecutive" ? before : part
  })
  return { at: isRecent ? told.at : now.at, succeeded: isRecent ? told.succeeded : now.succeeded, parts }
}

/** Returns what counts as told for a circuit that was restored: nothing, so that all that it has counted is told. */
export const beginRestored = (restored: Count): Count => ({
  ...restored,
  parts: restored.parts.map((part): PartCount => {
    switch (part._tag) {
      case "Consecutive":
        return { ...part, failures: 0 }
      case "Calls":
        return { ...part, total: part.total - part.outcomes.length, outcomes: "" }
      case "Time":
        return { ...part, buckets: [] }
    }
  })
})

/** Two reports that follow each other, as one. */
export const join = (first: ReadonlyArray<Report>, second: ReadonlyArray<Report>): ReadonlyArray<Report> =>
  first.length === 0 ? second : first.map((one, i): Report => {
    const other = second[i]
    switch (one._tag) {
      case "Consecutive":
        if (other?._tag !== "Consecutive") return one
        return other.succeeded ? other : { ...one, failures: one.failures + other.failures }
      case "Calls":
        return other?._tag === "Calls"
          ? { ...other, calls: one.calls + other.calls, hits: one.hits + other.hits }
          : one
      case "Time":
        return other?._tag === "Time" ? { ...other, buckets: [...one.buckets, ...other.buckets] } : one
    }
  })

/** What was counted between two moments. */
export const report = (told: Count, now: Count): ReadonlyArray<Report> =>
  now.parts.map((part, i): Report => {
    const before = told.parts[i]
    switch (part._tag) {
      case "Consecutive": {
        const succeeded = now.succeeded > told.succeeded
        const reported = before?._tag === "Consecutive" && !succeeded ? before.failures : 0
        return { _tag: "Consecutive", succeeded, failures: Math.max(0, part.failures - reported) }
      }
      case "Calls": {
        const counted = part.total - (before?._tag === "Calls" ? before.total : 0)
        const calls = Math.max(0, Math.min(part.outcomes.length, counted))
        const hits = calls === 0 ? 0 : part.outcomes.slice(-calls).replaceAll("0", "").length
        return { _tag: "Calls", calls, hits, known: part.outcomes.length }
      }
      case "Time": {
        const reported = before?._tag === "Time" ? before.buckets : []
        const buckets = part.buckets.map(({ begin, calls, hits }) => {
          // The same bucket, but for a rounding error.
          const same = reported.find((other) => Math.abs(other.begin - begin) < 1e-3)
          return { begin, calls: calls - (same?.calls ?? 0), hits: hits - (same?.hits ?? 0) }
        })
        const known = part.buckets.reduce((sum, { calls }) => sum + calls, 0)
        return { _tag: "Time", buckets: buckets.filter(({ calls }) => calls > 0), known }
      }
    }
  })

/**
 * Whether a rule weighs failures against successes. Failures are told at once, successes only when failures have been
 * heard of: to judge before that would be to listen to one side.
 */
export const needsSuccesses = (rule: Rule): boolean => parts(rule).some(({ _tag }) => _tag !== "Failures")

export const hasHits = (reports: ReadonlyArray<Report>): boolean =>
  reports.some((report) =>
    report._tag === "Consecutive"
      ? report.failures > 0
      : report._tag === "Calls"
      ? report.hits > 0
      : report.buckets.some(({ hits }) => hits > 0)
  )

/**
 * Whether a report would change what the fleet comes to. A process that sees enough calls to judge by itself has nothing
 * to add about rates: if all calls together fail too often, so do its own, or those of all others together. Successes
 * matter while there are failures to weigh them against.
 */
export const isWorthTelling = (
  rule: Rule,
  reports: ReadonlyArray<Report>,
  counts: ReadonlyArray<SharedCount>,
  fails: boolean
): boolean =>
  parts(rule).some((part, i) => {
    const report = reports[i]
    const count = counts[i]
    if (report === undefined) return false
    switch (report._tag) {
      case "Consecutive":
        return report.succeeded
          ? count?._tag === "Consecutive" && count.failures > 0
          : report.failures > 0
      case "Calls":
        return report.calls > 0 && (fails || report.hits > 0) && !suffices(part, report.known)
      case "Time":
        return part._tag === "Failures"
          ? report.buckets.some(({ hits }) => hits > 0)
          : report.buckets.some(({ hits }) => fails || hits > 0) && !suffices(part, report.known)
    }
  })

const suffices = (part: Part, known: number): boolean => "minimumCalls" in part && known >= part.minimumCalls

/** The counts with a report added. `toStore` turns the process's time into the store's. */
export const add = (
  rule: Rule,
  counts: ReadonlyArray<SharedCount>,
  reports: ReadonlyArray<Report>,
  storeNow: number,
  toStore: (at: number) => number
): ReadonlyArray<SharedCount> =>
  parts(rule).map((part, i) => {
    const report = reports[i]
    const count = counts[i]
    switch (part._tag) {
      case "Consecutive": {
        const before = count?._tag === "Consecutive" ? count.failures : 0
        if (report?._tag !== "Consecutive") return { _tag: "Consecutive", failures: before }
        return { _tag: "Consecutive", failures: report.succeeded ? report.failures : before + report.failures }
      }
      case "FailureRate":
      case "SlowCallRate":
        if (part.window._tag === "Calls") {
          const blocks = count?._tag === "Calls" ? count.blocks : []
          return {
            _tag: "Calls",
            blocks: report?._tag === "Calls" ? addCalls(blocks, report, part.window.size) : blocks
          }
        }
        return addTime(part.window.span, count, report, storeNow, toStore)
      case "Failures":
        return addTime(part.span, count, report, storeNow, toStore)
    }
  })

type Block = readonly [calls: number, hits: number]

/** The latest calls in blocks of a tenth of the window: a block goes once the newer ones fill the window. */
const addCalls = (
  blocks: ReadonlyArray<Block>,
  report: Extract<Report, { readonly _tag: "Calls" }>,
  size: number
): ReadonlyArray<Block> => {
  if (report.calls === 0) return blocks
  const last = blocks.at(-1)
  const grown: ReadonlyArray<Block> = last !== undefined && last[0] < size / bucketCount
    ? [...blocks.slice(0, -1), [last[0] + report.calls, last[1] + report.hits]]
    : [...blocks, [report.calls, report.hits]]
  let calls = grown.reduce((sum, block) => sum + block[0], 0)
  const kept = grown.findIndex(([own]) => {
    if (calls - own < size) return true
    calls -= own
    return false
  })
  return grown.slice(kept)
}

const addTime = (
  span: number,
  count: SharedCount | undefined,
  report: Report | undefined,
  storeNow: number,
  toStore: (at: number) => number
): SharedCount => {
  const width = span / bucketCount
  const now = Math.floor(storeNow / width)
  const buckets = new Map<number, readonly [number, number, number]>()
  const put = (bucket: number, calls: number, hits: number): void => {
    // A bucket of the future was numbered by a clock that has been set back since.
    if (bucket <= now - bucketCount || bucket > now + 1) return
    const before = buckets.get(bucket)
    buckets.set(bucket, [bucket, calls + (before?.[1] ?? 0), hits + (before?.[2] ?? 0)])
  }
  for (const bucket of count?._tag === "Time" ? count.buckets : []) put(...bucket)
  for (const { begin, calls, hits } of report?._tag === "Time" ? report.buckets : []) {
    // By its middle, which a small error of the clock doesn't move into another bucket.
    put(Math.min(now, Math.floor(toStore(begin + width / 2) / width)), calls, hits)
  }
  return { _tag: "Time", buckets: [...buckets.values()].sort(([a], [b]) => a - b) }
}

/** What the counts come to, as one process would have measured it. */
export const toMeasured = (
  rule: Rule,
  counts: ReadonlyArray<SharedCount>,
  storeNow: number
): ReadonlyArray<Measured> =>
  parts(rule).flatMap((part, i): ReadonlyArray<Measured> => {
    const count = counts[i]
    switch (count?._tag) {
      case undefined:
        return []
      case "Consecutive":
        return [count]
      case "Calls": {
        if (part._tag !== "FailureRate" && part._tag !== "SlowCallRate") return []
        const size = part.window._tag === "Calls" ? part.window.size : 0
        const outcomes = within(count.blocks, size)
          .map(([calls, hits]) => "1".repeat(hits) + "0".repeat(calls - hits))
          .join("")
        return [{ _tag: "Calls", rule: part._tag, slowerThan: slowLimit(part), outcomes }]
      }
      case "Time": {
        if (part._tag === "Consecutive") return []
        const width = spanOf(part) / bucketCount
        const newest = Math.floor(storeNow / width) + 1
        // A bucket of the future would stay new until the store's clock has caught up.
        const buckets = count.buckets.filter(([bucket]) => bucket <= newest).map(([bucket, calls, hits]) => ({
          age: Math.max(0, storeNow - bucket * width),
          calls,
          hits: Math.min(hits, calls)
        }))
        return [{ _tag: "Time", rule: part._tag, slowerThan: slowLimit(part), buckets }]
      }
    }
  })

/**
 * The newest blocks, as far as they fit into the window: of the oldest a part counts, with its share of hits. A record may
 * have been written by anybody, so there are no more hits than calls here, and no more calls than the window has.
 */
const within = (blocks: ReadonlyArray<Block>, size: number): ReadonlyArray<Block> => {
  let left = size
  return blocks.toReversed().flatMap(([calls, hits]): ReadonlyArray<Block> => {
    const taken = Math.min(calls, left)
    left -= taken
    return taken === 0 ? [] : [[taken, Math.min(taken, Math.round((hits * taken) / calls))]]
  }).toReversed()
}

const slowLimit = (part: Part): number => part._tag === "SlowCallRate" ? part.slowerThan : 0
