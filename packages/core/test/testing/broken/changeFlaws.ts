/** Stores that tell wrongly of changes. */
import { type Change } from "@reclose/core/CircuitStore"
import { Effect, PubSub, Stream } from "effect"
import { comeAndGo, ends, stalled, tells, tellsActs, tellsVersion } from "./cases.ts"
import { changed, type Flaw, retold } from "./World.ts"

export const changeFlaws: ReadonlyArray<Flaw> = [
  {
    name: "tells of nothing",
    make: () => ({ changes: Stream.never }),
    found: [tells, tellsVersion, tellsActs, ends, comeAndGo, stalled]
  },
  {
    name: "tells of keys by their first word",
    make: retold((change) => ({ ...change, key: change.key.split(" ")[0] ?? "" })),
    found: [tells]
  },
  {
    name: "tells of the version before",
    make: retold((change) => ({ ...change, version: change.version - 1 })),
    found: [tellsVersion]
  },
  {
    name: "tells of generations with 14 digits",
    make: retold((change) => ({ ...change, generation: Number(change.generation.toPrecision(14)) })),
    found: [tellsVersion]
  },
  {
    name: "ends its changes by itself",
    make: ({ written }) => ({ changes: Stream.take(Stream.fromPubSub(written), 3) }),
    found: [tells]
  },
  {
    name: "tells one subscriber only",
    make: (world) => ({
      changes: Stream.unwrap(
        Effect.sync(() => world.subscriptions++ === 0 ? Stream.fromPubSub(world.written) : Stream.never)
      )
    }),
    found: [tells, ends, comeAndGo, stalled]
  },
  {
    name: "tells of acts by the generation of the record",
    make: (world) =>
      retold((change) => ({ ...change, generation: world.held.get(change.key)?.generation ?? 0 }))(world),
    found: [tellsActs]
  },
  {
    name: "does not let go of a subscription",
    make: ({ written }) => ({ changes: Stream.ensuring(Stream.fromPubSub(written), Effect.never) }),
    found: [ends, comeAndGo]
  },
  {
    name: "never forgets a subscription, and has room for 40",
    make: (world) => ({
      changes: Stream.unwrap(
        Effect.sync(() => world.subscriptions++ < 40 ? Stream.fromPubSub(world.written) : Stream.never)
      )
    }),
    found: [comeAndGo]
  },
  {
    name: "waits for its subscribers",
    make: (_, right) => {
      const written = Effect.runSync(PubSub.bounded<Change>(16))
      return {
        changes: Stream.fromPubSub(written),
        replace: (key, seen, next) =>
          Effect.tap(right.replace(key, seen, next), () => PubSub.publish(written, changed(key, next)))
      }
    },
    found: [stalled]
  }
]
