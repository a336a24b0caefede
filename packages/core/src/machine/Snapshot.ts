/**
 * A circuit as plain data, to be kept, moved and restored elsewhere. Times are remaining milliseconds, never instants,
 * so that they mean the same under another clock.
 */
import { type Circuit, closed, openingsOf, type Override } from "./Circuit.ts"
import type { CircuitTime } from "./CircuitTime.ts"
import type { Measured } from "./Evidence.ts"
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
  const { override, phase } = circuit
  const until = phase._tag === "Closed" ? phase.recovery?.until : phase._tag === "Open" ? phase.until : at
  return {
    phase: phase._tag === "Closed" ? "Closed" : "Open",
    generation: phase.generation,
    override,
    consecutiveOpenings: openingsOf(phase, at),
    openDuration: phase._tag === "Closed" ? 0 : phase._tag === "Open" ? phase.duration : phase.openDuration,
    remaining: Math.max(0, (until ?? at) - at),
    warmUp: phase._tag === "Closed" ? Math.max(0, (phase.warmUntil ?? at) - at) : 0,
    measured: phase._tag === "Closed" ? phase.evidence.measured(at) : []
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
  const common = { override: snapshot.override, isolations: 0, time }
  if (snapshot.phase === "Open") {
    const until = at + Math.min(snapshot.remaining, policy.maxOpenDuration)
    const duration = Math.min(snapshot.openDuration, policy.maxOpenDuration)
    return { ...common, phase: { _tag: "Open", generation, openings, duration, until } }
  }
  return {
    ...common,
    phase: closed(policy, generation, at, {
      measured: snapshot.measured,
      ...(snapshot.warmUp > 0 ? { warmUntil: at + snapshot.warmUp } : {}),
      ...(snapshot.remaining > 0 ? { recovery: { openings, until: at + snapshot.remaining } } : {})
    })
  }
}
