/** What has happened to circuits since it was last told. Holds nothing of circuits that the breaker has forgotten. */
import { type MetricName, names } from "@reclose/cloudwatch"
import type { CircuitEvent, Transition } from "@reclose/core/CircuitEvent"
import type { CallCounts, CircuitState } from "@reclose/core/CircuitState"
import * as Option from "effect/Option"
import type { Metrics } from "./EmbeddedFormat.ts"
import { type StoreFailure, toMismatch, toStoreFailure, toWritten, type WrittenFailure } from "./storeFailures.ts"

type Counts = { -readonly [Name in MetricName]: number }

/** A transition, as it is written for people. */
export interface ToldTransition {
  readonly circuit: string
  readonly from: string
  readonly to: string
  readonly reason: string
  readonly time: number
  readonly override?: string
}

type KeyedFailure = readonly [key: string, failure: StoreFailure]

interface Part {
  readonly label: string
  readonly counts: Counts
  transitions: ReadonlyArray<ToldTransition>
  readonly failures: Array<KeyedFailure>
  readonly mismatches: Array<KeyedFailure>
}

/** What a circuit has gone through since it was last told. */
interface Changes {
  readonly counts: Counts
  transitions: ReadonlyArray<ToldTransition>
}

type Notes = {
  readonly storeFailures: ReadonlyArray<WrittenFailure>
  readonly recordMismatches: ReadonlyArray<WrittenFailure>
}

export interface Told {
  /** Undefined if there is nothing to tell of. */
  readonly service: Metrics | undefined
  /** What the line of the service says beside its metrics. */
  readonly notes: Notes
  readonly circuits: ReadonlyArray<{
    readonly label: string
    readonly metrics: Metrics
    readonly notes: Notes & { readonly transitions: ReadonlyArray<ToldTransition> }
  }>
  /** How many circuits had something to tell and were not told of by themselves. */
  readonly leftOut: number
}

const maxTransitions = 20
const noCalls: CallCounts = { succeeded: 0, failed: 0, ignored: 0, rejected: 0 }

export class CircuitTally {
  /** Of each circuit that the breaker holds, what was counted of its calls when it was last told. */
  private told = new Map<string, CallCounts>()
  private readonly changes = new Map<string, Changes>()
  /** For which circuits the store fails, and for which it has failed since it was last told. */
  private readonly failing = new Map<string, StoreFailure>()
  private readonly failed = new Map<string, StoreFailure>()
  /** Circuits whose records the store has held in a form or by a rule of other instances, since lines were last written. */
  private readonly mismatched = new Map<string, StoreFailure>()
  /** How many events it was given. */
  recorded = 0

  record(event: CircuitEvent): void {
    this.recorded++
    switch (event._tag) {
      case "Transition": {
        const changes = this.changes.get(event.key) ?? { counts: noCounts(), transitions: [] }
        for (const name of namesOf(event)) changes.counts[name]++
        changes.transitions = [...changes.transitions, toTold(event)].slice(-maxTransitions)
        this.changes.set(event.key, changes)
        return
      }
      case "StoreFailed": {
        const failure = toStoreFailure(event)
        this.failing.set(event.key, failure)
        this.failed.set(event.key, failure)
        return
      }
      case "StoreRecovered":
        this.failing.delete(event.key)
        return
      case "RecordMismatch":
        // It lasts as long as a rollout, and is no outage.
        this.mismatched.set(event.key, toMismatch(event))
        return
      case "KeyForgotten":
        this.told.delete(event.key)
        this.failing.delete(event.key)
        return
      case "RecordMatched":
      case "Overridden":
      case "PolicyUpdated":
      case "ClassifierFailed":
      case "KeyRefused":
        return
    }
  }

  /** Tells what has happened, and begins anew. */
  take(
    states: ReadonlyArray<CircuitState>,
    { label, maxCircuits }: {
      readonly label: (key: string) => Option.Option<string>
      readonly maxCircuits: number
    }
  ): Told {
    const service = noCounts()
    const parts = new Map<string, Part>()
    const told = new Map<string, CallCounts>()
    const partOf = (key: string): Part | undefined =>
      Option.match(label(key), {
        onNone: () => undefined,
        onSome: (label) => {
          const part = parts.get(label) ?? { label, counts: noCounts(), transitions: [], failures: [], mismatches: [] }
          parts.set(label, part)
          return part
        }
      })

    /** Adds to the service and to what is told of a circuit by itself. */
    const count = (key: string, counts: Metrics): Part | undefined => {
      add(service, counts)
      // Where a store can't be listened to, that is about no circuit.
      const part = key === "" ? undefined : partOf(key)
      if (part !== undefined) add(part.counts, counts)
      return part
    }

    for (const state of states) {
      const calls = since(this.told.get(state.key), state.counts)
      told.set(state.key, state.counts)
      const isOpen = rejects(state)
      const wasCalled = calls.succeeded + calls.failed + calls.ignored + calls.rejected > 0
      // A store that failed is told of once, so the circuit in use is what says that it still does.
      const failure = this.failing.get(state.key)
      if (wasCalled && failure !== undefined) this.failed.set(state.key, failure)
      if (!wasCalled && !isOpen) continue
      const counts: Metrics = {
        [names.callsSucceeded]: calls.succeeded,
        [names.callsFailed]: calls.failed,
        [names.callsIgnored]: calls.ignored,
        [names.callsRejected]: calls.rejected,
        [names.openCircuits]: isOpen ? 1 : 0
      }
      count(state.key, counts)
    }
    for (const [key, { counts, transitions }] of this.changes) {
      const part = count(key, counts)
      if (part !== undefined) part.transitions = [...part.transitions, ...transitions].slice(-maxTransitions)
    }
    for (const [key, failure] of this.failed) {
      count(key, { [names.storeFailures]: 1 })?.failures.push([key, failure])
    }
    for (const [key, failure] of this.mismatched) count(key, {})?.mismatches.push([key, failure])
    const notes = notesOf(this.failed, this.mismatched)

    const isSilent = this.changes.size === 0 && notes.recordMismatches.length === 0 &&
      Object.values(service).every((count) => count === 0)
    this.told = told
    this.changes.clear()
    this.failed.clear()
    this.mismatched.clear()
    if (isSilent) return { service: undefined, notes, circuits: [], leftOut: 0 }
    const ordered = [...parts.values()].sort((one, other) => weightOf(other) - weightOf(one))
    const circuits = ordered.slice(0, maxCircuits).map(({ counts, failures, label, mismatches, transitions }) => ({
      label,
      metrics: withoutZeros(counts),
      notes: { transitions, ...notesOf(failures, mismatches) }
    }))
    return { service, notes, circuits, leftOut: ordered.length - circuits.length }
  }
}

const notesOf = (failures: Iterable<KeyedFailure>, mismatches: Iterable<KeyedFailure>): Notes => ({
  storeFailures: toWritten("StoreFailed", failures),
  recordMismatches: toWritten("RecordMismatch", mismatches)
})

const noCounts = (): Counts => ({
  CircuitOpened: 0,
  CircuitClosed: 0,
  CircuitHalfOpened: 0,
  CircuitReopened: 0,
  RecoveryFailed: 0,
  CallsSucceeded: 0,
  CallsFailed: 0,
  CallsRejected: 0,
  CallsIgnored: 0,
  OpenCircuits: 0,
  StoreFailures: 0
})

const add = (counts: Counts, more: Metrics): void => {
  for (const name of Object.values(names)) counts[name] += more[name] ?? 0
}

/** Counts begin anew where a circuit was put in the place of another one. */
const since = (before: CallCounts = noCalls, now: CallCounts): CallCounts => {
  const isSame = now.succeeded >= before.succeeded && now.failed >= before.failed && now.ignored >= before.ignored &&
    now.rejected >= before.rejected
  return isSame
    ? {
      succeeded: now.succeeded - before.succeeded,
      failed: now.failed - before.failed,
      ignored: now.ignored - before.ignored,
      rejected: now.rejected - before.rejected
    }
    : now
}

/** An open circuit counts as open though its next call is a probe, and a half-open one while its probes are under way. */
const rejects = (state: CircuitState): boolean =>
  state.isRejecting || (state.override === "None" && state.phase === "Open")

/** Returns what a transition counts as: nothing if it happened elsewhere, or earlier, or would have without its override. */
const namesOf = (
  { consecutiveOpenings, from, override, reason, to }: Transition
): ReadonlyArray<MetricName> => {
  if (reason._tag === "Learned" || reason._tag === "Restored" || override === "MetricsOnly") return []
  switch (to) {
    case "Open":
      if (from === "HalfOpen") return [names.circuitOpened, names.recoveryFailed]
      return consecutiveOpenings > 1 ? [names.circuitOpened, names.circuitReopened] : [names.circuitOpened]
    case "Closed":
      return [names.circuitClosed]
    case "HalfOpen":
      return [names.circuitHalfOpened]
  }
}

const toTold = ({ from, key, override, reason, time, to }: Transition): ToldTransition => ({
  circuit: key,
  from,
  to,
  reason: reason._tag,
  time,
  ...(override === "None" ? {} : { override })
})

/** What matters more is told first: changes, then trouble, then use. */
const weightOf = ({ counts, transitions }: Part): number =>
  transitions.length * 1e12 +
  (counts.CallsFailed + counts.CallsRejected + counts.StoreFailures + counts.OpenCircuits) * 1e6 +
  Math.min(1e6 - 1, counts.CallsSucceeded + counts.CallsIgnored)

const withoutZeros = (counts: Counts): Metrics =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
