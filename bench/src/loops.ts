import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** Runs the given number of calls, one after the other. */
export type Loop = (calls: number) => Promise<void>

const discard = () => {}

/**
 * Calls inside one fiber. `Effect.whileLoop` costs a frame per turn and nothing else; a generator written per call
 * would cost more than most guards do. The fiber starts once per batch, in a context that holds what the guard needs.
 */
export const effectLoop = <E, R>(
  context: Context.Context<R>,
  body: () => Effect.Effect<unknown, E, R>
): Loop => {
  let left = 0
  const turns = Effect.whileLoop({ while: () => left-- > 0, body, step: discard })
  const run = Effect.runPromiseWith(context)
  return (calls) => {
    left = calls
    return run(turns)
  }
}

/** The same for libraries that speak promises, in their own idiom: wrapped in Effect they would look slower. */
export const promiseLoop =
  (body: () => PromiseLike<unknown>, onError: (error: unknown) => void): Loop => async (calls) => {
    for (let call = 0; call < calls; call++) {
      try {
        await body()
      } catch (error) {
        onError(error)
      }
    }
  }
