/** Waits for what a store is asked, for so long and no longer. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * What was asked is let go of when it is late, or when nobody waits any more, and never waited for again: a store may not let
 * go. It is let go of only when it is known to be late, since its interruption would be taken for its answer.
 */
export const inTime = <A, E, Late>(
  asked: Fiber.Fiber<A, E>,
  millis: number,
  late: () => Late
): Effect.Effect<A, E | Late> =>
  Effect.ensuring(
    Effect.raceFirst(Fiber.join(asked), Effect.flatMap(Effect.sleep(millis), () => Effect.fail(late()))),
    Effect.sync(() => asked.interruptUnsafe())
  )
