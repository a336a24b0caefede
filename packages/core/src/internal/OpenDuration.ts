/** How long the n-th opening in a row lasts. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { ValidPolicy } from "./PolicyReader.ts"

/**
 * Openings in a row beyond this many last as long as this one, so that what is remembered of a schedule stays bounded.
 * An exponential one has reached any cap by then.
 */
const maxRemembered = 1000

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

/**
 * Steps a schedule on a clock of its own, on which only the time spent open passes, so that `upTo` and `during` measure
 * that. Each delay is drawn once and remembered: asking again for the same opening gives the same answer.
 */
const scheduled = (
  schedule: Schedule.Schedule<unknown, number>,
  context: Context.Context<never>
): (consecutiveOpenings: number) => number => {
  const next = delays(schedule, context)
  const remembered: Array<number> = []
  let ended = false
  return (n) => {
    while (!ended && remembered.length < Math.min(n, maxRemembered)) {
      const delay = next()
      if (delay === undefined) ended = true
      else remembered.push(delay)
    }
    return remembered[Math.min(n, remembered.length) - 1] ?? 0
  }
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
    if (exit._tag === "Failure") return undefined
    const millis = Duration.toMillis(exit.value[1])
    elapsed += millis
    return millis
  }
}
