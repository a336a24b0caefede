/**
 * What happens to circuits, as data: transitions and the operator's acts.
 *
 * **Details**
 *
 * `transitions` and `events` of a breaker are streams of these. Each subscriber has a buffer of its own that keeps the
 * newest 256; one that falls behind loses the oldest and slows nobody. Calls are not events: count them with `state`,
 * which costs nothing until it is asked.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type { CircuitStoreError } from "./CircuitStoreError.ts"
import type { Override, Phase } from "./machine/Circuit.ts"
import type { Reading as MachineReading } from "./machine/Evidence.ts"
import type { TransitionReason as MachineReason } from "./machine/Step.ts"

/**
 * The phase of a circuit: calls run (`Closed`), calls are rejected (`Open`), a few calls try whether the dependency has
 * recovered (`HalfOpen`).
 *
 * @category models
 * @since 0.1.0
 */
export type CircuitPhase = Phase["_tag"]

/**
 * What an operator asked for, ruling over what the circuit would decide.
 *
 * **Details**
 *
 * - `None`: the circuit decides.
 * - `ForcedOpen`: every call is rejected.
 * - `ForcedClosed`: every call runs and is measured, and the circuit does not open.
 * - `Disabled`: every call runs and nothing is measured.
 * - `MetricsOnly`: every call runs while the circuit measures and changes its phase as it would, so that transitions
 *   show what a policy would do before it does it.
 *
 * @category models
 * @since 0.1.0
 */
export type CircuitOverride = Override

/**
 * What one trip rule measures, beside what it opens at. Windows and ages are in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export type Reading = MachineReading

/**
 * Why a circuit changed its phase.
 *
 * **Details**
 *
 * - `Tripped`: the trip rule's condition was met; `readings` says with which measurements.
 * - `OpenElapsed`: the open time was over and a call came, the first probe.
 * - `ProbesSucceeded`, `ProbeFailed`: the trial's answer.
 * - `DeadlineExpired`: the trial had no answer in `halfOpen.maxDuration`.
 * - `ForcedClosed`, `Reset`: an operator's act.
 * - `Learned`: the circuit changed elsewhere, for whatever reason, and the store told.
 * - `Restored`: `restore` replaced the circuit by one of another phase.
 *
 * @category models
 * @since 0.1.0
 */
export type TransitionReason = MachineReason

/**
 * A circuit changed its phase.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transition {
  readonly _tag: "Transition"
  readonly key: string
  /** When it was noticed, in milliseconds since 1970 by the breaker's clock. */
  readonly time: number
  readonly from: CircuitPhase
  readonly to: CircuitPhase
  readonly reason: TransitionReason
  /**
   * Counts the circuit's phases in this process; each process counts for itself. A call that was admitted in an earlier
   * one no longer matters.
   */
  readonly generation: number
  /** How often in a row the circuit has opened. */
  readonly consecutiveOpenings: number
  /** How long the circuit stays open, zero unless it opened. */
  readonly openDuration: Duration.Duration
  /** The override in force. Under `MetricsOnly` the transition shows what would have happened. */
  readonly override: CircuitOverride
}

/**
 * Anything that happened to a circuit, or to the breaker that holds it.
 *
 * **Details**
 *
 * - `Transition`: a circuit changed its phase.
 * - `Overridden`: an operator set or ended an override, also by `restore`, or a holder isolated the circuit or released it.
 * - `PolicyUpdated`: the breaker's policy was replaced.
 * - `ClassifierFailed`: a `classify` died or was interrupted; its call counted as ignored.
 * - `KeyForgotten`: an idle circuit was dropped.
 * - `KeyRefused`: there was no room for a new circuit; its call ran unguarded.
 * - `StoreFailed`: the store did not do what it was asked; the circuit goes on by local judgement. Published once, until
 *   `StoreRecovered`. The cause is a `CircuitStoreError`, or what a store died with. The key is empty where the
 *   changes can't be heard of.
 * - `StoreRecovered`: the store does again what it had failed to do for a circuit: a write that was refused has been
 *   answered, not only a read.
 * - `RecordMismatch`: the store works, but other instances count under another trip rule (`ForeignPolicy`), or write a form
 *   of record that this release does not read (`ForeignVersion`). Published once for each rule or form.
 * - `RecordMatched`: the record of a circuit can be used in full again.
 *
 * @category models
 * @since 0.1.0
 */
export type CircuitEvent =
  | Transition
  | { readonly _tag: "Overridden"; readonly key: string; readonly override: CircuitOverride }
  | { readonly _tag: "PolicyUpdated" }
  | { readonly _tag: "ClassifierFailed"; readonly key: string; readonly cause: unknown }
  | { readonly _tag: "KeyForgotten"; readonly key: string }
  | { readonly _tag: "KeyRefused"; readonly key: string }
  | {
    readonly _tag: "StoreFailed"
    readonly key: string
    readonly operation: "read" | "replace" | "changes"
    readonly cause: unknown
  }
  | { readonly _tag: "StoreRecovered"; readonly key: string }
  | {
    readonly _tag: "RecordMismatch"
    readonly key: string
    readonly reason: "ForeignPolicy" | "ForeignVersion"
    readonly cause: CircuitStoreError
  }
  | { readonly _tag: "RecordMatched"; readonly key: string }
