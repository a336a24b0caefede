/** A right store, and how to make it wrong in one thing. */
import { changeOf, type CircuitRecord } from "@reclose/core/CircuitRecord"
import {
  type Change,
  type CircuitRegister,
  CircuitStore,
  CircuitStoreError,
  type Replaced,
  type Seen
} from "@reclose/core/CircuitStore"
import { Clock, Effect, Layer, PubSub, Semaphore, Stream } from "effect"

export type Store = CircuitRegister

/** What all connections to one store share. */
export class World {
  readonly held = new Map<string, CircuitRecord>()
  readonly before = new Map<string, CircuitRecord | undefined>()
  readonly lock = Semaphore.makeUnsafe(1)
  readonly written: PubSub.PubSub<Change> = Effect.runSync(PubSub.sliding<Change>(256))
  connections = 0
  writes = 0
  answers = 0
  subscriptions = 0
  reading = 0
}

export interface Flaw {
  readonly name: string
  readonly make: (world: World, right: Store) => Partial<Store>
  /** The cases that find it, each by itself. */
  readonly found: ReadonlyArray<string>
}

const seenAt = (record: CircuitRecord | undefined, time: number): Seen => ({ record, time, precision: 1 })

export const changed: (key: string, record: CircuitRecord) => Change = changeOf

/** A store that tells of changes in another way. */
export const retold =
  (retell: (change: Extract<Change, { readonly _tag: "Changed" }>) => Change) => (world: World): Partial<Store> => ({
    changes: Stream.map(
      Stream.fromPubSub(world.written),
      (change) => change._tag === "Changed" ? retell(change) : change
    )
  })

/** The store that is right. */
export const right = ({ before, held, written }: World, clock: Clock.Clock): Store => {
  const look = (key: string) => seenAt(held.get(key), clock.currentTimeMillisUnsafe())
  return {
    read: (key) => Effect.sync(() => look(key)),
    replace: (key, seen, next) =>
      Effect.suspend((): Effect.Effect<Replaced> => {
        const current = look(key)
        if (current.record?.version !== seen?.version) return Effect.succeed({ _tag: "Conflict", seen: current })
        before.set(key, current.record)
        held.set(key, next)
        const replaced: Replaced = { _tag: "Replaced", time: current.time, precision: 1 }
        return Effect.as(PubSub.publish(written, changed(key, next)), replaced)
      }),
    changes: Stream.fromPubSub(written),
    list: (prefix) =>
      Stream.suspend(() => Stream.fromIterable([...held.keys()].filter((key) => key.startsWith(prefix))))
  }
}

/** A store with a flaw. Each layer is a store of its own, and each time it is built one more connection to it. */
export const layerOf = (flaw: Flaw | undefined): Layer.Layer<CircuitStore> => {
  const world = new World()
  return Layer.effect(
    CircuitStore,
    Effect.map(Clock.Clock, (clock) => {
      world.connections++
      const store = right(world, clock)
      return CircuitStore.make({ ...store, ...flaw?.make(world, store) })
    })
  )
}

export const failed = (key: string, operation: "read" | "replace") =>
  new CircuitStoreError({ key, operation, reason: "Unavailable", message: "the store is wrong" })

/** A store that takes keys for other keys. */
export const renamed = (rename: (key: string) => string) => (_: World, right: Store): Partial<Store> => ({
  read: (key) => right.read(rename(key)),
  replace: (key, seen, next) => right.replace(rename(key), seen, next)
})

/** A store that holds other records than it is given. */
export const rewritten =
  (rewrite: (record: CircuitRecord) => CircuitRecord) => (_: World, right: Store): Partial<Store> => ({
    replace: (key, seen, next) => right.replace(key, seen, rewrite(next))
  })

/** A store that says another time. */
export const retimed = (
  retime: (at: { readonly time: number; readonly precision: number }, world: World) => Partial<Seen>
) =>
(world: World, right: Store): Partial<Store> => ({
  read: (key) => Effect.map(right.read(key), (seen) => ({ ...seen, ...retime(seen, world) })),
  replace: (key, seen, next) =>
    Effect.map(
      right.replace(key, seen, next),
      (answer) =>
        answer._tag === "Conflict"
          ? { _tag: "Conflict", seen: { ...answer.seen, ...retime(answer.seen, world) } }
          : { ...answer, ...retime(answer, world) }
    )
})

/** A store that drops records at some time after they were written. */
export const dropping =
  (lives: (record: CircuitRecord, before: CircuitRecord | undefined) => number | undefined) =>
  ({ before, held }: World, right: Store): Partial<Store> => {
    const drop = (key: string) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const record = held.get(key)
        const life = record && lives(record, before.get(key))
        if (record && life !== undefined && now > record.time + life) held.delete(key)
      })
    return {
      read: (key) => Effect.andThen(drop(key), right.read(key)),
      replace: (key, seen, next) => Effect.andThen(drop(key), right.replace(key, seen, next))
    }
  }

export const rounded = (value: unknown, digits: number): unknown =>
  typeof value === "number"
    ? Number(value.toPrecision(digits))
    : Array.isArray(value)
    ? value.map((part) => rounded(part, digits))
    : typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([name, part]) => [name, rounded(part, digits)]))
    : value

/** The clock of a program that was given none. */
export const liveClock = Effect.runSync(Clock.Clock)
