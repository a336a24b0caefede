/**
 * The error of a message that no retry will help.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * A message that no retry will help: what handles it can't read it, or it asks for what can't be.
 *
 * **Details**
 *
 * A message whose effect fails with this goes to `DeadLetter` with the reason, and is done. If it can't be brought there,
 * it stays in its queue.
 *
 * @category errors
 * @since 0.1.0
 */
export class MalformedMessage extends Data.TaggedError("MalformedMessage")<{
  /** For whoever looks into the dead-letter queue; of more than 1,000 characters, these are kept. */
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `The message is malformed: ${this.reason}`
  }
}
