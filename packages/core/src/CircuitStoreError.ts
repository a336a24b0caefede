/**
 * What can go wrong with a store.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Why a store could not do what it was asked.
 *
 * **Details**
 *
 * - `Unavailable`: it could not be reached, or failed by itself.
 * - `Timeout`: it did not answer in time.
 * - `Throttled`: it asks for fewer requests.
 * - `Denied`: it refuses this program, for lack of rights or a wrong secret.
 * - `Missing`: what it keeps records in is not there, such as a table.
 * - `WrongType`: the key holds something that is none of ours.
 * - `Oversized`: the key or the record is larger than it takes.
 * - `Corrupt`: what it holds is no record.
 * - `ForeignVersion`: what it holds is a record of another release.
 * - `ForeignPolicy`: what it holds was counted under another trip rule.
 *
 * @category errors
 * @since 0.1.0
 */
export type CircuitStoreReason =
  | "Unavailable"
  | "Timeout"
  | "Throttled"
  | "Denied"
  | "Missing"
  | "WrongType"
  | "Oversized"
  | "Corrupt"
  | "ForeignVersion"
  | "ForeignPolicy"

/**
 * A store could not do what it was asked. The message says what to do about it.
 *
 * @category errors
 * @since 0.1.0
 */
export class CircuitStoreError extends Data.TaggedError("CircuitStoreError")<{
  /** The key it was about; for `changes` and `list` empty, or a prefix. */
  readonly key: string
  readonly operation: "read" | "replace" | "changes" | "list"
  readonly reason: CircuitStoreReason
  readonly message: string
  readonly cause?: unknown
}> {}
