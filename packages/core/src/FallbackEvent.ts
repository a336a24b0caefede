/**
 * What goes wrong while a fallback does its work, as data.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"

/**
 * Something that a fallback got over and nobody would hear of otherwise.
 *
 * **Details**
 *
 * - `StepFailed`: an effect of a chain failed; the next step was tried.
 * - `StoreFailed`: a store of last good answers did not do what it was asked, or not within `storeTimeout`. After a
 *   `read` the answer is looked for elsewhere; after a `write` the store goes on holding the one before.
 * - `AnswerCorrupt`: what a store holds is no answer, or one from the future; or the `copy` of an answer throws. The answer
 *   is treated as absent, and replaced by the next good one.
 *
 * @category models
 * @since 0.1.0
 */
export type FallbackEvent =
  | { readonly _tag: "StepFailed"; readonly source: string; readonly cause: Cause.Cause<unknown> }
  | {
    readonly _tag: "StoreFailed"
    readonly key: string
    readonly operation: "read" | "write"
    readonly cause: Cause.Cause<unknown>
  }
  | { readonly _tag: "AnswerCorrupt"; readonly key: string; readonly cause: Cause.Cause<unknown> }
