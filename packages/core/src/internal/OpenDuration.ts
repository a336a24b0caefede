/** How long the n-th opening in a row lasts. */
import * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { PolicyError } from "../PolicyError.ts"
import type { OpenDuration, ValidPolicy } from "./PolicyReader.ts"
import * as Duration from "effect/Duration"

/**
 * Openings in a row beyond this many last as long as this one, so that what is remembered of a schedule stays bounded.
 * An exponential one has reached any cap by then.
 */
const maxRemembered = 1000

/** The function that the machine asks, capped and jittered. Drawing from `random` is its only effect. */
export const makeOpenDuration = (
  policy: ValidPolicy,
  random: Random.Random
): Effect.Effect<(consecutiveOpenings: number) => number, PolicyError> =>
  Effect.map(delays(policy.openDuration), (delay) => (consecutiveOpenings: number) => {
    const capped = Math.min(delay(consecutiveOpenings), policy.maxOpenDuration)
    return policy.jitter === 0 ? capped : capped * (1 - policy.jitter * random.nextDoubleUnsafe())
  })

type Delays = (consecutiveOpenings: number) => number

const delays = (duration: OpenDuration): Effect.Effect<Delays, PolicyError> =>
  duration._tag === "Backoff"
    ? Effect.succeed((n) => duration.initial * duration.factor ** (n - 1))
    : scheduled(duration.schedule)

/**
 * Steps a schedule on a clock of its own, on which only the time spent open passes, so that `upTo` and `during` measure
 * that. Each delay is drawn once and remembered: asking again for the same opening gives the same answer.
 */
const scheduled = (schedule: Schedule.Schedule<unknown, number>): Effect.Effect<Delays, PolicyError> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<never>()
    const step = yield* Schedule.toStep(schedule)
    const remembered: Array<number> = []
    let elapsed = 0
    let ended = false
    const extend = (): void => {
      // A transition is one synchronous step, so the schedule has to be, too.
      const exit = Effect.runSyncExitWith(context)(step(elapsed, remembered.length + 1))
      if (exit._tag === "Failure") {
        ended = true
      } else {
        const millis = Duration.toMillis(exit.value[1])
        remembered.push(millis)
        elapsed += millis
      }
    }
    extend()
    const first = remembered[0]
    if (first === undefined) {
      const allowed = "a Schedule that recurs at least once, and steps without waiting"
      return yield* new PolicyError({ issues: [{ field: "openDuration", value: schedule, allowed }] })
    }
    return (n) => {
      while (!ended && remembered.length < Math.min(n, maxRemembered)) extend()
      return remembered[Math.min(n, remembered.length) - 1] ?? first
    }
  })
