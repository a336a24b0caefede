/**
 * A circuit as plain data, to be kept, moved and restored elsewhere. Times are remaining milliseconds, never instants,
 * so that they mean the same under another clock.
 */
import { type Circuit, makeCircuit, type Override } from "./Circuit.ts"
import type { CircuitTime } from "./CircuitTime.ts"
import { makeEvidence, type Measured } from "./Evidence.ts"
import { InFlight } from "./InFlight.ts"
import type { MachinePolicy } from "./Rule.ts"

export interface CircuitSnapshot {
  readonly phase: "Closed" | "Open"
  readonly generation: number
  readonly consecutiveOpenings: number
  /** Open: how long the opening lasts in all. Closed: 0. */
  readonly openDuration: number
  /** Open: until its time is up. Closed: until its openings in a row are forgotten. */
  readonly remaining: number
  /** Closed: until the circuit is warm. */
  readonly warmUp: number
  readonly override: Override
  readonly measured: ReadonlyArray<Measured>
}

/** A half-open circuit is kept as an open one whose time is up: its probes are lost, so the next call probes anew. */
export const takeSnapshot = (circuit: Circuit, now: number): CircuitSnapshot => {
  const at = circuit.time.at(now)
  const { phase } = circuit
  const common = { generation: phase.generation, override: circuit.override }
  switch (phase._tag) {
    case "Closed": {
      const remaining = Math.max(0, phase.openingsUntil - at)
      return {
        ...common,
        phase: "Closed",
        consecutiveOpenings: remaining > 0 ? phase.openings : 0,
        openDuration: 0,
        remaining,
        warmUp: Math.max(0, phase.warmUntil - at),
        measured: phase.evidence.measured(at)
      }
    }
    case "Open":
      return {
        ...common,
        phase: "Open",
        consecutiveOpenings: phase.openings,
        openDuration: phase.duration,
        remaining: Math.max(0, phase.until - at),
        warmUp: 0,
        measured: []
      }
    case "HalfOpen":
      return {
        ...common,
        phase: "Open",
        consecutiveOpenings: phase.openings,
        openDuration: phase.openDuration,
        remaining: 0,
        warmUp: 0,
        measured: []
      }
  }
}

/** The circuit of a snapshot. Its generation moves on, so that no call admitted before can settle in it. */
export const restoreSnapshot = (
  policy: MachinePolicy,
  snapshot: CircuitSnapshot,
  time: CircuitTime,
  now: number
): Circuit => {
  const at = time.at(now)
  const generation = snapshot.generation + 1
  const openings = snapshot.consecutiveOpenings
  const fresh = makeCircuit(policy, time, now)
  if (snapshot.phase === "Open") {
    const until = at + Math.min(snapshot.remaining, policy.maxOpenDuration)
    const duration = Math.min(snapshot.openDuration, policy.maxOpenDuration)
    return { ...fresh, override: snapshot.override, phase: { _tag: "Open", generation, openings, duration, until } }
  }
  const inFlight = new InFlight()
  return {
    ...fresh,
    override: snapshot.override,
    phase: {
      _tag: "Closed",
      generation,
      evidence: makeEvidence(policy.tripRule, inFlight, snapshot.measured, at),
      inFlight,
      warmUntil: snapshot.warmUp > 0 ? at + snapshot.warmUp : Number.NEGATIVE_INFINITY,
      openings,
      openingsUntil: snapshot.remaining > 0 ? at + snapshot.remaining : Number.NEGATIVE_INFINITY
    }
  }
}
