/** What a fleet promises at every moment, whatever gets lost between its processes. */
import type { CircuitRecord } from "@reclose/core"
import { Duration } from "effect"
import { keepsOrder } from "./disasters.ts"
import type { Call, Fleet, Process } from "./Fleet.ts"
import type { Written } from "./FleetStore.ts"
import type { Scenario } from "./scenario.ts"

/** How long a process may take to learn of an opening, if nothing is lost on the way. */
const learns = { push: 1500, poll: 4000 }
/** The same for an override. */
const obeys = { push: 500, poll: 3000 }
/** The longest pause between two tries of a write that fails. */
const retries = 26_000
/** How long after a fault a process may still act on what it could not tell or learn. */
export const excused = 12_000
/** How long an opening and a trial last at most. */
const maxOpen = 10_001
const maxTrial = 5000
/** How long it may take until a probe whose lease was granted is under way. */
const leases = 500
/** For how long all calls of a fleet may be rejected: for one opening and one trial, and for some of each that faults cost. */
const starves = { faulty: 60_000, sound: 30_000 }

export class Watch {
  private readonly fleet: Fleet
  private readonly scenario: Scenario
  private seen = 0
  private calls = 0
  private rejections = 0
  private acts = 0
  /** Since when all calls have been rejected, and when that had lasted for too long. */
  private starvedAt: number | undefined = undefined
  private lateAt: number | undefined = undefined
  /** How long each opening lasted, by its generation. */
  private readonly durations = new Map<number, number>()
  /** When calls were rejected for probes that may not have been there. */
  private doubtful: ReadonlyArray<number> = []
  private checkedAt = 0
  private commands = 0
  /** What each process had reported of the store when the store began to deny writes. */
  private reported: ReadonlyMap<Process, { readonly failed: number; readonly recovered: number }> | undefined =
    undefined

  constructor(fleet: Fleet, scenario: Scenario) {
    this.fleet = fleet
    this.scenario = scenario
  }

  check(): string | undefined {
    const { fleet } = this
    const calls = fleet.calls.slice(this.calls)
    const rejections = fleet.rejections.slice(this.rejections)
    const problem = this.history() ?? this.probes() ?? this.learning(calls) ??
      this.rejecting(calls, rejections) ?? this.asking(calls.length + rejections.length) ?? this.reporting()
    this.calls = fleet.calls.length
    this.rejections = fleet.rejections.length
    this.acts = fleet.acts.length
    return problem
  }

  /** Every write follows from the one before it. */
  private history(): string | undefined {
    const { history } = this.fleet.store
    for (const { before, record } of history.slice(this.seen)) {
      // What is over by the store's clock is as good as lost. A store that holds an older record gives versions twice, so a
      // late request may come through that it had denied.
      const isOver = this.scenario.disasters.has("rollsBack") || this.scenario.disasters.has("loses") ||
        (before?.timeToLive !== undefined && record.time > before.time + before.timeToLive)
      const was = isOver ? 0 : before?.generation ?? 0
      if (record.generation < was) return `generation ${was} was followed by ${record.generation}`
      const tag = isOver ? "Closed" : before?.phase._tag ?? "Closed"
      if (record.generation === was && record.phase._tag !== tag) return `${tag} became ${record.phase._tag} unnoticed`
      if (record.generation > was && !follows(before, record, this.mayMiss)) {
        return `${tag} became ${record.phase._tag} with ${openings(record)} openings after ${openings(before)}`
      }
      if (new TextEncoder().encode(JSON.stringify(record)).length > 2500) return "the record has grown too large"
    }
    const twice = history.slice(this.seen).find(({ at, record }) => hits(record) > this.failuresFor(record, at))
    const problem = this.jitter()
    if (problem !== undefined) return problem
    if (twice !== undefined) return `${JSON.stringify(twice.record.evidence)} counts failures that there were not`
    this.seen = history.length
    return undefined
  }

  /** Openings that chance makes shorter are between half and all of the open time, and of different lengths. */
  private jitter(): string | undefined {
    if (!this.scenario.disasters.has("jitters")) return undefined
    for (const { record: { generation, phase } } of this.fleet.store.history.slice(this.seen)) {
      if (phase._tag !== "Open") continue
      const { duration } = phase
      if (duration < 3000 / 2 || duration > maxOpen) return `an opening lasts ${duration} milliseconds`
      this.durations.set(generation, duration)
    }
    // An opening that a store has lost, or that is restored, is written again as it was.
    if (!keepsOrder(this.scenario.disasters)) return undefined
    const durations = [...this.durations.values()]
    return durations.length > 2 && durations.every((duration) => duration === durations[0])
      ? `all ${durations.length} openings last ${durations[0] ?? 0} milliseconds`
      : undefined
  }

  /**
   * How many failures a record can know of: those since its circuit last changed, within the window if it has one. A
   * process can't know for how long its clock stood still, so what failed before is younger for it.
   */
  private failuresFor(record: CircuitRecord.CircuitRecord, at: number): number {
    const { disasters } = this.scenario
    // A snapshot keeps the age of what it counts, however long it was kept.
    if (disasters.has("restores")) return Number.POSITIVE_INFINITY
    const isTimed = record.evidence.some(({ _tag }) => _tag === "Time") && !disasters.has("stepsClock")
    // Two seconds of grace for a clock that is not known better than its answers took, and for what is under way.
    const since = isTimed ? at - 22_000 : 0
    return this.fleet.calls.filter(({ failedAt, failedBehind, process }) =>
      failedAt !== undefined && failedAt <= at && failedAt + process.clock.behind - failedBehind >= since
    ).length
  }

  private get mayMiss(): boolean {
    return this.scenario.isFaulty || !keepsOrder(this.scenario.disasters)
  }

  /** At most as many probes are out as there are permits, but for those of processes that could not ask. */
  private probes(): string | undefined {
    const now = this.fleet.world.now()
    const { calls, deniedAt, lostAt, store } = this.fleet
    // A store that has lost its record has lost the leases in it, and one that denies what it is asked grants none.
    if (store.isDenying || now - Math.max(deniedAt, lostAt) < excused) return undefined
    const out = calls.filter((call) =>
      call.isProbe && !call.isOver && now - call.at < 4000 && call.at - call.process.link.faultedAt > excused
    )
    const permits = this.scenario.policy.halfOpen?.permits ?? 1
    return out.length > permits ? `${out.length} probes are out: ${out.map(describeCall).join(", ")}` : undefined
  }

  /** No process runs a call that could have known for long enough that the circuit is open, or forced open. */
  private learning(calls: ReadonlyArray<Call>): string | undefined {
    const { acts, deniedAt, lostAt, store } = this.fleet
    const way = this.scenario.pushes ? "push" : "poll"
    for (const call of calls) {
      const { link, startedAt } = call.process
      const isExcused = store.isDenying || call.at - startedAt < 1000 ||
        call.at - Math.max(link.faultedAt, lostAt, deniedAt) < excused
      if (call.isProbe || link.isCut || isExcused || call.override !== "None") continue
      // An act that could not be written for long holds in its process until it is.
      const isTelling = call.at - link.faultedAt < retries
      const hasActed = acts.some(({ at, process }) =>
        process === call.process && (isTelling || at > call.at - learns[way])
      )
      if (hasActed) continue
      const forced = this.known(call.at - obeys[way], call.at)
      if (forced.length > 0 && forced.every(({ record }) => record.override === "ForcedOpen")) {
        return `${describeCall(call)} ran though the circuit was forced open`
      }
      const written = this.known(call.at - learns[way], call.at)
      const [known] = written
      if (known === undefined || known.record.phase._tag !== "Open") continue
      const { generation, phase } = known.record
      if (written.some(({ record }) => record.override !== "None" || record.generation !== generation)) continue
      if (known.at + phase.remaining > call.at) return `${describeCall(call)} ran though the circuit was open`
    }
    return undefined
  }

  /** What the store has held from one moment to another. What it had lost before, a new process can't know. */
  private known(from: number, to: number): ReadonlyArray<Written> {
    const { lostAt, store: { history } } = this.fleet
    const first = history.findLastIndex(({ at }) => at <= from && at > lostAt)
    return first < 0 ? [] : history.slice(first).filter(({ at }) => at <= to)
  }

  /** No rejection outlasts an opening, and calls run again soon after one, whatever the store's clock does. */
  private rejecting(calls: ReadonlyArray<Call>, rejections: Fleet["rejections"]): string | undefined {
    const { fleet } = this
    const ran = calls.at(-1)?.at ?? Number.NEGATIVE_INFINITY
    const isOther = fleet.acts.length > this.acts || (this.starvedAt ?? 0) <= Math.max(ran, fleet.stoodStillAt)
    if (isOther) this.eats()
    for (const { at, hasWaited, open, process } of rejections) {
      const who = `a call of process ${process.id} at ${at}`
      if (Duration.toMillis(open.retryAfter) > maxOpen) {
        return `${who} was to wait for ${Duration.format(open.retryAfter)}`
      }
      if (open.reason === "Forced") this.eats()
      else if (at > ran) this.starvedAt ??= at
      const bound = this.scenario.isFaulty ? starves.faulty : starves.sound
      if (this.starvedAt !== undefined && at - this.starvedAt > bound) this.lateAt ??= at
      // The call that is to probe may still be asking for its lease.
      if (this.lateAt !== undefined && at - this.lateAt > maxTrial + 1000) {
        return `${who} was rejected as ${open.reason}, and no call has run since ${this.starvedAt ?? 0}`
      }
      if (hasWaited && open.reason === "Probing") this.doubtful = [...this.doubtful, at]
    }
    return this.waiting()
  }

  /** A call that has waited for the end of an opening is rejected for probes only if there are some. */
  private waiting(): string | undefined {
    const { calls, deniedAt, lostAt, processes, store, world } = this.fleet
    // A probe whose lease was granted is under way by then.
    const judged = this.doubtful.filter((at) => at + leases <= world.now())
    this.doubtful = this.doubtful.filter((at) => at + leases > world.now())
    const found = judged.find((at) => {
      const isSound = !store.isDenying &&
        processes.every(({ link, startedAt }) => at - Math.max(link.faultedAt, startedAt, lostAt, deniedAt) > excused)
      return isSound && !calls.some((call) => !call.isOver || (call.at > at - maxTrial && call.at < at + leases))
    })
    return found === undefined
      ? undefined
      : `a call at ${found} had waited for the end of the opening, and was rejected for probes that there were not`
  }

  private eats(): void {
    this.starvedAt = undefined
    this.lateAt = undefined
  }

  /** The store is asked no more often than calls, flushes and refreshes need. */
  private asking(attempts: number): string | undefined {
    const { processes, store, world } = this.fleet
    const passed = world.now() - this.checkedAt
    const commands = store.reads + store.writes - this.commands
    this.checkedAt = world.now()
    this.commands = store.reads + store.writes
    const bound = processes.length * (30 + 10 * passed / 1000) + 10 * attempts
    return commands > bound ? `${commands} commands within ${passed} milliseconds` : undefined
  }

  /** A store that reads and does not write has failed once for each process, and not recovered. */
  private reporting(): string | undefined {
    const { processes, store } = this.fleet
    if (!store.isReadOnly) {
      this.reported = undefined
      return undefined
    }
    const { reported } = this
    if (reported === undefined) {
      this.reported = new Map(processes.map((process) => [process, { ...process.reports }]))
      return undefined
    }
    for (const process of processes) {
      const before = reported.get(process)
      const recovered = process.reports.recovered - (before?.recovered ?? 0)
      const failed = process.reports.failed - (before?.failed ?? 0)
      const isFaulty = process.link.faultedAt > Number.NEGATIVE_INFINITY
      if (before !== undefined && !isFaulty && (recovered > 1 || failed > 2)) {
        return `process ${process.id} reports that a read-only store failed ${failed} times and recovered ${recovered} times`
      }
    }
    return undefined
  }
}

const describeCall = (call: Call): string => `the call of process ${call.process.id} at ${call.at}`

/** How many failures a record counts. */
const hits = ({ evidence: [count], time }: CircuitRecord.CircuitRecord): number => {
  switch (count?._tag) {
    case undefined:
      return 0
    case "Consecutive":
      return count.failures
    case "Calls":
      return count.blocks.reduce((sum, [, hits]) => sum + hits, 0)
    case "Time":
      // A bucket that has left the window, of one or two seconds each, may stay in a record that is written for something else.
      return count.buckets.reduce((sum, [bucket, , hits]) => {
        const width = 1000 * Math.round(time / bucket / 1000)
        return (bucket + 10) * width > time ? sum + hits : sum
      }, 0)
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
