/**
 * Where circuits are kept beyond the life of a breaker and shared between processes.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { CircuitRecord } from "./CircuitRecord.ts"
import { EventBus } from "./internal/EventBus.ts"

const maxHeld = 100_000

/**
 * What a store holds for a key, and its clock when it said so: at least `time` and less than `time + precision`, in
 * milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seen {
  readonly record: CircuitRecord | undefined
  readonly time: number
  readonly precision: number
}

/**
 * What became of a `replace`: it was done; or somebody else was faster, and this is what they wrote.
 *
 * @category models
 * @since 0.1.0
 */
export type Replaced =
  | { readonly _tag: "Replaced"; readonly time: number; readonly precision: number }
  | { readonly _tag: "Conflict"; readonly seen: Seen }

/**
 * What a store tells without being asked: a key was written, or something may have been missed.
 *
 * @category models
 * @since 0.1.0
 */
export type Change =
  | {
    readonly _tag: "Changed"
    readonly key: string
    /** The version and the generation of the record that was written. */
    readonly version: number
    readonly generation: number
  }
  | { readonly _tag: "Missed" }

/**
 * Why a store could not do what it was asked.
 *
 * **Details**
 *
 * - `Unavailable`: it could not be reached, or failed by itself.
 * - `Timeout`: it did not answer in time.
 * - `Throttled`: it asks for fewer requests.
 * - `Denied`: it refuses this program, for lack of rights or a wrong secret.
 * - `Missing`: what it keeps records in is not there, such as a table.
 * - `WrongType`: the key holds something that is none of ours.
 * - `Oversized`: the key or the record is larger than it takes.
 * - `Corrupt`: what it holds is no record.
 * - `ForeignVersion`: what it holds is a record of another release.
 * - `ForeignPolicy`: what it holds was counted under another trip rule.
 *
 * @category errors
 * @since 0.1.0
 */
export type CircuitStoreReason =
  | "Unavailable"
  | "Timeout"
  | "Throttled"
  | "Denied"
  | "Missing"
  | "WrongType"
  | "Oversized"
  | "Corrupt"
  | "ForeignVersion"
  | "ForeignPolicy"

/**
 * A store could not do what it was asked. The message says what to do about it.
 *
 * @category errors
 * @since 0.1.0
 */
export class CircuitStoreError extends Data.TaggedError("CircuitStoreError")<{
  /** The key it was about; for `changes` and `list` empty, or a prefix. */
  readonly key: string
  readonly operation: "read" | "replace" | "changes" | "list"
  readonly reason: CircuitStoreReason
  readonly message: string
  readonly cause?: unknown
}> {}

/**
 * Where circuits are kept beyond the life of a breaker and shared between processes: a register for each key that can be
 * read, and replaced by whoever has seen its latest version.
 *
 * **Details**
 *
 * A store never decides anything and knows nothing of circuits. It keeps a record for each key:
 *
 * - `read` answers what is held, and by the store's own clock when.
 * - `replace` holds `next` if what is held still has the version of `seen`, or if nothing is held and `seen` is
 *   undefined. Otherwise it changes nothing and answers what is held, in the same round trip.
 * - `changes` tells of written keys, best effort: some may be missed, repeated or late. A store that may miss some says
 *   `Missed` now and then. A store that can't tell leaves it undefined; breakers then ask every `refreshEvery`.
 * - `list` answers the keys with a prefix for which something is held, in no order.
 *
 * A record may be dropped once its `timeToLive` is over, and need not be: breakers judge by its `time`. Breakers read
 * many keys at once where they have to; a store that can batch reads does so by itself.
 *
 * @category services
 * @since 0.1.0
 */
export class CircuitStore extends Context.Service<CircuitStore, {
  readonly read: (key: string) => Effect.Effect<Seen, CircuitStoreError>
  readonly replace: (
    key: string,
    seen: CircuitRecord | undefined,
    next: CircuitRecord
  ) => Effect.Effect<Replaced, CircuitStoreError>
  readonly changes: Stream.Stream<Change, CircuitStoreError> | undefined
  readonly list: (prefix: string) => Stream.Stream<string, CircuitStoreError>
}>()("@reclose/core/CircuitStore") {
  /**
   * Keeps circuits in this process, for as long as the layer lives: in tests, and for programs of one process.
   *
   * **Details**
   *
   * Breakers that are given the same built layer share it, so a breaker that is built anew goes on where the last one
   * stopped. It holds a small record for each circuit that failed, changed its phase or was overridden, at most
   * 100,000: beyond that, the one that was written longest ago makes room.
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
  static readonly layerMemory: Layer.Layer<CircuitStore> = Layer.effect(
    this,
    Effect.map(Clock.Clock, (clock) => {
      const held = new Map<string, CircuitRecord>()
      const changed = new EventBus<Change>({ _tag: "Missed" })
      const look = (key: string): Seen => ({
        record: held.get(key),
        time: clock.currentTimeMillisUnsafe(),
        precision: 1
      })
      return this.of({
        read: (key) => Effect.sync(() => look(key)),
        replace: (key, seen, next) =>
          Effect.sync((): Replaced => {
            const current = look(key)
            if (current.record?.version !== seen?.version) return { _tag: "Conflict", seen: current }
            held.delete(key)
            held.set(key, next)
            const oldest = held.size > maxHeld ? held.keys().next() : undefined
            if (oldest?.done === false) held.delete(oldest.value)
            changed.publish({ _tag: "Changed", key, version: next.version, generation: next.generation })
            return { _tag: "Replaced", time: current.time, precision: current.precision }
          }),
        changes: changed.stream,
        list: (prefix) =>
          Stream.suspend(() => Stream.fromIterable([...held.keys()].filter((key) => key.startsWith(prefix))))
      })
    })
  )
}
