/**
 * What a process does about a record it has seen: what it learns from it, what it writes in its place.
 *
 * A pure function. It decides nothing about circuits itself: whatever happens to the shared circuit is a step of the same
 * machine that decides for a single process, taken from where the record stands.
 */
import type { CircuitRecord, OverrideAct } from "../CircuitRecord.ts"
import { type Circuit, isCold, openingsOf, type Phase } from "../machine/Circuit.ts"
import { makeEvidence } from "../machine/Evidence.ts"
import type { MachinePolicy } from "../machine/Rule.ts"
import {
  admit,
  change,
  type Event,
  type Permit,
  type PhaseChange,
  settle,
  stay,
  type Step,
  step,
  trip
} from "../machine/Step.ts"
import type { Outcome } from "../Outcome.ts"
import { actOf, isNewer, newest } from "./overrideAct.ts"
import { fromRecorded, toRecorded } from "./RecordedPhase.ts"
import * as SharedEvidence from "./SharedEvidence.ts"

/**
 * By how many milliseconds a record may be ahead of the store's clock: more than two processes can misjudge that clock by.
 * A record that is further ahead was written before the clock was set back.
 */
const tolerance = 2_000

/** How many processes a record remembers, of those that failed and of those that wrote. */
export const remembered = 32

/** A probe's answer, for the trial in which it was admitted. */
export interface Settlement {
  readonly generation: number
  readonly probe: number
  readonly outcome: Outcome
  readonly duration: number
}

/** An operator's act, to be repeated on whatever the record holds. */
export type Steering = Extract<Event, { readonly _tag: "Override" | "Reset" }>

/** Where a process stands. */
export interface Standing {
  readonly process: string
  readonly circuit: Circuit
  /** The newest of the operator's acts that records have shown. */
  readonly act: OverrideAct
  /** Whether an operator has put this circuit in the place of what the record holds, with its override and its counts. */
  readonly overrules: boolean
  /** Whether to write though there is nothing to say: to see whether the store takes writes again. */
  readonly rewrites: boolean
  /** The generation of the record on which the circuit rests. */
  readonly base: number
  /** Whether the circuit's phase was decided here and no record has it yet. */
  readonly isUnpublished: boolean
  /** Whether the circuit has opened for this process alone. */
  readonly isPrivate: boolean
  readonly settlements: ReadonlyArray<Settlement>
  readonly steering: ReadonlyArray<Steering>
  readonly reports: ReadonlyArray<SharedEvidence.Report>
  /** Whether this process saw failures that its reports don't show any more. */
  readonly failed: boolean
}

/** What a process takes into account beside the policy of a circuit. Durations are in milliseconds. */
export interface Terms {
  /** Tells the trip rule apart from others. */
  readonly rule: string
  readonly idleTimeToLive: number
  /** How long it takes until all who have something to say about failures have said it. */
  readonly hearing: number
}

/** The moment of a plan: by the process's clock, which the machine reads, by the circuits' time, and by the store's. */
export interface Moment {
  readonly now: number
  readonly at: number
  readonly storeNow: number
}

export interface Plan {
  /** What to put in place of what was seen; undefined if there is nothing to say. */
  readonly next: Omit<CircuitRecord, "version" | "writers"> | undefined
  /** The generation on which the circuit rests then. */
  readonly base: number
  /** The circuit as all share it then. */
  readonly circuit: Circuit
  /** The policy that it was made under. */
  readonly policy: MachinePolicy
  /** Whether the process has to take it over, and what has changed by that. */
  readonly isTaken: boolean
  readonly changes: ReadonlyArray<PhaseChange>
  /** The right to probe, where one was asked for and is to be had. */
  readonly permit: Permit | undefined
  /** Whether the process's opening stays its own, because too few others see failures. */
  readonly isPrivate: boolean
  /** Whether what was counted is told with `next`. */
  readonly tells: boolean
  /** Whether some process has seen failures lately. */
  readonly fails: boolean
}

/** A record whose time is over is as good as none. */
export const isExpired = (record: CircuitRecord, storeNow: number): boolean =>
  record.timeToLive !== undefined && storeNow > record.time + record.timeToLive

export const plan = (
  policy: MachinePolicy,
  { hearing, idleTimeToLive, rule }: Terms,
  standing: Standing,
  record: CircuitRecord | undefined,
  { at, now, storeNow }: Moment,
  wantsProbe: boolean
): Plan => {
  const { circuit: local, overrules, process, settlements, steering } = standing
  const generation = record?.generation ?? 0
  const moved = generation > standing.base
  const recordIsClosed = record === undefined || record.phase._tag === "Closed"
  // A store that has lost what it held, or has gone back to an older record, gets it again.
  const lost = generation < standing.base && (isWorthKeeping(local, at) || !recordIsClosed)
  // It ages from now on. Otherwise it would be new at each look until the store's clock has caught up.
  const isAhead = record !== undefined && record.time > storeNow + tolerance
  // The end of an opening that nobody else knew of is none of theirs either.
  const endsAlone = standing.isPrivate && recordIsClosed && local.phase._tag === "Closed" && steering.length === 0
  const unpublished = !moved && !endsAlone && (standing.isUnpublished || lost)

  const isForeign = record !== undefined && record.policy !== rule
  const counts = isForeign || overrules ? [] : record?.evidence ?? []
  const horizon = storeNow - SharedEvidence.horizon(policy.tripRule)
  const failing = (record?.failing ?? [])
    .map(([other, time]) => [other, isAhead ? Math.min(time, Math.floor(storeNow)) : time] as const)
    .filter(([, time]) => time > horizon && time <= storeNow + 60_000)
  const opens = unpublished && local.phase._tag !== "Closed"
  const fails = opens || standing.failed || SharedEvidence.hasHits(standing.reports)
  const nowFailing = fails
    ? [...failing.filter(([other]) => other !== process), [process, Math.floor(storeNow)] as const].slice(-remembered)
    : failing
  const failingSince = failing.length > 0 ? Math.min(record?.failingSince ?? storeNow, storeNow) : storeNow

  // An opening that nobody else has a reason for stays with the process that has one, where the policy asks for more.
  const isPrivate = opens && recordIsClosed && nowFailing.length < policy.quorum

  // An operator's act has been done here. Where the fleet has moved on since, it is done again on what it has come to.
  const isCommanded = overrules || steering.length > 0
  const recordedAct = actOf(record, standing.act)
  const known = newest(standing.act, recordedAct)
  const latest = Math.max(generation, standing.base, known.stamp)
  const act: OverrideAct = isCommanded
    ? { kind: local.override, stamp: Math.max(latest + 1, Math.floor(storeNow)), by: process }
    : known
  const isNewAct = isNewer(act, recordedAct) && (isCommanded || act.kind !== "None" || recordedAct.kind !== "None")
  const phased = unpublished && !isPrivate ? local : shared(policy, local, record, moved, at, storeNow)
  const begin = { ...phased, override: act.kind }
  let current: Step = isPrivate || begin.phase._tag === local.phase._tag
    ? stay(begin)
    : change(stay({ ...begin, phase: local.phase }), begin.phase, { _tag: "Learned" })

  for (const { duration, outcome, probe, ...settlement } of settlements) {
    if (settlement.generation !== generation || current.circuit.phase._tag !== "HalfOpen") continue
    const permit = { generation: current.circuit.phase.generation, probe, call: undefined }
    current = after(current, settle(policy, current.circuit, permit, outcome, duration, now))
  }
  for (const act of moved ? steering : []) current = after(current, step(policy, current.circuit, act, now))

  // A foreign record's counts are left to those who can read them, until they are over.
  const mayTell = !moved && current.circuit.phase._tag === "Closed" && current.circuit.override !== "Disabled" &&
    (!isForeign || failing.length === 0)
  const tells = mayTell && (standing.failed || (overrules && SharedEvidence.hasHits(standing.reports)) ||
    SharedEvidence.isWorthTelling(policy.tripRule, standing.reports, counts, failing.length > 0))
  // Nothing that is too old is written again, whatever the write is for.
  const evidence = tells || counts.length > 0
    ? SharedEvidence.add(
      policy.tripRule,
      counts,
      tells ? standing.reports : [],
      storeNow,
      (time) => time - at + storeNow
    )
    : counts
  const others = record?.writers.some(([writer]) => writer !== process) === true
  const isHeard = storeNow >= failingSince + hearing || !SharedEvidence.needsSuccesses(policy.tripRule)
  // Whoever has failed goes on judging: what it told may have been too early to be judged.
  const judges = tells || (mayTell && failing.some(([failed]) => failed === process))
  if (judges && others && isHeard && nowFailing.length >= policy.quorum) {
    current = after(current, tripTogether(policy, current.circuit, evidence, at, storeNow))
  }

  let permit: Permit | undefined
  if (wantsProbe && current.circuit.phase._tag !== "Closed") {
    const admission = admit(policy, current.circuit, now)
    current = after(current, admission)
    if (admission.decision._tag === "Admitted" && admission.decision.permit.probe !== undefined) {
      permit = admission.decision.permit
    }
  }

  const { circuit } = current
  const isNewPhase = (unpublished && !isPrivate) || circuit.phase.generation !== begin.phase.generation
  const isChanged = isNewPhase || circuit.phase !== begin.phase || isNewAct
  const base = isNewPhase ? Math.max(latest + 1, Math.floor(storeNow)) : generation
  const isTaken = !isPrivate && (moved || circuit.phase._tag === "HalfOpen" ||
    circuit.phase.generation !== local.phase.generation || circuit.override !== local.override ||
    endsSooner(circuit.phase, local.phase))
  const keepsCounts = isForeign && !isNewPhase && !tells
  return {
    next: isChanged || tells || isAhead || standing.rewrites
      ? {
        time: storeNow,
        timeToLive: timeToLive(circuit, at, idleTimeToLive),
        generation: base,
        phase: toRecorded(circuit, at),
        override: act.kind,
        act,
        policy: keepsCounts ? record.policy : rule,
        evidence: keepsCounts
          ? record.evidence
          : (isNewPhase && !overrules) || circuit.phase._tag !== "Closed"
          ? []
          : evidence,
        failing: nowFailing,
        ...(nowFailing.length > 0 ? { failingSince } : {})
      }
      : undefined,
    base: isPrivate ? standing.base : base,
    circuit,
    policy,
    isTaken,
    changes: isTaken ? current.changes : [],
    permit,
    isPrivate,
    tells,
    fails: failing.length > 0
  }
}

/**
 * Whether an opening is over sooner than its process thinks, whose clock has stood still while it was asleep. By more than
 * a second, since no clock of a store is known less well.
 */
const endsSooner = (shared: Phase, local: Phase): boolean =>
  shared._tag === "Open" && local._tag === "Open" && shared.until < local.until - 1000

/** The circuit as the record has it. Where that is no news, it is the process's own, with all that it has measured. */
const shared = (
  policy: MachinePolicy,
  local: Circuit,
  record: CircuitRecord | undefined,
  moved: boolean,
  at: number,
  storeNow: number
): Circuit => {
  const tag = record?.phase._tag ?? "Closed"
  if (!moved && tag === "Closed" && local.phase._tag === "Closed") return local
  const generation = local.phase.generation + (moved || tag !== local.phase._tag ? 1 : 0)
  const age = record === undefined ? 0 : Math.max(0, storeNow - record.time)
  const recorded = record?.phase ?? { _tag: "Closed" as const, openings: 0, remaining: 0 }
  const inRecord = fromRecorded(policy, recorded, generation, age, at)
  const phase = moved ? inRecord : noLater(inRecord, local.phase)
  const warmUntil = local.phase._tag === "Closed" ? local.phase.warmUntil : undefined
  return { ...local, phase: phase._tag === "Closed" ? { ...phase, warmUntil } : phase }
}

/**
 * A recorded phase that the process knows already. Its end only ever gets sooner: the process has measured by its own clock
 * how much of it is left, and the store's clock may have been set back.
 */
const noLater = (recorded: Phase, local: Phase): Phase => {
  if (recorded._tag === "Open" && local._tag === "Open") {
    return { ...recorded, until: Math.min(recorded.until, local.until) }
  }
  if (recorded._tag !== "HalfOpen" || local._tag !== "HalfOpen") return recorded
  // A trial gets another deadline with the first probe after all others have ended.
  const isSameLease = local.nextProbe >= recorded.nextProbe ||
    recorded.probes.some((probe) => local.probes.includes(probe))
  return isSameLease ? { ...recorded, deadline: Math.min(recorded.deadline, local.deadline) } : recorded
}

const after = (before: Step, next: Step): Step => ({ ...next, changes: [...before.changes, ...next.changes] })

/** Opens a closed circuit if all processes together have seen enough. What one of them sees, it judges by itself. */
const tripTogether = (
  policy: MachinePolicy,
  circuit: Circuit,
  evidence: CircuitRecord["evidence"],
  at: number,
  storeNow: number
): Step => {
  const { phase } = circuit
  if (phase._tag !== "Closed" || circuit.override === "ForcedClosed" || isCold(phase, at)) return stay(circuit)
  const measured = SharedEvidence.toMeasured(policy.tripRule, evidence, storeNow)
  const readings = makeEvidence(policy.tripRule, phase.inFlight, measured, at).verdict(at)
  return readings === undefined ? stay(circuit) : trip(policy, circuit, phase, readings, at, 0)
}

/** Whether something is lost with a circuit of which the store knows nothing. */
const isWorthKeeping = ({ override, phase }: Circuit, at: number): boolean =>
  phase._tag !== "Closed" || override !== "None" || openingsOf(phase, at) > 0

/** An operator's override is kept until an operator ends it. All else is kept as long as it matters, and a while. */
const timeToLive = ({ override, phase }: Circuit, at: number, idle: number): number | undefined => {
  if (override !== "None") return undefined
  switch (phase._tag) {
    case "Closed":
      return Math.ceil(Math.max(idle, (phase.recovery?.until ?? at) - at))
    case "Open":
      return Math.ceil(Math.max(0, phase.until - at) + idle)
    case "HalfOpen":
      return Math.ceil(Math.max(0, phase.deadline - at) + idle)
  }
}
