/**
 * Where circuits are kept beyond the life of a breaker.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CircuitSnapshot } from "./machine/Snapshot.ts"

const maxHeld = 100_000

/**
 * What a store holds for a key: the circuit, and the version to name when replacing it. Version 0 means nothing is
 * held.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seen {
  readonly version: number
  readonly circuit: CircuitSnapshot | undefined
}

/**
 * What became of a `replace`: it was done, and the key has a new version; or somebody else was faster, and this is what
 * they wrote.
 *
 * @category models
 * @since 0.1.0
 */
export type Replaced =
  | { readonly _tag: "Replaced"; readonly version: number }
  | { readonly _tag: "Conflict"; readonly seen: Seen }

/**
 * A store could not do what it was asked.
 *
 * @category errors
 * @since 0.1.0
 */
export class CircuitStoreError extends Data.TaggedError("CircuitStoreError")<{
  readonly key: string
  readonly operation: "read" | "replace"
  readonly message: string
  readonly cause?: unknown
}> {}

/**
 * Where circuits are kept beyond the life of a breaker: a register for each key that can be read, and replaced by
 * whoever has seen its latest version.
 *
 * **Details**
 *
 * A store never decides anything. A breaker reads a key once, on its first use, and then decides in memory; it writes
 * after a circuit changed its phase or an operator overrode it, beside the calls and never in front of them. A store
 * that fails costs no call: the circuit goes on by local judgement and the event `StoreFailed` says so. So it does when a
 * store takes longer than 100 milliseconds to read, or a second to replace.
 *
 * **Gotchas**
 *
 * Today a running breaker does not learn what another one writes; it sees it when it uses a key for the first time.
 *
 * @category services
 * @since 0.1.0
 */
export class CircuitStore extends Context.Service<CircuitStore, {
  readonly read: (key: string) => Effect.Effect<Seen, CircuitStoreError>
  readonly replace: (
    key: string,
    seen: Seen,
    next: CircuitSnapshot
  ) => Effect.Effect<Replaced, CircuitStoreError>
}>()("@reclose/core/CircuitStore") {
  /**
   * Keeps circuits in this process, for as long as the layer lives: in tests, and for programs of one process.
   *
   * **Details**
   *
   * Breakers that are given the same built layer share it, so a breaker that is built anew goes on where the last one
   * stopped. It holds a small record for each circuit that changed its phase, at most 100,000: beyond that, the one
   * that was written longest ago makes room.
   *
   * **Example** (An opening outlives the breaker)
   *
   * ```ts
   * import { CircuitBreaker, CircuitStore, TripRule, withBreaker } from "@reclose/core"
   * import { Effect } from "effect"
   *
   * const Breakers = CircuitBreaker.layer({ tripRule: TripRule.consecutive(1) })
   * const failing = Effect.fail("down").pipe(withBreaker("quotes"), Effect.flip)
   *
   * const program = Effect.gen(function*() {
   *   const first = yield* Effect.provide(failing, Breakers)
   *   const second = yield* Effect.provide(failing, Breakers)
   *   return [first, typeof second === "string" ? second : second._tag]
   * })
   *
   * await Effect.runPromise(Effect.provide(program, CircuitStore.layerMemory)) // => ["down", "CircuitOpen"]
   * ```
   *
   * @since 0.1.0
   */
  static readonly layerMemory: Layer.Layer<CircuitStore> = Layer.sync(this, () => {
    const held = new Map<string, Seen>()
    const look = (key: string): Seen => held.get(key) ?? { version: 0, circuit: undefined }
    return this.of({
      read: (key) => Effect.sync(() => look(key)),
      replace: (key, seen, next) =>
        Effect.sync((): Replaced => {
          const current = look(key)
          if (current.version !== seen.version) return { _tag: "Conflict", seen: current }
          const version = current.version + 1
          held.delete(key)
          held.set(key, { version, circuit: next })
          const oldest = held.size > maxHeld ? held.keys().next() : undefined
          if (oldest?.done === false) held.delete(oldest.value)
          return { _tag: "Replaced", version }
        })
    })
  })
}
