/** A right store, and many that are wrong in one thing each: whoever proves stores has to find it. */
import type { CircuitRecord } from "@reclose/core/CircuitRecord"
import { type Change, CircuitStore, CircuitStoreError, type Replaced, type Seen } from "@reclose/core/CircuitStore"
import { Clock, Duration, Effect, Fiber, Layer, PubSub, Semaphore, Stream } from "effect"

type Store = CircuitStore["Service"]

/** What all connections to one store share. */
class World {
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

interface Flaw {
  readonly name: string
  readonly make: (world: World, right: Store) => Partial<Store>
  /** The cases that find it, each by itself. */
  readonly found: ReadonlyArray<string>
}

const seenAt = (record: CircuitRecord | undefined, time: number): Seen => ({ record, time, precision: 1 })

const changed = (key: string, { generation, version }: CircuitRecord): Change => ({
  _tag: "Changed",
  key,
  version,
  generation
})

/** A store that tells of changes in another way. */
const retold =
  (retell: (change: Extract<Change, { readonly _tag: "Changed" }>) => Change) => (world: World): Partial<Store> => ({
    changes: Stream.map(
      Stream.fromPubSub(world.written),
      (change) => change._tag === "Changed" ? retell(change) : change
    )
  })

/** The store that is right. */
const right = ({ before, held, written }: World, clock: Clock.Clock): Store => {
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
      return { ...store, ...flaw?.make(world, store) }
    })
  )
}

const failed = (key: string, operation: "read" | "replace") =>
  new CircuitStoreError({ key, operation, reason: "Unavailable", message: "the store is wrong" })

/** A store that takes keys for other keys. */
const renamed = (rename: (key: string) => string) => (_: World, right: Store): Partial<Store> => ({
  read: (key) => right.read(rename(key)),
  replace: (key, seen, next) => right.replace(rename(key), seen, next)
})

/** A store that holds other records than it is given. */
const rewritten = (rewrite: (record: CircuitRecord) => CircuitRecord) => (_: World, right: Store): Partial<Store> => ({
  replace: (key, seen, next) => right.replace(key, seen, rewrite(next))
})

/** A store that says another time. */
const retimed = (
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
const dropping =
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

const rounded = (value: unknown, digits: number): unknown =>
  typeof value === "number"
    ? Number(value.toPrecision(digits))
    : Array.isArray(value)
    ? value.map((part) => rounded(part, digits))
    : typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([name, part]) => [name, rounded(part, digits)]))
    : value

/** The clock of a program that was given none. */
const liveClock = Effect.runSync(Clock.Clock)

const nothing = "holds nothing of a key that was never written"
const creates = "creates a record where nothing is held, and everybody reads it at once"
const replaces = "replaces a record for whoever has seen its version, wherever they write"
const byVersion = "goes by the version that was seen, and by nothing else of the record"
const anyVersion = "holds what it is given, also with a version that is not the next"
const zero = "takes a version of zero for a version"
const large = "tells versions apart up to 2^53 - 1"
const loses = "answers the winner to whoever has seen another version, and changes nothing"
const losesBlind = "answers the winner to whoever has seen nothing, and changes nothing"
const losesGone = "answers that nothing is held to whoever has seen something, and creates nothing"
const lazy = "acts when an operation is run, each time anew, and not when it is made"
const oneWins = "lets exactly one of many win that have seen the same, and answers its record to all others"
const additions = "loses no update of 8 writers that add 10 times each"
const allWin = "lets writers of different keys all win"
const manyReads = "answers 1,000 reads at once, each with its own key's record"
const interrupted = "is no worse for writes that are interrupted in the middle"
const beside = "answers reads beside which others are interrupted"
const apart = "keeps keys apart, also where they are almost the same"
const longKeys = "takes keys of 512 characters, whatever they take in bytes"
const shortKey = "takes a key of one character"
const phases = "brings back each phase"
const overrides = "brings back each override"
const evidence = "brings back each kind of evidence, and none"
const names = "brings back names as they are, and lists in their order"
const numbers = "brings back numbers up to 2^53 - 1, and fractions of milliseconds"
const fractions = "brings back a time that is no whole millisecond"
const largest = "brings back the largest record there is"
const millis = "says in every answer what time it is, in milliseconds since 1970"
const precise = "says in every answer how precise its time is: more than nothing, at most 5 seconds"
const forward = "never goes back in time by more than its precision"
const pace = "has a clock that goes as fast as this process's"
const sameTime = "says the same time on both connections, to a second"
const holds = "holds a record for as long as its time to live is not over"
const forever = "holds a record without a time to live until it is replaced"
const latestLife = "goes by the time to live of the latest record, not of the one before"
const over = "lets a record be replaced whose time to live is over, whether or not it still holds it"
const tells = "tells every other connection of a key that was written, by its name"
const tellsVersion = "tells which version was written, of which generation"
const ends = "ends a subscription with its scope, and serves the next one"
const comeAndGo = "serves subscribers that come and go"
const stalled = "is not held up by a subscriber that does not listen"
const lists = "lists the keys with a prefix for which something is held, and no others"
const listsNothing = "lists nothing where nothing is held"
const listsAll = "lists all of 250 keys"
const listsEmpty = "lists everything for an empty prefix"
const listsSome = "stops listing when nobody wants more"

export const flaws: ReadonlyArray<Flaw> = [
  {
    name: "ignores the version",
    make: ({ held }, right) => ({ replace: (key, _, next) => right.replace(key, held.get(key), next) }),
    found: [loses, losesBlind, losesGone, zero, large, oneWins, additions]
  },
  {
    name: "answers success on conflict",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        Effect.map(
          right.replace(key, seen, next),
          (answer) => answer._tag === "Conflict" ? { ...answer.seen, _tag: "Replaced" } : answer
        )
    }),
    found: [loses, losesBlind, losesGone, oneWins, additions, names]
  },
  {
    name: "writes also on conflict",
    make: ({ held }, right) => ({
      replace: (key, seen, next) =>
        Effect.tap(right.replace(key, seen, next), () => Effect.sync(() => held.set(key, next)))
    }),
    found: [loses, losesBlind, losesGone, oneWins]
  },
  {
    name: "creates for whoever has seen what is gone",
    make: ({ held }, right) => ({
      replace: (key, seen, next) => right.replace(key, held.has(key) ? seen : undefined, next)
    }),
    found: [losesGone]
  },
  {
    name: "overwrites for whoever has seen nothing",
    make: ({ held }, right) => ({ replace: (key, seen, next) => right.replace(key, seen ?? held.get(key), next) }),
    found: [losesBlind, oneWins]
  },
  {
    name: "lets a version win that is ahead",
    make: ({ held }, right) => ({
      replace: (key, seen, next) => {
        const current = held.get(key)
        return right.replace(key, current && seen && seen.version > current.version ? current : seen, next)
      }
    }),
    found: [loses]
  },
  {
    name: "answers a stale record on conflict",
    make: ({ before }, right) => ({
      replace: (key, seen, next) =>
        Effect.map(
          right.replace(key, seen, next),
          (answer) =>
            answer._tag === "Conflict" && before.get(key) !== undefined
              ? { _tag: "Conflict", seen: { ...answer.seen, record: before.get(key) } }
              : answer
        )
    }),
    found: [loses, oneWins]
  },
  {
    name: "answers a stale record on conflict where many write",
    make: ({ before }, right) => ({
      replace: (key, seen, next) =>
        Effect.tap(
          Effect.map(right.replace(key, seen, next), (answer): Replaced =>
            answer._tag === "Conflict"
              ? { _tag: "Conflict", seen: { ...answer.seen, record: before.get(key) } }
              : answer),
          () => Effect.yieldNow
        )
    }),
    found: [additions]
  },
  {
    name: "answers no record on conflict",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        Effect.map(
          right.replace(key, seen, next),
          (answer) =>
            answer._tag === "Conflict" ? { _tag: "Conflict", seen: { ...answer.seen, record: undefined } } : answer
        )
    }),
    found: [loses, losesBlind, zero, large, oneWins, lazy, phases, overrides, evidence, numbers, largest]
  },
  {
    name: "reads and then writes, and is not alone",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        Effect.flatMap(right.read(key), (current) =>
          Effect.andThen(
            Effect.yieldNow,
            current.record?.version === seen?.version
              ? Effect.flatMap(
                right.read(key),
                (late) => right.replace(key, late.record, next)
              )
              : Effect.succeed<Replaced>({ _tag: "Conflict", seen: current })
          ))
    }),
    found: [oneWins, additions]
  },
  {
    name: "compares whole records",
    make: ({ held }, right) => ({
      replace: (key, seen, next) =>
        right.replace(
          key,
          JSON.stringify(seen) === JSON.stringify(held.get(key)) ? seen : { ...next, version: -1 },
          next
        )
    }),
    found: [byVersion]
  },
  {
    name: "insists on the next version",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        seen && next.version !== seen.version + 1
          ? Effect.fail(failed(key, "replace"))
          : right.replace(key, seen, next)
    }),
    found: [anyVersion]
  },
  {
    name: "takes version 0 for nothing",
    make: ({ held }, right) => ({
      replace: (key, seen, next) =>
        right.replace(key, seen ?? (held.get(key)?.version === 0 ? held.get(key) : seen), next)
    }),
    found: [zero]
  },
  {
    name: "compares versions as numbers of single precision",
    make: ({ held }, right) => ({
      replace: (key, seen, next) => {
        const current = held.get(key)
        const same = current && seen && Math.fround(current.version) === Math.fround(seen.version)
        return right.replace(key, same ? current : seen, next)
      }
    }),
    found: [large]
  },
  {
    name: "writes numbers with 14 digits",
    make: (_, right) => ({
      replace: (key, seen, next) => right.replace(key, seen, rounded(next, 14) as CircuitRecord)
    }),
    found: [large, numbers, largest]
  },
  {
    name: "writes whole milliseconds",
    make: rewritten((record) => ({ ...record, time: Math.floor(record.time) })),
    found: [fractions]
  },
  {
    name: "writes when the operation is made",
    make: (_, right) => ({
      replace: (key, seen, next) => Effect.exit(right.replace(key, seen, next)).pipe(Effect.runSync)
    }),
    found: [lazy]
  },
  {
    name: "reads once per operation that is made",
    make: (_, right) => ({ read: (key) => Effect.runSync(Effect.cached(right.read(key))) }),
    found: [lazy]
  },
  {
    name: "makes up a record where nothing is held",
    make: (_, right) => ({
      read: (key) =>
        Effect.map(right.read(key), (seen) => ({
          ...seen,
          record: seen.record ?? {
            version: 0,
            time: 0,
            timeToLive: undefined,
            generation: 0,
            phase: { _tag: "Closed", openings: 0, remaining: 0 },
            override: "None",
            policy: "",
            evidence: [],
            failing: [],
            writers: []
          }
        }))
    }),
    found: [nothing, losesGone, longKeys, apart]
  },
  {
    name: "is another store for each connection",
    make: () => right(new World(), liveClock),
    found: [
      creates,
      replaces,
      loses,
      losesBlind,
      oneWins,
      additions,
      allWin,
      longKeys,
      shortKey,
      tells,
      lists,
      listsAll
    ]
  },
  {
    name: "answers reads from a replica that is late",
    make: ({ connections, held }, right) => {
      const late = new Map<string, CircuitRecord>()
      return connections === 1 ? {} : {
        read: (key) =>
          Effect.map(right.read(key), (seen) => {
            const record = late.get(key)
            const current = held.get(key)
            if (current) late.set(key, current)
            return { ...seen, record }
          })
      }
    },
    found: [creates, replaces, fractions]
  },
  {
    name: "loses the time to live",
    make: rewritten((record) => ({ ...record, timeToLive: undefined })),
    found: [creates, phases]
  },
  {
    name: "loses what is left of a phase",
    make: rewritten((record) => ({ ...record, phase: { ...record.phase, remaining: 0 } })),
    found: [phases, numbers, largest]
  },
  {
    name: "loses an operator's word",
    make: rewritten((record) => ({ ...record, override: "None" })),
    found: [overrides, replaces, largest]
  },
  {
    name: "loses empty evidence",
    make: rewritten((record) => ({
      ...record,
      evidence: record.evidence.filter((count) => count._tag !== "Calls" || count.blocks.length > 0)
    })),
    found: [evidence]
  },
  {
    name: "keeps processes by name, in no order",
    make: rewritten((record) => ({ ...record, failing: Object.entries(Object.fromEntries(record.failing)) })),
    found: [names]
  },
  {
    name: "keeps at most 31 processes",
    make: rewritten((record) => ({ ...record, failing: record.failing.slice(-31) })),
    found: [largest]
  },
  { name: "takes keys in lower case", make: renamed((key) => key.toLowerCase()), found: [apart] },
  { name: "trims keys", make: renamed((key) => key.trim()), found: [apart] },
  { name: "normalizes keys", make: renamed((key) => key.normalize("NFC")), found: [apart] },
  { name: "decodes keys", make: renamed((key) => decodeURIComponent(key.replace(/%(?!20)/g, "%25"))), found: [apart] },
  {
    name: "takes what is in braces for the key",
    make: renamed((key) => /\{(.+?)\}/.exec(key)?.[1] ?? key),
    found: [apart]
  },
  { name: "cuts keys at 500 characters", make: renamed((key) => key.slice(0, 500)), found: [longKeys] },
  {
    name: "refuses keys of more than 1,024 bytes",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        Buffer.byteLength(key) > 1024 ? Effect.fail(failed(key, "replace")) : right.replace(key, seen, next)
    }),
    found: [longKeys]
  },
  {
    name: "refuses short keys",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        key.length < 3 ? Effect.fail(failed(key, "replace")) : right.replace(key, seen, next)
    }),
    found: [shortKey]
  },
  {
    name: "has one version for all keys",
    make: (world, right) => ({
      replace: (key, seen, next) =>
        Effect.flatMap(Effect.succeed(world.writes).pipe(Effect.tap(() => Effect.yieldNow)), (writes) => {
          if (writes !== world.writes) return Effect.map(right.read(key), (seen) => ({ _tag: "Conflict", seen }))
          world.writes++
          return right.replace(key, seen, next)
        })
    }),
    found: [allWin, manyReads, listsAll]
  },
  {
    name: "answers at most 500 reads at once",
    make: (world, right) => ({
      read: (key) =>
        Effect.suspend(() => {
          world.reading++
          const answer = world.reading > 500 ? Effect.fail(failed(key, "read")) : right.read(key)
          return Effect.andThen(Effect.yieldNow, answer).pipe(
            Effect.ensuring(Effect.sync(() => {
              world.reading--
            }))
          )
        })
    }),
    found: [manyReads]
  },
  {
    name: "answers one read with another's record, where many read at once",
    make: (world, right) => {
      let last = ""
      return {
        read: (key) =>
          Effect.suspend(() => {
            world.reading++
            last = key
            return Effect.andThen(Effect.yieldNow, Effect.suspend(() => right.read(world.reading > 1 ? last : key)))
              .pipe(
                Effect.ensuring(Effect.sync(() => {
                  world.reading--
                }))
              )
          })
      }
    },
    found: [manyReads]
  },
  {
    name: "keeps its lock when it is interrupted",
    make: ({ lock }, right) => ({
      replace: (key, seen, next) =>
        Effect.gen(function*() {
          yield* Semaphore.take(lock, 1)
          yield* Effect.yieldNow
          const answer = yield* right.replace(key, seen, next)
          yield* Semaphore.release(lock, 1)
          return answer
        })
    }),
    found: [interrupted]
  },
  {
    name: "is between two records when it is interrupted",
    make: ({ held }, right) => ({
      replace: (key, seen, next) =>
        Effect.gen(function*() {
          const current = held.get(key)
          if (current?.version !== seen?.version) return yield* right.replace(key, seen, next)
          held.set(key, { ...next, version: next.version + 100 })
          yield* Effect.yieldNow
          held.set(key, current ?? next)
          return yield* right.replace(key, seen, next)
        })
    }),
    found: [interrupted]
  },
  {
    name: "fails all reads of a batch when one is interrupted",
    make: (_, right) => {
      let batch: Fiber.Fiber<void> | undefined
      return {
        read: (key) =>
          Effect.gen(function*() {
            batch ??= yield* Effect.forkDetach(Effect.andThen(Effect.yieldNow, Effect.yieldNow))
            const mine = batch
            yield* Effect.onInterrupt(Fiber.join(mine), () => Fiber.interrupt(mine))
            batch = undefined
            return yield* right.read(key)
          })
      }
    },
    found: [beside]
  },
  { name: "says seconds", make: retimed(({ time }) => ({ time: Math.floor(time / 1000) })), found: [millis, pace] },
  { name: "says microseconds", make: retimed(({ time }) => ({ time: time * 1000 })), found: [millis, pace] },
  { name: "says no time", make: retimed(() => ({ time: Number.NaN })), found: [millis, pace, sameTime, forward] },
  { name: "says a precision of nothing", make: retimed(() => ({ precision: 0 })), found: [precise] },
  { name: "says a precision of a day", make: retimed(() => ({ precision: 86_400_000 })), found: [precise] },
  {
    name: "goes back in time",
    make: retimed(({ time }, world) => ({ time: time - (world.answers++ % 10) * 100 })),
    found: [forward]
  },
  { name: "has a clock that stands", make: retimed(() => ({ time: 1_790_000_000_000 })), found: [pace] },
  {
    name: "has a clock that goes twice as fast",
    make: retimed(({ time }) => ({ time: time * 2 - 1.7e12 })),
    found: [pace]
  },
  {
    name: "asks each connection's own clock",
    make: (world, right) => {
      const off = world.connections * 3_600_000
      return retimed(({ time }) => ({ time: time - off }))(world, right)
    },
    found: [sameTime]
  },
  { name: "drops everything after a second", make: dropping(() => 1000), found: [holds, forever, latestLife] },
  {
    name: "takes a time to live in seconds",
    make: dropping(({ timeToLive = Infinity }) => timeToLive / 1000),
    found: [holds, latestLife]
  },
  {
    name: "takes no time to live for none",
    make: dropping(({ timeToLive = 0 }) => timeToLive),
    found: [forever, latestLife]
  },
  {
    name: "keeps the first time to live",
    make: dropping((record, before) => before?.timeToLive ?? record.timeToLive),
    found: [latestLife]
  },
  {
    name: "refuses a time to live of nothing",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        next.timeToLive === 0 ? Effect.fail(failed(key, "replace")) : right.replace(key, seen, next)
    }),
    found: [over]
  },
  {
    name: "hides what is over, and lets nobody replace it",
    make: (_, right) => {
      const hide = (seen: Seen): Seen => {
        const { record, time } = seen
        return record?.timeToLive !== undefined && time > record.time + record.timeToLive
          ? { ...seen, record: undefined }
          : seen
      }
      return {
        read: (key) => Effect.map(right.read(key), hide),
        replace: (key, seen, next) =>
          Effect.map(
            right.replace(key, seen, next),
            (answer) => answer._tag === "Conflict" ? { _tag: "Conflict", seen: hide(answer.seen) } : answer
          )
      }
    },
    found: [over]
  },
  {
    name: "tells of nothing",
    make: () => ({ changes: Stream.never }),
    found: [tells, tellsVersion, ends, comeAndGo, stalled]
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
  },
  {
    name: "lists all keys, whatever the prefix",
    make: ({ held }) => ({ list: () => Stream.suspend(() => Stream.fromIterable([...held.keys()])) }),
    found: [lists]
  },
  {
    name: "takes a prefix for a pattern",
    make: ({ held }) => ({
      list: (prefix) =>
        Stream.suspend(() => {
          const pattern = new RegExp(`^${prefix.replaceAll(/[{}()|+.^$\\[\]]/g, "\\$&").replaceAll("*", ".*")}`)
          return Stream.fromIterable([...held.keys()].filter((key) => pattern.test(key)))
        })
    }),
    found: [lists]
  },
  {
    name: "lists keys in any case",
    make: ({ held }) => ({
      list: (prefix) =>
        Stream.suspend(() =>
          Stream.fromIterable([...held.keys()].filter((key) => key.toLowerCase().startsWith(prefix.toLowerCase())))
        )
    }),
    found: [lists]
  },
  {
    name: "lists the first page",
    make: (_, right) => ({ list: (prefix) => Stream.take(right.list(prefix), 100) }),
    found: [listsAll, listsSome]
  },
  {
    name: "lists keys that were only read",
    make: (_, right) => {
      const known = new Set<string>()
      return {
        read: (key) => Effect.tap(right.read(key), () => Effect.sync(() => known.add(key))),
        list: (prefix) => Stream.suspend(() => Stream.fromIterable([...known].filter((key) => key.startsWith(prefix))))
      }
    },
    found: [listsNothing]
  },
  {
    name: "lists nothing for an empty prefix",
    make: (_, right) => ({ list: (prefix) => prefix === "" ? Stream.empty : right.list(prefix) }),
    found: [listsEmpty]
  },
  {
    name: "can't stop listing",
    make: (_, right) => ({ list: (prefix) => Stream.ensuring(right.list(prefix), Effect.never) }),
    found: [listsSome, lists, listsEmpty]
  }
]

/** Enough for a store in memory, and not long to wait for one that never answers. */
export const timeout = Duration.seconds(5)
