/** Checks what the functions of a policy return, which JavaScript and casts don't. */
import type * as Outcome from "@reclose/core/Outcome"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"

/**
 * Returns an outcome as it is. Throws a `TypeError` for any other value: a circuit that settles a call with no outcome keeps
 * what the call holds.
 */
export const checkOutcome = (name: "classify" | "classifyBody", value: unknown): Outcome.Outcome => {
  if (isOutcome(value)) return value
  throw wrongReturn(name, value, "an Outcome, such as Outcome.success or Outcome.failure()")
}

/** Returns a key, or `undefined` for a request without a circuit. Throws a `TypeError` for any other value. */
export const checkKey = (value: unknown): string | undefined => {
  if (value === undefined || value === null || typeof value === "string") return value ?? undefined
  throw wrongReturn("key", value, "a string, or undefined for a request without a circuit")
}

const isOutcome = (value: unknown): value is Outcome.Outcome => {
  // An effect that is an `Exit` has tags of the same names.
  if (!Predicate.hasProperty(value, "_tag") || Effect.isEffect(value)) return false
  if (value._tag !== "Failure") return value._tag === "Success" || value._tag === "Ignored"
  const retryAfter = Predicate.hasProperty(value, "retryAfter") ? value.retryAfter : undefined
  return retryAfter === undefined || Duration.isDuration(retryAfter)
}

const wrongReturn = (name: string, value: unknown, allowed: string): TypeError => {
  // An asynchronous function that fails would end the process.
  if (Predicate.isPromiseLike(value)) value.then(undefined, () => {})
  return new TypeError(`The function "${name}" of an HttpPolicy returned ${nameOf(value)}; it must return ${allowed}`)
}

const nameOf = (value: unknown): string => {
  if (Predicate.isPromiseLike(value)) return "a Promise, but is called synchronously"
  if (Effect.isEffect(value)) return "an Effect, but is called synchronously"
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100))
  if (Predicate.hasProperty(value, "_tag")) return `an object with the _tag ${JSON.stringify(value._tag)}`
  return typeof value === "object" && value !== null ? "another object" : String(value)
}

/** Returns what a function returns; a defect if it throws. An exception in an observer of a fiber would end the process. */
export const orDie = <A, E>(run: () => Exit.Exit<A, E>): Exit.Exit<A, E> => {
  try {
    return run()
  } catch (defect) {
    return Exit.die(defect)
  }
}
