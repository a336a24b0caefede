/** What a fleet promises at every moment, whatever gets lost between its processes. */
import type { CircuitRecord } from "@reclose/core"
import type { Call, Fleet } from "./Fleet.ts"
import type { Scenario } from "./scenario.ts"

/** How long a process may take to learn of an opening, if nothing is lost on the way. */
const learns = { push: 1500, poll: 4000 }
/** How long after a fault a process may still act on what it could not tell or learn. */
const excused = 12_000

export class Watch {
  private readonly fleet: Fleet
  private readonly scenario: Scenario
  private seen = 0
  private calls = 0

  constructor(fleet: Fleet, scenario: Scenario) {
    this.fleet = fleet
    this.scenario = scenario
  }

  check(): string | undefined {
    return this.history() ?? this.probes() ?? this.learning()
  }

  /** Every write follows from the one before it. */
  private history(): string | undefined {
    const { history } = this.fleet.store
    for (const { before, record } of history.slice(this.seen)) {
      const was = before?.generation ?? 0
      if (record.generation < was) return `generation ${was} was followed by ${record.generation}`
      const tag = before?.phase._tag ?? "Closed"
      if (record.generation === was && record.phase._tag !== tag) return `${tag} became ${record.phase._tag} unnoticed`
      if (record.generation > was && !follows(before, record, this.mayMiss)) {
        return `${tag} became ${record.phase._tag} with ${openings(record)} openings after ${openings(before)}`
      }
      if (new TextEncoder().encode(JSON.stringify(record)).length > 2500) return "the record has grown too large"
    }
    const twice = history.slice(this.seen).find(({ at, record }) => hits(record) > this.failuresFor(record, at))
    if (twice !== undefined) return `${JSON.stringify(twice.record.evidence)} counts failures that there were not`
    this.seen = history.length
    return undefined
  }

  /** How many failures a record can know of: those since its circuit last changed, within the window if it has one. */
  private failuresFor(record: CircuitRecord.CircuitRecord, at: number): number {
    const isTimed = record.evidence.some(({ _tag }) => _tag === "Time")
    // Two seconds of grace for a clock that is not known better than its answers took, and for what is under way.
    const since = isTimed ? at - 22_000 : 0
    return this.fleet.calls.filter(({ failedAt }) => failedAt !== undefined && failedAt >= since && failedAt <= at)
      .length
  }

  private get mayMiss(): boolean {
    return this.scenario.isFaulty
  }

  /** At most as many probes are out as there are permits, but for those of processes that could not ask. */
  private probes(): string | undefined {
    const now = this.fleet.world.now()
    const { calls } = this.fleet
    const out = calls.filter((call) =>
      call.isProbe && !call.isOver && now - call.at < 4000 && call.at - call.process.link.faultedAt > excused
    )
    const permits = this.scenario.policy.halfOpen?.permits ?? 1
    return out.length > permits ? `${out.length} probes are out: ${out.map(describeCall).join(", ")}` : undefined
  }

  /** No process lets a call through that could have known for long enough that the circuit is open. */
  private learning(): string | undefined {
    const { calls, store } = this.fleet
    const bound = this.scenario.pushes ? learns.push : learns.poll
    const fresh = calls.slice(this.calls)
    this.calls = calls.length
    for (const call of fresh) {
      const { link, startedAt } = call.process
      if (call.isProbe || link.isCut || call.at - link.faultedAt < excused || call.at - startedAt < 1000) continue
      const known = store.history.findLast(({ at }) => at <= call.at - bound)?.record
      const latest = store.history.findLast(({ at }) => at <= call.at)?.record
      if (known?.phase._tag !== "Open" || latest?.generation !== known.generation) continue
      if (known.time + known.phase.remaining > call.at) return `${describeCall(call)} ran though the circuit was open`
    }
    return undefined
  }
}

const describeCall = (call: Call): string => `the call of process ${call.process.id} at ${call.at}`

/** How many failures a record counts. */
const hits = ({ evidence: [count] }: CircuitRecord.CircuitRecord): number => {
  switch (count?._tag) {
    case undefined:
      return 0
    case "Consecutive":
      return count.failures
    case "Calls":
      return count.blocks.reduce((sum, [, hits]) => sum + hits, 0)
    case "Time":
      return count.buckets.reduce((sum, [, , hits]) => sum + hits, 0)
  }
}

const openings = (record: CircuitRecord.CircuitRecord | undefined): number => record?.phase.openings ?? 0

/** Whether one recorded phase can follow another. A process that could not tell what happened may leave steps out. */
const follows = (
  before: CircuitRecord.CircuitRecord | undefined,
  next: CircuitRecord.CircuitRecord,
  mayMiss: boolean
): boolean => {
  if (mayMiss) return true
  const from = before?.phase._tag ?? "Closed"
  switch (next.phase._tag) {
    case "Open":
      return from !== "Open" && openings(next) <= openings(before) + 1
    case "HalfOpen":
      return from === "Open" && openings(next) === openings(before)
    case "Closed":
      return from === "HalfOpen"
  }
}

/** What keeps the processes and the store from having come to one state, if anything does. */
export const isHealed = (fleet: Fleet): string | undefined => {
  const phases = fleet.processes.map(({ breaker }) => fleet.phaseOf(breaker))
  const held = fleet.store.record?.phase._tag ?? "Closed"
  return phases.every((phase) => phase === "Closed") && held === "Closed"
    ? undefined
    : `after all faults are over the store holds ${held}, and the processes ${phases.join(", ")}`
}
