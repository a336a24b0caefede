/** A store in memory whose record can be lost or brought back, and whose clock can be set. */
import { type Change, type CircuitRecord, CircuitStore, type Replaced, type Seen } from "@reclose/core"
import { Clock, Effect, Layer, PubSub, Stream } from "effect"
import { key } from "../support.ts"

export class SteppedStore {
  record: CircuitRecord.CircuitRecord | undefined = undefined
  /** By how many milliseconds the store's clock is ahead of the test's. */
  ahead = 0
  reads = 0
  writes = 0
  private readonly changes = Effect.runSync(PubSub.unbounded<Change>())

  /** `pushes` says whether the store announces what is written. */
  layer(pushes: boolean): Layer.Layer<CircuitStore> {
    return Layer.effect(
      CircuitStore,
      Effect.map(Clock.Clock, (clock) => {
        const now = () => clock.currentTimeMillisUnsafe() + this.ahead
        const look = (of: string): Seen => ({ record: of === key ? this.record : undefined, time: now(), precision: 1 })
        return CircuitStore.make({
          read: (of) =>
            Effect.sync(() => {
              this.reads++
              return look(of)
            }),
          replace: (of, seen, next) =>
            Effect.suspend((): Effect.Effect<Replaced> => {
              this.writes++
              const current = look(of)
              if (current.record?.version !== seen?.version) return Effect.succeed({ _tag: "Conflict", seen: current })
              this.record = next
              const { version } = next
              return Effect.as(
                PubSub.publish(this.changes, { _tag: "Changed", key: of, version, generation: next.generation }),
                { _tag: "Replaced", time: current.time, precision: 1 }
              )
            }),
          changes: pushes ? Stream.fromPubSub(this.changes) : undefined,
          list: () => Stream.fromIterable(this.record === undefined ? [] : [key])
        })
      })
    )
  }
}
