import * as Effect from "effect/Effect"

/** What a task's calls did: every call that ended as promised is counted, and nothing else is. */
export class Tally {
  #count = 0
  readonly proofs = () => this.#count
  readonly prove = () => {
    this.#count++
  }
}

/** The one failure that the work itself has. Prebuilt, as in the bare loop: building errors is not what is compared. */
export const boom = new Error("the work failed")

/** A call that succeeds and leaves a proof. */
export const succeeding = (tally: Tally): Effect.Effect<number> =>
  Effect.sync(() => {
    tally.prove()
    return 1
  })

export const failing: Effect.Effect<never, Error> = Effect.fail(boom)

/** A promise that is not settled before someone waits for it. */
export const asyncWork = (tally: Tally) => async (): Promise<number> => {
  await undefined
  tally.prove()
  return 1
}

export const asyncFailure = async (): Promise<never> => {
  await undefined
  throw boom
}
