/** How long a message waits whose call was not made, by the error that says so. */
import { CircuitOpen } from "@reclose/core/CircuitOpen"
import * as Duration from "effect/Duration"

/** The least that a message waits, in milliseconds. A visibility of 0 would have it back at once, again and again. */
const shortest = 1_000

/** The most that a message waits for probes: a circuit only knows by when they end, and most end far sooner. */
const longestTrial = 5_000

/** A wait that doubles with each receive, in milliseconds: for a cause that does not tell how long it lasts. */
interface Growing {
  readonly first: number
  readonly longest: number
}

/** An operator ends it, mostly after the minutes or hours that a repair takes. */
const forced: Growing = { first: 300_000, longest: 3_600_000 }

/** Other messages have to be done first: how many is not known. */
const throttled: Growing = { first: 10_000, longest: 900_000 }

const grown = ({ first, longest }: Growing, receives: number): number =>
  Math.min(longest, first * 2 ** Math.min(Math.max(0, receives - 1), 20))

/** Returns how long a message waits for its circuit, in milliseconds, after so many receives. */
const waitForCircuit = ({ reason, retryAfter }: CircuitOpen, receives: number): number => {
  const wait = Duration.toMillis(retryAfter)
  if (reason === "Forced") return Math.max(wait, grown(forced, receives))
  return reason === "Probing" ? Math.min(wait, longestTrial) : wait
}

/** `Throttled` of `@reclose/http`, which this package does without: it is known by its fields. */
const isThrottled = (error: Error): boolean =>
  Reflect.get(error, "_tag") === "Throttled" && ["concurrency", "rateLimit"].includes(String(Reflect.get(error, "by")))

/**
 * Returns how long a message waits, in milliseconds, after its handler has failed with this error. Undefined if the call
 * was made, or was rejected for a reason that does not pass. Looks at causes, too: clients have errors of their own.
 *
 * `receives` counts from 1, and includes those of messages that this one was renewed from.
 */
export const waitFor = (error: unknown, receives: number, depth = 5): number | undefined => {
  if (error instanceof CircuitOpen) return Math.max(shortest, waitForCircuit(error, receives))
  if (!(error instanceof Error)) return undefined
  if (isThrottled(error)) return grown(throttled, receives)
  return depth > 0 ? waitFor(error.cause, receives, depth - 1) : undefined
}
