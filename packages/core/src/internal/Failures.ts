import * as Cause from "effect/Cause"

/** The errors of a cause, as far as it is made of nothing else: none beside a defect or an interruption. */
export const failuresOf = <E>(cause: Cause.Cause<E>): ReadonlyArray<Cause.Fail<E>> =>
  cause.reasons.every(Cause.isFailReason) ? cause.reasons : []
