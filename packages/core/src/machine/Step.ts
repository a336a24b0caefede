/**
 * The circuit breaker's state machine: the one place that decides.
 *
 * It knows no runtime, no clock and no store. A step takes a circuit, an event and the time, and answers the next
 * circuit, a decision and the changes of phase on the way. Time is in milliseconds of any origin; it may step back.
 */
import * as Duration from "effect/Duration"
import type { Outcome } from "../Outcome.ts"
import {
  type Circuit,
  type Closed,
  closed,
  type HalfOpen,
  isCold,
  openingsOf,
  type Override,
  overrideOf,
  type Phase,
  type Recovery
} from "./Circuit.ts"
import { makeEvidence, type Reading } from "./Evidence.ts"
import { type Call, InFlight } from "./InFlight.ts"
import type { MachinePolicy } from "./Rule.ts"

/** The right to make one call, settled once. */
export interface Permit {
  readonly generation: number
  /** The number of the probe, or undefined for a call of a closed circuit. */
  readonly probe: number | undefined
  readonly call: Call | undefined
}

/** The answer to an `Admit`. */
export type Admission =
  | { readonly _tag: "Admitted"; readonly permit: Permit }
  | { readonly _tag: "Rejected"; readonly rejection: Rejection }

/** The answer to any event; `Done` to all but an `Admit`. */
export type Decision = Admission | { readonly _tag: "Done" }

export interface Rejection {
  readonly phase: "Open" | "HalfOpen"
  readonly reason: "Tripped" | "Probing" | "Forced"
  /** Milliseconds until a call may be let through, as far as is known. */
  readonly retryAfter: number
  readonly openings: number
}

/** Why a circuit changed its phase. */
export type TransitionReason =
  | { readonly _tag: "Tripped"; readonly readings: ReadonlyArray<Reading> }
  | { readonly _tag: "OpenElapsed" }
  | { readonly _tag: "ProbesSucceeded" }
  | { readonly _tag: "ProbeFailed" }
  | { readonly _tag: "DeadlineExpired" }
  | { readonly _tag: "ForcedClosed" }
  | { readonly _tag: "Reset" }
  | { readonly _tag: "Learned" }
  | { readonly _tag: "Restored" }

export interface PhaseChange {
  readonly from: Phase["_tag"]
  readonly to: Phase["_tag"]
  readonly reason: TransitionReason
  readonly generation: number
  readonly openings: number
  /** How long the circuit stays open, in milliseconds; 0 unless it opens. */
  readonly openDuration: number
  readonly override: Override
}

export type Event =
  | { readonly _tag: "Admit" }
  | { readonly _tag: "Settle"; readonly permit: Permit; readonly outcome: Outcome; readonly duration: number }
  | { readonly _tag: "Tick" }
  | { readonly _tag: "Override"; readonly override: Override }
  | { readonly _tag: "Isolate" }
  | { readonly _tag: "Release" }
  | { readonly _tag: "Reset" }
  | { readonly _tag: "Update" }

export interface Step<D extends Decision = Decision> {
  readonly circuit: Circuit
  readonly decision: D
  readonly changes: ReadonlyArray<PhaseChange>
}

const done: Decision = { _tag: "Done" }
const noChanges: ReadonlyArray<PhaseChange> = []

/** The permit of a call that is let through without being measured. Its settlement changes nothing. */
export const unmeasured: Permit = { generation: -1, probe: undefined, call: undefined }

export const stay = (circuit: Circuit): Step => ({ circuit, decision: done, changes: noChanges })

/** One step of the machine. */
export const step = (policy: MachinePolicy, circuit: Circuit, event: Event, now: number): Step => {
  switch (event._tag) {
    case "Admit":
      return admit(policy, circuit, now)
    case "Settle":
      return settle(policy, circuit, event.permit, event.outcome, event.duration, now)
    case "Tick":
      return tick(policy, circuit, now)
    case "Override":
      return override(policy, circuit, event.override, now)
    case "Isolate":
      return stay({ ...circuit, isolations: circuit.isolations + 1 })
    case "Release":
      return stay({ ...circuit, isolations: Math.max(0, circuit.isolations - 1) })
    case "Reset":
      return reset(policy, circuit, now)
    case "Update":
      return update(policy, circuit, now)
  }
}

/** Lets a call through or rejects it. */
export const admit = (policy: MachinePolicy, circuit: Circuit, now: number): Step<Admission> => {
  const override = overrideOf(circuit)
  if (override === "Disabled") return admitted(stay(circuit), unmeasured)
  const at = circuit.time.at(now)
  if (override === "ForcedOpen") return rejected(stay(circuit), forced(policy, circuit.phase, at))
  const ticked = advance(policy, circuit, at)
  const rejection = blocked(policy, ticked.circuit.phase, at)
  if (rejection === undefined) return letThrough(policy, ticked, at)
  return override === "MetricsOnly" ? admitted(ticked, unmeasured) : rejected(ticked, rejection)
}

/**
 * Why a circuit rejects calls as it stands, if it does: the part of `admit` that changes nothing. The shell asks it
 * first, since a rejection has to cost little.
 */
export const rejectionOf = (policy: MachinePolicy, circuit: Circuit, at: number): Rejection | undefined => {
  switch (overrideOf(circuit)) {
    case "ForcedOpen":
      return forced(policy, circuit.phase, at)
    case "None":
      return blocked(policy, circuit.phase, at)
    case "ForcedClosed":
    case "Disabled":
    case "MetricsOnly":
      return undefined
  }
}

const forced = (policy: MachinePolicy, phase: Phase, at: number): Rejection => ({
  phase: "Open",
  reason: "Forced",
  retryAfter: policy.openDuration(1),
  openings: openingsOf(phase, at)
})

/** Whether a call would be a probe: the circuit is not closed, no operator overrules it, and it has room for one. */
export const wouldProbe = (policy: MachinePolicy, circuit: Circuit, at: number): boolean => {
  const override = overrideOf(circuit)
  return circuit.phase._tag !== "Closed" && (override === "None" || override === "MetricsOnly") &&
    blocked(policy, circuit.phase, at) === undefined
}

const blocked = (policy: MachinePolicy, phase: Phase, at: number): Rejection | undefined => {
  switch (phase._tag) {
    case "Closed":
      return undefined
    case "Open":
      return at < phase.until
        ? { phase: "Open", reason: "Tripped", retryAfter: phase.until - at, openings: phase.openings }
        : undefined
    case "HalfOpen":
      return phase.probes.length >= policy.halfOpen.permits && at < phase.deadline
        ? { phase: "HalfOpen", reason: "Probing", retryAfter: phase.deadline - at, openings: phase.openings }
        : undefined
  }
}

const letThrough = (policy: MachinePolicy, step: Step, at: number): Step<Admission> => {
  const { phase } = step.circuit
  switch (phase._tag) {
    case "Closed":
      return admitted(step, { generation: phase.generation, probe: undefined, call: phase.inFlight?.add(at) })
    case "Open": {
      const generation = phase.generation + 1
      const trial: HalfOpen = {
        _tag: "HalfOpen",
        generation,
        openings: phase.openings,
        openDuration: phase.duration,
        probes: [0],
        nextProbe: 1,
        successes: 0,
        failures: 0,
        deadline: at + policy.halfOpen.maxDuration
      }
      return admitted(change(step, trial, { _tag: "OpenElapsed" }), { generation, probe: 0, call: undefined })
    }
    case "HalfOpen": {
      const probe = phase.nextProbe
      const trial: HalfOpen = {
        ...phase,
        probes: [...phase.probes, probe],
        nextProbe: probe + 1,
        deadline: phase.probes.length === 0 ? at + policy.halfOpen.maxDuration : phase.deadline
      }
      return admitted(
        { ...step, circuit: { ...step.circuit, phase: trial } },
        { generation: phase.generation, probe, call: undefined }
      )
    }
  }
}

const admitted = ({ changes, circuit }: Step, permit: Permit): Step<Admission> => ({
  circuit,
  decision: { _tag: "Admitted", permit },
  changes
})

const rejected = ({ changes, circuit }: Step, rejection: Rejection): Step<Admission> => ({
  circuit,
  decision: { _tag: "Rejected", rejection },
  changes
})

/**
 * Takes note of how a call ended. A permit of an earlier generation changes nothing, nor does that of a probe which has
 * settled before. A closed circuit's permits have no number, so that they settle once is for the caller to see to.
 */
export const settle = (
  policy: MachinePolicy,
  circuit: Circuit,
  permit: Permit,
  outcome: Outcome,
  duration: number,
  now: number
): Step => {
  const at = circuit.time.at(now)
  const counted = circuit.override === "Disabled" ? ignored : outcome
  if (circuit.phase._tag === "Closed" && circuit.phase.generation === permit.generation) {
    return settleCall(policy, circuit, circuit.phase, permit, counted, duration, at)
  }
  const ticked = advance(policy, circuit, at)
  const { phase } = ticked.circuit
  if (phase._tag !== "HalfOpen" || phase.generation !== permit.generation || permit.probe === undefined) return ticked
  if (!phase.probes.includes(permit.probe)) return ticked
  const trial = { ...phase, probes: phase.probes.filter((probe) => probe !== permit.probe) }
  if (counted._tag === "Ignored") return { ...ticked, circuit: { ...ticked.circuit, phase: trial } }
  return counted._tag === "Failure" || duration >= policy.slowerThan
    ? probeFailed(policy, ticked, trial, at, retryAfterOf(counted))
    : probeSucceeded(policy, ticked, trial, at)
}

const settleCall = (
  policy: MachinePolicy,
  circuit: Circuit,
  phase: Closed,
  permit: Permit,
  counted: Outcome,
  duration: number,
  at: number
): Step => {
  // Before anything is judged: a call that is back is no longer in flight.
  if (permit.call !== undefined) phase.inFlight?.remove(permit.call)
  if (counted._tag === "Ignored") return advance(policy, circuit, at)
  if (isCold(phase, at)) return stay(circuit)
  const failed = counted._tag === "Failure"
  const readings = phase.evidence.record(failed, duration, at, failed && counted.isSoft)
  return readings === undefined || circuit.override === "ForcedClosed"
    ? stay(circuit)
    : trip(policy, circuit, phase, readings, at, retryAfterOf(counted))
}

const ignored: Outcome = { _tag: "Ignored" }

const retryAfterOf = (outcome: Outcome): number =>
  outcome._tag === "Failure" && outcome.retryAfter !== undefined ? Duration.toMillis(outcome.retryAfter) : 0

const probeFailed = (
  policy: MachinePolicy,
  step: Step,
  trial: HalfOpen,
  at: number,
  retryAfter: number
): Step => {
  const failures = trial.failures + 1
  return failures >= policy.halfOpen.failureThreshold
    ? open(policy, step, trial.openings + 1, { _tag: "ProbeFailed" }, at, retryAfter)
    : { ...step, circuit: { ...step.circuit, phase: { ...trial, failures } } }
}

const probeSucceeded = (policy: MachinePolicy, step: Step, trial: HalfOpen, at: number): Step => {
  const successes = trial.successes + 1
  return successes >= policy.halfOpen.successThreshold
    ? change(step, closed(policy, trial.generation + 1, at, { recovery: recoveryOf(trial, at) }), {
      _tag: "ProbesSucceeded"
    })
    : { ...step, circuit: { ...step.circuit, phase: { ...trial, successes } } }
}

/** The openings of a trial are forgotten once the circuit has stayed closed for as long as it was last open. */
const recoveryOf = (trial: HalfOpen, at: number): Recovery => ({
  openings: trial.openings,
  until: at + trial.openDuration
})

/** Opens a closed circuit. */
export const trip = (
  policy: MachinePolicy,
  circuit: Circuit,
  phase: Closed,
  readings: ReadonlyArray<Reading>,
  at: number,
  retryAfter: number
): Step =>
  open(
    policy,
    stay(circuit),
    openingsOf(phase, at) + 1,
    { _tag: "Tripped", readings },
    at,
    retryAfter
  )

const open = (
  policy: MachinePolicy,
  step: Step,
  openings: number,
  reason: TransitionReason,
  at: number,
  retryAfter: number
): Step => {
  const duration = Math.max(policy.openDuration(openings), Math.min(retryAfter, policy.maxOpenDuration))
  const generation = step.circuit.phase.generation + 1
  return change(step, { _tag: "Open", generation, openings, duration, until: at + duration }, reason)
}

/** A step that ends in another phase. */
export const change = (step: Step, phase: Phase, reason: TransitionReason): Step => ({
  circuit: { ...step.circuit, phase },
  decision: step.decision,
  changes: [...step.changes, {
    from: step.circuit.phase._tag,
    to: phase._tag,
    reason,
    generation: phase.generation,
    openings: phase._tag === "Closed" ? phase.recovery?.openings ?? 0 : phase.openings,
    openDuration: phase._tag === "Open" ? phase.duration : 0,
    override: overrideOf(step.circuit)
  }]
})

/** Brings a circuit up to date without a call: an expired trial fails, calls in flight may have grown too old. */
const tick = (policy: MachinePolicy, circuit: Circuit, now: number): Step =>
  advance(policy, circuit, circuit.time.at(now))

const advance = (policy: MachinePolicy, circuit: Circuit, at: number): Step => {
  const { phase } = circuit
  const step = stay(circuit)
  switch (phase._tag) {
    case "Open":
      return step
    case "Closed": {
      const forced = circuit.override === "ForcedClosed" || circuit.override === "Disabled"
      if (forced || phase.inFlight === undefined || isCold(phase, at)) return step
      const readings = phase.evidence.overdue(at)
      return readings === undefined ? step : trip(policy, circuit, phase, readings, at, 0)
    }
    case "HalfOpen":
      // The trial ended at its deadline, whenever that is noticed: the next opening is counted from there.
      return phase.probes.length > 0 && at >= phase.deadline
        ? open(policy, step, phase.openings + 1, { _tag: "DeadlineExpired" }, phase.deadline, 0)
        : step
  }
}

const override = (policy: MachinePolicy, circuit: Circuit, override: Override, now: number): Step => {
  const next = stay({ ...circuit, override })
  return override === "ForcedClosed" && circuit.phase._tag !== "Closed"
    ? change(next, closed(policy, circuit.phase.generation + 1, circuit.time.at(now), {}), { _tag: "ForcedClosed" })
    : next
}

const reset = (policy: MachinePolicy, circuit: Circuit, now: number): Step => {
  const phase = closed(policy, circuit.phase.generation + 1, circuit.time.at(now), {})
  const next = stay({ ...circuit, override: "None" })
  return circuit.phase._tag === "Closed"
    ? stay({ ...next.circuit, phase })
    : change(next, phase, { _tag: "Reset" })
}

/** Hands what a closed circuit has measured to a changed policy. An open or half-open circuit goes on as it is. */
const update = (policy: MachinePolicy, circuit: Circuit, now: number): Step => {
  const { phase } = circuit
  if (phase._tag !== "Closed") return stay(circuit)
  const at = circuit.time.at(now)
  // Kept while the generation lasts, since calls that stand in the list come back to it.
  const inFlight = phase.inFlight ?? (policy.needs.inFlight ? new InFlight() : undefined)
  const evidence = makeEvidence(policy.tripRule, inFlight, phase.evidence.measured(at), at)
  return stay({ ...circuit, phase: { ...phase, evidence, inFlight } })
}
