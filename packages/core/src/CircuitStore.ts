/**
 * Where circuits are kept beyond the life of a breaker and shared between processes.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { CircuitRecord } from "./CircuitRecord.ts"
import type { CircuitStoreError } from "./CircuitStoreError.ts"
import { EventBus } from "./internal/EventBus.ts"
import type { Share } from "./internal/Sharing.ts"
import { storeKey } from "./internal/StoreKey.ts"
import { revisionOf } from "./sync/overrideAct.ts"
import { share } from "./sync/Sync.ts"

export { CircuitStoreError, type CircuitStoreReason } from "./CircuitStoreError.ts"

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
    /** The version of the record that was written. */
    readonly version: number
    /** The generation of the record, or the stamp of its override if that is larger: see `CircuitRecord.changeOf`. */
    readonly generation: number
  }
  | { readonly _tag: "Missed" }

/**
 * What a store is made of: a register for each key that can be read, and replaced by whoever has seen its latest version.
 *
 * **Details**
 *
 * A register never decides anything and knows nothing of circuits. It keeps a record for each key:
 *
 * - `read` answers what is held, and by the store's own clock when.
 * - `replace` holds `next` if what is held still has the version of `seen`, or if nothing is held and `seen` is
 *   undefined. Otherwise it changes nothing and answers what is held, in the same round trip.
 * - `changes` tells of written keys, best effort: some may be missed, repeated or late. `CircuitRecord.changeOf` returns
 *   what to say of a record. A store that may miss some says
 *   `Missed` now and then. A store that can't tell leaves it undefined; breakers then ask every `refreshEvery`.
 * - `list` answers the keys with a prefix for which something is held, in no order.
 *
 * A record may be dropped once its `timeToLive` is over, and need not be: breakers judge by its `time`. Breakers read
 * many keys at once where they have to; a store that can batch reads does so by itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitRegister {
  readonly read: (key: string) => Effect.Effect<Seen, CircuitStoreError>
  readonly replace: (
    key: string,
    seen: CircuitRecord | undefined,
    next: CircuitRecord
  ) => Effect.Effect<Replaced, CircuitStoreError>
  readonly changes: Stream.Stream<Change, CircuitStoreError> | undefined
  readonly list: (prefix: string) => Stream.Stream<string, CircuitStoreError>
}

/**
 * Where circuits are kept beyond the life of a breaker and shared between processes.
 *
 * **Details**
 *
 * A store is a register, and what it takes to share circuits through one, which `CircuitStore.make` adds. A program whose
 * circuits are its own needs no store, see `CircuitBreaker.layerLocal`.
 *
 * @category services
 * @since 0.1.0
 */
export class CircuitStore extends Context.Service<
  CircuitStore,
  CircuitRegister & {
    /** How a breaker shares its circuits through this store. From `CircuitStore.make`. */
    readonly share: Share
  }
>()(storeKey) {
  /**
   * Makes a store of a register: all there is to write for a store of one's own.
   *
   * **Details**
   *
   * `@reclose/core/testing` has the tests that a register has to pass.
   *
   * **Example** (A register in a map)
   *
   * ```ts
   * import { type CircuitRecord, CircuitStore } from "@reclose/core"
   * import { Clock, Effect, Layer, Stream } from "effect"
   *
   * const MapStore = Layer.sync(CircuitStore, () => {
   *   const held = new Map<string, CircuitRecord.CircuitRecord>()
   *   const look = (key: string) =>
   *     Effect.map(Clock.currentTimeMillis, (time) => ({ record: held.get(key), time, precision: 1 }))
   *   return CircuitStore.make({
   *     read: look,
   *     replace: (key, seen, next) =>
   *       Effect.map(look(key), (current) => {
   *         if (current.record?.version !== seen?.version) return { _tag: "Conflict", seen: current }
   *         held.set(key, next)
   *         return { _tag: "Replaced", time: current.time, precision: 1 }
   *       }),
   *     changes: undefined,
   *     list: (prefix) => Stream.fromIterable(held.keys()).pipe(Stream.filter((key) => key.startsWith(prefix)))
   *   })
   * })
   *
   * const read = Effect.flatMap(CircuitStore, (store) => store.read("quotes"))
   *
   * const seen = await Effect.runPromise(Effect.provide(read, MapStore))
   * seen.record // => undefined
   * ```
   *
   * @since 0.1.0
   */
  static readonly make = (register: CircuitRegister): CircuitStore["Service"] => ({ ...register, share })

  /**
   * Keeps circuits in this process, for as long as the layer lives: in tests, and where breakers come and go.
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
      return this.make({
        read: (key) => Effect.sync(() => look(key)),
        replace: (key, seen, next) =>
          Effect.sync((): Replaced => {
            const current = look(key)
            if (current.record?.version !== seen?.version) return { _tag: "Conflict", seen: current }
            held.delete(key)
            held.set(key, next)
            const oldest = held.size > maxHeld ? held.keys().next() : undefined
            if (oldest?.done === false) held.delete(oldest.value)
            changed.publish({ _tag: "Changed", key, version: next.version, generation: revisionOf(next) })
            return { _tag: "Replaced", time: current.time, precision: current.precision }
          }),
        changes: changed.stream,
        list: (prefix) =>
          Stream.suspend(() => Stream.fromIterable([...held.keys()].filter((key) => key.startsWith(prefix))))
      })
    })
  )
}
