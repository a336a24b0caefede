/**
 * A circuit as it stands, for people and for telemetry.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type { CircuitOverride, CircuitPhase, Reading, Transition } from "./CircuitEvent.ts"
import type { RejectionReason } from "./CircuitOpen.ts"
import type { CircuitEntry } from "./internal/CircuitEntry.ts"
import { openingsOf, overrideOf } from "./machine/Circuit.ts"
import { rejectionOf } from "./machine/Step.ts"

/**
 * A circuit as it stands.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitState {
  readonly key: string
  readonly phase: CircuitPhase
  readonly override: CircuitOverride
  /** Counts the circuit's phases, 0 for a circuit that was never used. */
  readonly generation: number
  /** How often in a row the circuit has opened. */
  readonly consecutiveOpenings: number
  /** Open: the time until a call may probe. Otherwise zero. For what a rejected call is told, see `rejection`. */
  readonly retryAfter: Duration.Duration
  /** Whether a call would be rejected now, by the phase or by an operator's override. */
  readonly isRejecting: boolean
  /** What a call would be rejected with now; undefined if it would run. */
  readonly rejection: CircuitRejection | undefined
  /** How the circuit came into its phase, and why; undefined if it has not changed since this breaker made it. */
  readonly lastTransition: Transition | undefined
  /** How many probes are out. */
  readonly probes: number
  /** What each trip rule measures; empty unless the circuit is closed. */
  readonly readings: ReadonlyArray<Reading>
  /** Calls since the circuit was made, by how they ended. */
  readonly counts: CallCounts
}

/**
 * What a call is rejected with.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitRejection {
  readonly reason: RejectionReason
  /** When trying again makes sense, as in `CircuitOpen`. */
  readonly retryAfter: Duration.Duration
}

/**
 * Calls since a circuit was made, by how they ended. Interrupted calls are in none of these numbers.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallCounts {
  readonly succeeded: number
  readonly failed: number
  readonly ignored: number
  readonly rejected: number
}

/** @internal */
export const readState = (entry: CircuitEntry, at: number): CircuitState => {
  const { circuit, failed, ignored, key, lastTransition, rejected, succeeded } = entry
  const { phase } = circuit
  const rejection = rejectionOf(entry.policy, circuit, at)
  return {
    key,
    phase: phase._tag,
    override: overrideOf(circuit),
    generation: phase.generation,
    consecutiveOpenings: openingsOf(phase, at),
    retryAfter: phase._tag === "Open" ? Duration.millis(Math.ceil(Math.max(0, phase.until - at))) : Duration.zero,
    isRejecting: rejection !== undefined,
    rejection: rejection && {
      reason: rejection.reason,
      retryAfter: Duration.millis(Math.ceil(Math.max(0, rejection.retryAfter)))
    },
    lastTransition,
    probes: phase._tag === "HalfOpen" ? phase.probes.length : 0,
    readings: phase._tag === "Closed" ? phase.evidence.readings(at) : [],
    counts: { succeeded, failed, ignored, rejected }
  }
}
