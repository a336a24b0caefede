import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { effectLoop } from "../loops.ts"

/** A breaker that guards effects by key, ready to run. */
export interface Guard<R> {
  readonly context: Context.Context<R>
  readonly guard: <A, E>(self: Effect.Effect<A, E>, key: string) => Effect.Effect<A, unknown, R>
}

/** Opens a circuit the way production does, by failures, so that what rejects afterwards is the real thing. */
export const trip = <R>({ context, guard }: Guard<R>, key: string): Promise<void> => {
  const failing = Effect.ignore(guard(Effect.fail("tripped on purpose"), key))
  return effectLoop(context, () => failing)(100)
}
