/** What Lambda is told of a failure. */
import * as Cause from "effect/Cause"

/**
 * The error that a cause is about. Lambda's runtime takes for an error what has a name, a message and a stack, and tells
 * the caller nothing of anything else: a `CircuitOpen`, which has no stack, or a text that an effect failed with.
 */
export const toRejection = (cause: Cause.Cause<unknown>): Error => {
  const failure = Cause.squash(cause)
  if (failure instanceof Error && failure.stack !== undefined) return failure
  const error = new Error(messageOf(failure), { cause: failure })
  const tag = typeof failure === "object" && failure !== null ? Reflect.get(failure, "_tag") : undefined
  if (typeof tag === "string") error.name = tag
  return error
}

const messageOf = (failure: unknown): string => {
  if (failure instanceof Error) return failure.message
  if (typeof failure === "string") return failure
  try {
    return JSON.stringify(failure) ?? String(failure)
  } catch {
    return String(failure)
  }
}
