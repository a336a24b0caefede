/**
 * What a process knows of a circuit that it shares: the record it last saw, and what it has to tell.
 *
 * An answer of a store may be lost after the write was done, so a write is an attempt until the record itself shows it:
 * every record names its latest writers. Nothing is counted twice, whatever gets lost.
 */
import type * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import type { CircuitRecord, OverrideAct } from "../CircuitRecord.ts"
import type { Circuit, Phase } from "../machine/Circuit.ts"
import { actOf, newest, untouched } from "./overrideAct.ts"
import { type Plan, remembered, type Settlement, type Standing, type Steering } from "./Plan.ts"
import { begin, beginRestored, type Count, join, type Report, report } from "./SharedEvidence.ts"

interface Attempt {
  readonly write: number
  /** The version that it replaces; it can come through only as long as the record has it. */
  readonly replaces: number
  readonly plan: Plan
  readonly standing: ReturnType<SharedCircuit["standing"]>
  readonly count: Count | undefined
  /** How often the phase had changed here when it was made. */
  readonly changes: number
}

/** Numbers the writes of a process: of all circuits, since one that is forgotten and used again must not repeat itself. */
export interface Writes {
  count: number
}

export class SharedCircuit {
  /** The record as it was last seen; undefined if there was none. */
  seen: CircuitRecord | undefined = undefined
  /** When the store was last heard, by the process's clock. */
  heardAt = Number.NEGATIVE_INFINITY
  /** By how much the wall clock was ahead of the process's clock then; not a number if the store was not heard. */
  lag: number
  /** When it was last considered what to tell of what is counted. */
  toldAt = Number.NEGATIVE_INFINITY
  /** When it was last asked for, with an answer or not, and by how much the wall clock was ahead then. */
  askedAt = Number.NEGATIVE_INFINITY
  askedLag = Number.NaN
  isPrivate = false
  /** One exchange at a time. */
  readonly turn = Semaphore.makeUnsafe(1)
  /** When the next exchange is due, by the process's clock. */
  due = Number.POSITIVE_INFINITY
  sleeper: Fiber.Fiber<void> | undefined = undefined
  /** How many exchanges wait for their turn, or are under way. */
  running = 0
  /** Whether the record may have changed since it was seen. */
  isStale = false
  /** The latest version that was heard of. */
  latest = 0
  /** Whether the last read failed, and the last write. An answer to one says nothing about the other. */
  readFailed = false
  writeFailed = false
  /** What the exchange under way asks of the store. */
  operation: "read" | "replace" = "read"
  /** When a store that has failed is asked again, by the process's clock. Until then nothing is written. */
  retryAt = Number.NEGATIVE_INFINITY
  /** How many announcements have been read at once, and until when they are counted. */
  hurries = 0
  hurriesUntil = Number.NEGATIVE_INFINITY
  /** How many calls there were when it was last looked, and when there were more than before. */
  calls = 0
  usedAt = Number.NEGATIVE_INFINITY
  /** How many calls wait for the store to let them probe. */
  leasing = 0
  /** How many exchanges in a row have failed or made room for others. */
  delays = 0
  /** The trip rule or the form of record of others that has been reported. */
  mismatch: string | undefined = undefined
  private readonly process: string
  /** The newest of the operator's acts that records have shown. */
  private act: OverrideAct = untouched
  /** The generation of the record on which the circuit rests. */
  private base = 0
  private isUnpublished = false
  private failed = false
  private settlements: ReadonlyArray<Settlement> = []
  private steering: ReadonlyArray<Steering> = []
  private reports: ReadonlyArray<Report> = []
  /** What the store knows of what is counted. */
  private counted: Count | undefined = undefined
  private counts = false
  private attempts: ReadonlyArray<Attempt> = []
  private readonly writes: Writes
  /** How often the phase has changed here. */
  private changes = 0
  private overrules = false
  /** The probes of the trial as it was last shared. */
  private sharedProbes: ReadonlyArray<number> = []

  constructor(process: string, lag = Number.NaN, writes: Writes = { count: 0 }) {
    this.process = process
    this.lag = lag
    this.writes = writes
  }

  // --- what there is to tell ----------------------------------------------------------------------------------------

  /** Whether the store has failed and not been seen to work again. */
  get isFailing(): boolean {
    return this.readFailed || this.writeFailed
  }

  /** Whether something waits to be told at once. */
  get isUrgent(): boolean {
    return (this.isUnpublished && !this.isPrivate) || this.settlements.length > 0 || this.isSteered
  }

  /** Whether an operator's act waits to be told. */
  get isSteered(): boolean {
    return this.overrules || this.steering.length > 0
  }

  /** Whether an operator's act that closes the circuit waits to be told. */
  get isClosedByOperator(): boolean {
    return this.overrules || this.steering.some((act) => act._tag === "Reset" || act.override === "ForcedClosed")
  }

  /** The override that records have shown last, undefined while an act of this process waits to be told. */
  get override(): OverrideAct["kind"] | undefined {
    return this.isSteered ? undefined : this.act.kind
  }

  /** Whether there is a later version than the one that was seen. */
  get isBehind(): boolean {
    return this.latest > (this.seen?.version ?? 0)
  }

  /** Whether counts wait to be told. */
  get isCounting(): boolean {
    return this.counts || this.reports.length > 0 || this.failed
  }

  /** Takes note that the circuit changed its phase here. */
  changedPhase(before: Phase, count: Count | undefined, isFailure: boolean): void {
    if (before._tag === "Closed" && count !== undefined) this.setAside(count)
    this.counted = undefined
    this.counts = false
    this.isUnpublished = true
    this.settlements = []
    this.changes++
    if (isFailure) this.failed = true
  }

  /**
   * Returns what is shared of the circuit that an operator puts in the place of this one, whatever the record says. `restored`
   * is what that circuit has counted, if it is closed. This one is silent then.
   */
  successor(restored?: Count): SharedCircuit {
    this.isUnpublished = false
    this.settlements = []
    this.steering = []
    this.endCounting()
    const next = new SharedCircuit(this.process, Number.NaN, this.writes)
    next.seen = this.seen
    next.base = this.base
    next.act = this.act
    // The same store: what it failed at was published already.
    next.readFailed = this.readFailed
    next.writeFailed = this.writeFailed
    next.delays = this.delays
    if (restored !== undefined) {
      next.counted = beginRestored(restored)
      next.counts = true
    }
    next.overrules = true
    next.isUnpublished = true
    return next
  }

  settled(probe: number, outcome: Settlement["outcome"], duration: number): void {
    // Of one that was made without the store's leave nobody has to hear: there may be any number while it is away.
    if (!this.mayBeRecorded(probe)) return
    this.settlements = [...this.settlements, { generation: this.base, probe, outcome, duration }]
  }

  private mayBeRecorded(probe: number): boolean {
    return [this.seen?.phase, ...this.attempts.map(({ plan }) => plan.circuit.phase)]
      .some((phase) => phase?._tag === "HalfOpen" && phase.probes.includes(probe))
  }

  steered(act: Steering): void {
    // A reset is the end of whatever was asked for before, and an override of the one before.
    this.steering = [...this.steering.filter(({ _tag }) => act._tag === "Override" && _tag === "Reset"), act]
    if (act._tag === "Reset") {
      this.isUnpublished = true
      this.changes++
    }
  }

  /** Begins to count, from here on: before a failure is counted, or after somebody else's was heard of. */
  beginCounting(now: Count, recent: number): void {
    if (this.counts) return
    this.counted = begin(this.counted, now, recent)
    this.counts = true
  }

  /** Goes on counting from `after`, where `before` came to the same by other numbers. */
  recount(before: Count, after: Count): void {
    this.setAside(before)
    if (this.counted !== undefined) this.counted = after
  }

  private setAside(count: Count): void {
    // What is being told is as good as told: if it is not, too little is counted rather than twice.
    const told = this.attempts.findLast(({ plan }) => plan.tells)?.count ?? this.counted
    if (this.counts && told !== undefined) this.reports = join(this.reports, report(told, count))
  }

  /** Stops to count: nothing of it needs to be told. */
  endCounting(): void {
    this.counts = false
    this.reports = []
    this.failed = false
  }

  // --- what becomes of it -------------------------------------------------------------------------------------------

  /** Whether a record is of the generation on which the circuit rests. */
  restsOn(record: CircuitRecord | undefined): boolean {
    return (record?.generation ?? 0) === this.base
  }

  /** Where this process stands; `count` is what the circuit has counted, if it counts. */
  standing(circuit: Circuit, count: Count | undefined): Standing & { readonly aside: ReadonlyArray<Report> } {
    const { act, failed, isUnpublished, overrules, process, settlements, steering } = this
    const base = this.overrules ? Math.max(this.base, this.seen?.generation ?? 0) : this.base
    const counted = this.counts && this.counted !== undefined && count !== undefined ? report(this.counted, count) : []
    const { isPrivate, reports: aside } = this
    const reports = join(aside, counted)
    const acts = { act, overrules, rewrites: false, settlements, steering }
    return { process, circuit, base, isUnpublished, isPrivate, ...acts, reports, aside, failed }
  }

  /** The record for a plan, as an attempt to write it. */
  attempt(
    plan: Plan,
    next: NonNullable<Plan["next"]>,
    standing: Attempt["standing"],
    count: Count | undefined
  ): CircuitRecord {
    const record = this.seen
    const write = ++this.writes.count
    const { changes } = this
    const attempt = { write, replaces: record?.version ?? 0, plan, standing, count, changes }
    // All of them want to replace the same version. The oldest may still do it; what it tells is as good as told.
    const [oldest, ...newer] = this.attempts
    if (oldest !== undefined && newer.length >= remembered) this.told(oldest)
    this.attempts = [...(newer.length >= remembered ? newer : this.attempts), attempt]
    const writers = [...(record?.writers ?? []).slice(1 - remembered), [this.process, write] as const]
    // Begun at the store's time, so that no version ever comes again for a key whose record was dropped.
    return { ...next, version: record === undefined ? Math.max(1, Math.floor(next.time)) : record.version + 1, writers }
  }

  /** Sees the record as the store has it. Answers the plans that came through by that. */
  see(record: CircuitRecord | undefined, local: Circuit): ReadonlyArray<Done> {
    this.seen = record
    this.act = newest(this.act, actOf(record, this.act))
    const version = record?.version ?? 0
    const attempts = this.attempts
    this.attempts = attempts.filter((attempt) => attempt.replaces === version)
    return attempts.flatMap((attempt) => {
      if (record?.writers.some(([process, write]) => process === this.process && write === attempt.write) === true) {
        return [this.done(attempt, local)]
      }
      // Whether it came through can't be told any more. Rather too little is counted than twice.
      if (!isComplete(record, attempt.replaces)) this.told(attempt)
      return []
    })
  }

  /** Rests on a plan that has nothing to write. */
  rest(plan: Plan, standing: Attempt["standing"], count: Count | undefined): Done {
    return this.done({ write: 0, replaces: 0, plan, standing, count, changes: this.changes }, standing.circuit)
  }

  private done(attempt: Attempt, local: Circuit): Done {
    const { changes, plan, standing } = attempt
    // What was decided here since then is news that no record has yet, unless it has come to the same.
    const isCurrent = changes === this.changes
    const isOwn = isCurrent && plan.circuit.phase.generation === local.phase.generation
    const isReset = this.steering.some((act) => act._tag === "Reset" && !standing.steering.includes(act))
    if (isCurrent || (isSame(plan.circuit.phase, local.phase) && !isReset)) this.isUnpublished = plan.isPrivate
    if (plan.base === this.base) this.told(attempt)
    else {
      this.endCounting()
      this.counted = undefined
    }
    // A trial that was told has its number from now on, also for probes that have ended while it was told.
    const settlements = this.settlements
      .filter((settlement) => !standing.settlements.includes(settlement))
      .map((settlement) =>
        isOwn && settlement.generation === this.base ? { ...settlement, generation: plan.base } : settlement
      )
    this.settlements = settlements.filter(({ generation }) => generation === plan.base)
    this.base = plan.base
    this.overrules = false
    this.isPrivate = plan.isPrivate
    this.steering = this.steering.filter((act) => !standing.steering.includes(act))
    const circuit = this.upToDate(plan.circuit, local)
    this.sharedProbes = plan.circuit.phase._tag === "HalfOpen" ? plan.circuit.phase.probes : []
    return { plan, circuit, isTaken: isCurrent && plan.isTaken }
  }

  /** A planned circuit, with what has been asked for here since then: only a change of phase would have undone the plan. */
  private upToDate(planned: Circuit, local: Circuit): Circuit {
    return {
      ...planned,
      phase: planned.phase.generation === local.phase.generation
        ? this.goingOn(planned.phase, local.phase)
        : planned.phase,
      override: this.isSteered ? local.override : planned.override,
      isolations: local.isolations
    }
  }

  /** The same phase as it goes on here: it has counted since, and probes may be out that no store gave leave for. */
  private goingOn(planned: Phase, local: Phase): Phase {
    if (planned._tag === "Closed") return local
    if (planned._tag !== "HalfOpen" || local._tag !== "HalfOpen") return planned
    const alone = local.probes.filter((probe) => !this.sharedProbes.includes(probe) && !planned.probes.includes(probe))
    return alone.length === 0 ? planned : {
      ...planned,
      probes: [...planned.probes, ...alone],
      nextProbe: Math.max(planned.nextProbe, local.nextProbe),
      deadline: planned.probes.length === 0 ? local.deadline : planned.deadline
    }
  }

  private told({ count, plan, standing }: Attempt): void {
    if (!plan.tells) return
    if (standing.failed) this.failed = false
    if (this.reports === standing.aside) this.reports = []
    if (this.counted !== undefined && count !== undefined) this.counted = count
  }
}

/** A plan that came through, and whether the process has to take its circuit over. */
export interface Done {
  readonly plan: Plan
  /** The plan's circuit as it has to be taken over now. */
  readonly circuit: Circuit
  readonly isTaken: boolean
}

/** Whether a record names all who wrote since a version. The first to write chose its version by the clock. */
const isComplete = (record: CircuitRecord | undefined, since: number): boolean => {
  if (since === 0) return record === undefined || record.writers.length < remembered
  return record !== undefined && record.version >= since && record.version <= since + remembered
}

const isSame = (one: Phase, other: Phase): boolean =>
  one._tag === other._tag && (one._tag === "Closed" || other._tag === "Closed" || one.openings === other.openings)
