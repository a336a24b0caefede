/** What no record of a circuit exceeds. A record beyond it was not written by a breaker, and could not be written on. */
import type { CircuitRecord, RecordPhase, SharedCount } from "../CircuitRecord.ts"

/** Leaves room to count on: the largest number that can be written is twice as large. */
export const largestNumber = 2 ** 52
/**
 * By how much versions, generations and stamps may be ahead of the store's clock: a thousand years, in milliseconds. They begin
 * at that clock and grow by one with a write, so it moves on faster than they do: what is read can always be written on.
 */
const maxAhead = 2 ** 45
/** A trial has at most 1,000 permits; every other list is far shorter. */
const longestList = 1_024

const numbersOfPhase = (phase: RecordPhase): ReadonlyArray<number> => {
  switch (phase._tag) {
    case "Closed":
      return [phase.openings, phase.remaining]
    case "Open":
      return [phase.openings, phase.duration, phase.remaining]
    case "HalfOpen": {
      const { failures, nextProbe, openDuration, openings, probes, remaining, successes } = phase
      return [openings, openDuration, nextProbe, successes, failures, remaining, ...probes]
    }
  }
}

const listsOfCount = (count: SharedCount): ReadonlyArray<ReadonlyArray<number>> => {
  switch (count._tag) {
    case "Consecutive":
      return [[count.failures]]
    case "Calls":
      return count.blocks
    case "Time":
      return count.buckets
  }
}

/** `Math.max` takes its arguments on the stack, which is too small for the lists that are refused here. */
const largestOf = (numbers: ReadonlyArray<number>): number => numbers.reduce((one, other) => Math.max(one, other), 0)

/** Returns what is out of bounds in a record, as the end of a sentence; undefined if nothing is. */
export const outOfBounds = (record: CircuitRecord, storeNow: number): string | undefined => {
  const { act, evidence, failing, failingSince = 0, generation, phase, time, timeToLive = 0, version, writers } = record
  const counts = evidence.map(listsOfCount)
  const lists = [evidence, failing, writers, ...counts, ...(phase._tag === "HalfOpen" ? [phase.probes] : [])]
  const longest = largestOf(lists.map((list) => list.length))
  if (longest > longestList) return `a list of ${longest} entries, where ${longestList} are allowed`
  const counter = largestOf([version, generation, act?.stamp ?? 0])
  const mostCounted = Math.max(0, storeNow) + maxAhead
  if (counter > mostCounted) return `the counter ${counter}, where ${mostCounted} is allowed`
  const largest = largestOf([
    version,
    time,
    timeToLive,
    generation,
    act?.stamp ?? 0,
    failingSince,
    ...numbersOfPhase(phase),
    ...[...failing, ...writers].map(([, number]) => number),
    ...counts.flat(2)
  ])
  return largest > largestNumber ? `the number ${largest}, where ${largestNumber} is allowed` : undefined
}
