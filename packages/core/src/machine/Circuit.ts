/**
 * What a circuit is: one of three phases, each with only its own data, and what an operator asked for beside it.
 */
import type { CircuitTime } from "./CircuitTime.ts"
import { type Evidence, makeEvidence, type Measured } from "./Evidence.ts"
import { InFlight } from "./InFlight.ts"
import type { MachinePolicy } from "./Rule.ts"

/** Calls run, and their outcomes are evidence. */
export interface Closed {
  readonly _tag: "Closed"
  readonly generation: number
  readonly evidence: Evidence
  /** The calls in flight, noted where a rule asks for their age, or did. */
  readonly inFlight: InFlight | undefined
  /** When the circuit is warm, for one that warms up. */
  readonly warmUntil: number | undefined
  /** The openings in a row that came before, for a circuit that has recovered. */
  readonly recovery: Recovery | undefined
}

/** Openings in a row, which the circuit must stay closed until `until` to have forgotten. */
export interface Recovery {
  readonly openings: number
  readonly until: number
}

/** Calls are rejected until the time is up. */
export interface Open {
  readonly _tag: "Open"
  readonly generation: number
  readonly openings: number
  readonly duration: number
  readonly until: number
}

/** A few calls are let through to see whether the dependency has recovered. */
export interface HalfOpen {
  readonly _tag: "HalfOpen"
  readonly generation: number
  readonly openings: number
  /** How long the circuit was open before, which is how long it must stay closed for `openings` to be forgotten. */
  readonly openDuration: number
  readonly probes: ReadonlyArray<number>
  readonly nextProbe: number
  readonly successes: number
  readonly failures: number
  /** When the trial fails for lack of an answer. Runs while probes are out. */
  readonly deadline: number
}

export type Phase = Closed | Open | HalfOpen

/** What an operator asked for, ruling over what the machine decides. */
export type Override = "None" | "ForcedOpen" | "ForcedClosed" | "Disabled" | "MetricsOnly"

export interface Circuit {
  readonly phase: Phase
  readonly override: Override
  /** How many holders keep the circuit isolated; while there is one, it is forced open. */
  readonly isolations: number
  readonly time: CircuitTime
}

/** A closed circuit, with what was measured before where it has any. */
export const closed = (
  policy: MachinePolicy,
  generation: number,
  now: number,
  before: { readonly measured?: ReadonlyArray<Measured>; readonly warmUntil?: number; readonly recovery?: Recovery }
): Closed => {
  const inFlight = policy.needs.inFlight ? new InFlight() : undefined
  return {
    _tag: "Closed",
    generation,
    evidence: makeEvidence(policy.tripRule, inFlight, before.measured ?? [], now),
    inFlight,
    warmUntil: before.warmUntil,
    recovery: before.recovery
  }
}

/** How many openings in a row a circuit has behind it, counting the one it may be in. */
export const openingsOf = (phase: Phase, at: number): number => {
  if (phase._tag !== "Closed") return phase.openings
  return phase.recovery !== undefined && at < phase.recovery.until ? phase.recovery.openings : 0
}

/** Whether a closed circuit still measures nothing. */
export const isCold = (phase: Closed, at: number): boolean => phase.warmUntil !== undefined && at < phase.warmUntil

/** A new circuit: closed, and warming up if its policy asks for it. */
export const makeCircuit = (policy: MachinePolicy, time: CircuitTime, now: number): Circuit => {
  const at = time.at(now)
  const phase = closed(policy, 1, at, policy.warmUp > 0 ? { warmUntil: at + policy.warmUp } : {})
  return { phase, override: "None", isolations: 0, time }
}

/** The override in force: an isolation rules over every other. */
export const overrideOf = (circuit: Circuit): Override => circuit.isolations > 0 ? "ForcedOpen" : circuit.override
