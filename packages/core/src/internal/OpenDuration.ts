/** How long the n-th opening in a row lasts. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { ValidPolicy } from "./PolicyReader.ts"

/**
 * Openings in a row beyond this many last as long as this one, so that the steps of a schedule stay bounded. An
 * exponential one has reached any cap by then.
 */
const maxSteps = 1000

/** The function that the machine asks, capped and jittered. Drawing from `random` is its only effect. */
export const makeOpenDuration = (
  { jitter, maxOpenDuration, openDuration }: Pick<ValidPolicy, "jitter" | "maxOpenDuration" | "openDuration">,
  context: Context.Context<never>,
  random: Random.Random
): (consecutiveOpenings: number) => number => {
  const delay = openDuration._tag === "Backoff"
    ? (n: number) => openDuration.initial * openDuration.factor ** (n - 1)
    : scheduled(openDuration.schedule, context)
  return (consecutiveOpenings) => {
    const capped = Math.min(delay(consecutiveOpenings), maxOpenDuration)
    return jitter === 0 ? capped : capped * (1 - jitter * random.nextDoubleUnsafe())
  }
}

/** How long an opening lasts whose schedule fails before its first delay: the default of `openDuration`. */
const otherwise = 30_000

/**
 * Steps a schedule from its start for each opening, so that one with jitter draws anew: circuits that open together would
 * otherwise all probe together. It runs on a clock of its own, on which only the time spent open passes, so that `upTo` and
 * `during` measure that.
 */
const scheduled = (
  schedule: Schedule.Schedule<unknown, number>,
  context: Context.Context<never>
): (consecutiveOpenings: number) => number =>
(n) => {
  const next = delays(schedule, context)
  let delay: number | undefined
  for (let step = 0; step < Math.min(n, maxSteps); step++) {
    const later = next()
    if (later === undefined) break
    delay = later
  }
  // A schedule is code: it may throw for one opening after it has worked for others. No time at all would protect nothing.
  return delay ?? otherwise
}

/** Whether a schedule has a first delay, and gives it without waiting: a transition is one synchronous step. */
export const isUsable = (schedule: Schedule.Schedule<unknown, number>): boolean =>
  delays(schedule, Context.empty())() !== undefined

/** The delays of a schedule one after the other, undefined once it has ended. */
const delays = (
  schedule: Schedule.Schedule<unknown, number>,
  context: Context.Context<never>
): () => number | undefined => {
  const run = Effect.runSyncExitWith(context)
  const step = run(Schedule.toStep(schedule))
  let elapsed = 0
  let attempt = 0
  return () => {
    const exit = step._tag === "Success" ? run(step.value(elapsed, ++attempt)) : step
    const millis = exit._tag === "Success" ? millisOf(exit.value) : undefined
    elapsed += millis ?? 0
    return millis
  }
}

/** The delay of a step; undefined for a value that is none, of a schedule in JavaScript or with a cast. */
const millisOf = (value: unknown): number | undefined => {
  const delay: unknown = Array.isArray(value) ? value[1] : undefined
  return Duration.isDuration(delay) ? Duration.toMillis(delay) : undefined
}
