/** A store in memory whose record can be lost or brought back, and whose clock can be set. */
import { type Change, CircuitRecord, CircuitStore, type Replaced, type Seen } from "@reclose/core"
import { Clock, Effect, Layer, PubSub, Stream } from "effect"
import { key } from "../support.ts"

export class SteppedStore {
  record: CircuitRecord.CircuitRecord | undefined = undefined
  /** By how many milliseconds the store's clock is ahead of the test's. */
  ahead = 0
  reads = 0
  writes = 0
  private readonly changes = Effect.runSync(PubSub.unbounded<Change>())
  private readonly pushes: boolean

  /** `pushes` says whether the store announces what is written. */
  constructor(pushes: boolean) {
    this.pushes = pushes
  }

  /** Announces that something may have been missed, as a store does that pushes: now and then. */
  announceMissed(): void {
    PubSub.publishUnsafe(this.changes, { _tag: "Missed" })
  }

  /** Loses the record, and announces that something may have been missed. */
  lose(): void {
    this.record = undefined
    this.announceMissed()
  }

  readonly layer: Layer.Layer<CircuitStore> = Layer.effect(
    CircuitStore,
    Effect.map(Clock.Clock, (clock) => {
      const look = (of: string): Seen => ({
        record: of === key ? this.record : undefined,
        time: clock.currentTimeMillisUnsafe() + this.ahead,
        precision: 1
      })
      return CircuitStore.make({
        read: (of) =>
          Effect.sync(() => {
            this.reads++
            return look(of)
          }),
        replace: (of, seen, next) =>
          Effect.sync((): Replaced => {
            this.writes++
            const current = look(of)
            if (current.record?.version !== seen?.version) return { _tag: "Conflict", seen: current }
            this.record = next
            PubSub.publishUnsafe(this.changes, CircuitRecord.changeOf(of, next))
            return { _tag: "Replaced", time: current.time, precision: 1 }
          }),
        changes: this.pushes ? Stream.fromPubSub(this.changes) : undefined,
        list: () => Stream.fromIterable(this.record === undefined ? [] : [key])
      })
    })
  )
}
