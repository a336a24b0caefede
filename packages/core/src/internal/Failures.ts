import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"

/** The errors of a cause, as far as it is made of nothing else: none beside a defect or an interruption. */
export const failuresOf = <E>(cause: Cause.Cause<E>): ReadonlyArray<Cause.Fail<E>> =>
  cause.reasons.every(Cause.isFailReason) ? cause.reasons : []

/** Runs what follows a failure. If that fails, its reasons come after those of the failure, which keep their types. */
export const keepFailure = <A, E, R>(
  effect: Effect.Effect<A, never, R>,
  failure: Cause.Cause<E>
): Effect.Effect<A, E, R> => Effect.catchCause(effect, (cause) => Effect.failCause(Cause.combine(failure, cause)))
