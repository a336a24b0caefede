/**
 * The last good answer of each key, remembered for when the next one fails to come.
 *
 * **Details**
 *
 * `memory` remembers for as long as the program lives, `LastGoodStore.make` beyond it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Answers, maxKeys } from "./internal/Answers.ts"
import { copied } from "./internal/copied.ts"
import { readOptions } from "./internal/Options.ts"
import { option } from "./internal/Reader.ts"
import type { PolicyError } from "./PolicyError.ts"

/**
 * An answer that was good once, and how long ago that was.
 *
 * @category models
 * @since 0.1.0
 */
export interface Remembered<out A> {
  readonly value: A
  readonly age: Duration.Duration
}

/**
 * Remembers the last good answer of each key.
 *
 * @category models
 * @since 0.1.0
 */
export interface LastGood<in out A> {
  /** Takes an answer as the latest of its key. It waits for no store. */
  readonly remember: (key: string, answer: A) => Effect.Effect<void>
  /** Drops the answer of a key, for a resource that is gone or no longer this caller's to see. It waits for no store. */
  readonly forget: (key: string) => Effect.Effect<void>
  /** The latest answer of a key, however old. */
  readonly recall: (key: string) => Effect.Effect<Remembered<A> | undefined>
  /**
   * Answers when all that was remembered is in the store, after `storeTimeout` at the latest. For processes that are about
   * to be frozen or to end without closing their scopes; all others needn't call it.
   */
  readonly flush: Effect.Effect<void>
}

/**
 * How much is remembered.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemoryOptions<in out A> {
  /**
   * How many keys are remembered in memory, 1 to 10,000,000; beyond it, the answer that was remembered longest ago makes
   * room. Default 1,000: answers may be large.
   */
  readonly maxKeys?: number | undefined
  /**
   * Copies an answer when it is remembered and when it is recalled, such as `structuredClone`. An answer whose copy throws is
   * not remembered, and `Fallback.events` reports that. Default: no copy, so give one where a caller may change its answer.
   */
  readonly copy?: ((answer: A) => A) | undefined
}

const fields = { maxKeys }

/**
 * Remembers answers in memory, for as long as the program lives.
 *
 * **Details**
 *
 * Ages are monotonic: no step of the wall clock makes an answer younger or older. Fails with a `PolicyError` for a
 * `maxKeys` out of bounds.
 *
 * **Gotchas**
 *
 * - While a process is frozen, or its machine asleep, the monotonic clock may stand still, and answers grow no older.
 * - An answer is held by reference: a caller that changes its array or object changes what others recall. `copy` prevents it.
 *
 * **Example** (The latest, with its age)
 *
 * ```ts
 * import { LastGood } from "@reclose/core"
 * import { Duration, Effect } from "effect"
 * import { TestClock } from "effect/testing"
 *
 * const program = Effect.gen(function*() {
 *   const quotes = yield* LastGood.memory<string>()
 *   yield* quotes.remember("ACME", "41")
 *   yield* quotes.remember("ACME", "42")
 *   yield* TestClock.adjust("90 seconds")
 *   const last = yield* quotes.recall("ACME")
 *   return last && `${last.value}, ${Duration.format(last.age)} ago`
 * })
 *
 * await Effect.runPromise(Effect.provide(program, TestClock.layer())) // => "42, 1m 30s ago"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const memory = Effect.fnUntraced(function*<A>(
  options: MemoryOptions<A> = {}
): Effect.fn.Return<LastGood<A>, PolicyError> {
  const { maxKeys } = yield* readOptions((reading) => ({
    maxKeys: option({ ...options }, fields, "maxKeys", "", reading)
  }))
  const answers = new Answers<A>(maxKeys, yield* Clock.Clock)
  const { copy } = options
  return {
    remember: (key, answer) =>
      Effect.map(copied(key, answer, copy), (copied) => {
        if (copied === undefined) answers.delete(key)
        else answers.set(key, copied.value)
      }),
    forget: (key) => Effect.sync(() => answers.delete(key)),
    recall: (key) =>
      Effect.suspend(() => {
        const held = answers.get(key)
        if (held === undefined) return Effect.undefined
        const age = Duration.millis(held.age)
        return Effect.map(copied(key, held.value, copy), (copied) => copied && { value: copied.value, age })
      }),
    flush: Effect.void
  }
})
