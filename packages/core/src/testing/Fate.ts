/**
 * What becomes of an operation on its way to a store and back.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import type { CircuitStoreReason } from "../CircuitStore.ts"

/**
 * What is on its way: what a store is asked for, or (`change`) what it tells a subscriber without being asked.
 *
 * **Details**
 *
 * - `key`: for `list` the prefix, for `changes` and for a `change` that says `Missed` empty.
 * - `count`: the how-manieth of its kind and key it is, from 1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operation {
  readonly kind: "read" | "replace" | "changes" | "list" | "change"
  readonly key: string
  readonly count: number
}

/**
 * What becomes of one operation.
 *
 * **Details**
 *
 * - `Deliver`: it arrives and is answered. `requestDelay` passes before it arrives, `answerDelay` after it was done. A
 *   request that is on its way arrives even if the one who asked has given up: that is how a write comes late.
 * - `Hold`: it arrives once `until` is over.
 * - `Fail`: it never arrives, and the store fails with the reason, `Unavailable` by default, after `answerDelay`.
 * - `LoseRequest`: it never arrives and is never answered.
 * - `LoseAnswer`: it is done, and never answered; or, with a `reason`, answered with a failure.
 * - `Duplicate`: it arrives twice, the second time `again` after the first was done, at once by default. The first
 *   answer is heard, or the `Second`, as when a client sends again what it takes for lost.
 *
 * Delays are on the `Clock`, none by default.
 *
 * A `change` is a single message: it is delivered after both delays; lost as a request or as an answer, it is not heard;
 * as a duplicate it is heard twice; where it fails, the subscription fails. Of `changes` and `list` the request is
 * delayed, lost or failed, what follows is not; as duplicates they are delivered once.
 *
 * @category models
 * @since 0.1.0
 */
export type Fate =
  | {
    readonly _tag: "Deliver"
    readonly requestDelay?: Duration.Input | undefined
    readonly answerDelay?: Duration.Input | undefined
  }
  | { readonly _tag: "Hold"; readonly until: Effect.Effect<unknown> }
  | {
    readonly _tag: "Fail"
    readonly reason?: CircuitStoreReason | undefined
    readonly answerDelay?: Duration.Input | undefined
  }
  | { readonly _tag: "LoseRequest" }
  | {
    readonly _tag: "LoseAnswer"
    readonly reason?: CircuitStoreReason | undefined
    readonly requestDelay?: Duration.Input | undefined
    readonly answerDelay?: Duration.Input | undefined
  }
  | {
    readonly _tag: "Duplicate"
    readonly again?: Duration.Input | undefined
    readonly answer?: "First" | "Second" | undefined
  }

/**
 * Decides what becomes of each operation.
 *
 * @category models
 * @since 0.1.0
 */
export type Decide = (operation: Operation) => Fate

/**
 * How often what happens, each from 0 (never, the default) to 1 (always), and 1 at most together. What is left is
 * delivered.
 *
 * **Details**
 *
 * Requests and answers take between nothing and `maxDelay` each, evenly spread; no time by default. A `Duplicate`
 * arrives again within `maxDelay`, too.
 *
 * @category models
 * @since 0.1.0
 */
export interface Odds {
  readonly fail?: number | undefined
  readonly loseRequest?: number | undefined
  readonly loseAnswer?: number | undefined
  readonly duplicate?: number | undefined
  readonly maxDelay?: Duration.Input | undefined
}

/**
 * Draws what becomes of each operation from a generator of random numbers.
 *
 * **Details**
 *
 * With a seeded generator the same operations in the same order meet the same fates. Each operation draws three
 * numbers, whatever the odds are, so that a run with other odds stays comparable.
 *
 * Throws a `RangeError` for odds that are negative, no numbers, or more than 1 together.
 *
 * **Example** (One in ten answers is lost)
 *
 * ```ts
 * import { Fate } from "@reclose/core/testing"
 * import { Effect, Random } from "effect"
 *
 * const random = Effect.runSync(Effect.map(Random.Random, (random) => random).pipe(Random.withSeed("a fleet")))
 * const decide = Fate.chances(random, { loseAnswer: 0.1 })
 *
 * const fates = Array.from({ length: 1000 }, (_, i) => decide({ kind: "read", key: "quotes", count: i + 1 }))
 * const lost = fates.filter(({ _tag }) => _tag === "LoseAnswer").length
 *
 * lost > 70 && lost < 130 // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const chances = (random: Random.Random, odds: Odds): Decide => {
  const { duplicate = 0, fail = 0, loseAnswer = 0, loseRequest = 0 } = odds
  const shares = [fail, loseRequest, loseAnswer, duplicate]
  // A sum of shares such as 0.1 is off by a rounding error.
  if (!shares.every((share) => share >= 0) || !(shares.reduce((sum, share) => sum + share) <= 1 + 1e-9)) {
    throw new RangeError(`odds are from 0 to 1, and at most 1 together: ${shares.join(", ")}`)
  }
  const maxDelay = Duration.toMillis(Duration.fromInputUnsafe(odds.maxDelay ?? 0))
  return () => {
    const drawn = random.nextDoubleUnsafe()
    const requestDelay = random.nextDoubleUnsafe() * maxDelay
    const answerDelay = random.nextDoubleUnsafe() * maxDelay
    if (drawn < fail) return { _tag: "Fail", answerDelay }
    if (drawn < fail + loseRequest) return { _tag: "LoseRequest" }
    if (drawn < fail + loseRequest + loseAnswer) return { _tag: "LoseAnswer", requestDelay }
    if (drawn < fail + loseRequest + loseAnswer + duplicate) return { _tag: "Duplicate", again: requestDelay }
    return { _tag: "Deliver", requestDelay, answerDelay }
  }
}
