/** A bound that holds whatever it bounds. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"

/**
 * Runs an effect for so many milliseconds at most; undefined if it needs longer. Then it is interrupted, and is given so
 * many milliseconds more to come to an end. One that can't be interrupted, or whose finalizers hang, is left alone: waiting
 * for it, as a timeout would, is how a function runs into its own time limit.
 */
export const within = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  millis: number,
  more: () => number = () => 0
): Effect.Effect<Exit.Exit<A, E> | undefined, never, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(effect, { startImmediately: true }), (fiber) => {
      const ended = (bound: number): Effect.Effect<Exit.Exit<A, E> | undefined> =>
        Effect.raceFirst(Fiber.await(fiber), Effect.as(Effect.sleep(Math.max(0, bound)), undefined))
      const interrupt = Effect.sync(() => fiber.interruptUnsafe())
      const interrupted = Effect.andThen(interrupt, Effect.suspend(() => ended(more())))
      const bounded = Effect.flatMap(ended(millis), (exit) =>
        exit === undefined
          ? Effect.map(interrupted, (exit) => exit !== undefined && wasInterrupted(exit) ? undefined : exit)
          : Effect.succeed(exit))
      // Nothing comes between the start and this, or what was started would have no end.
      return Effect.onInterrupt(restore(bounded), () => interrupt)
    })
  )

const wasInterrupted = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
