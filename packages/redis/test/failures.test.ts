/** What a store says of a Redis that can't do, or doesn't hold, what it is asked for. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as CircuitRecord from "@reclose/core/CircuitRecord"
import { CircuitStore, type CircuitStoreError } from "@reclose/core/CircuitStore"
import { RedisStore } from "@reclose/redis"
import { Effect, Layer, Queue, Stream } from "effect"
import { Redis } from "effect/persistence"
import {
  anyRedis,
  command,
  connect,
  fakeRedis,
  hear,
  heardOf,
  isOf,
  ownPrefix,
  PrivateRedis,
  privateRedis,
  recordOf,
  RedisUrl
} from "./support.ts"

type Store = CircuitStore["Service"]

const text = CircuitRecord.toText(recordOf(7))

/** What is none of ours, and what a store says of it. */
const foreign = [
  ["a list", ["RPUSH", "KEY", "1"], "WrongType"],
  ["a hash", ["HSET", "KEY", "version", "1"], "WrongType"],
  ["a set", ["SADD", "KEY", "1"], "WrongType"],
  ["a sorted set", ["ZADD", "KEY", "1", "a"], "WrongType"],
  ["a stream", ["XADD", "KEY", "1-1", "a", "b"], "WrongType"],
  ["a number", ["SET", "KEY", "7"], "Corrupt"],
  ["some text", ["SET", "KEY", "7 apples"], "Corrupt"],
  ["nothing but a string", ["SET", "KEY", ""], "Corrupt"],
  ["half a record", ["SET", "KEY", `7 ${text.slice(0, 100)}`], "Corrupt"],
  ["a record without its version", ["SET", "KEY", text], "Corrupt"],
  ["a record as another version", ["SET", "KEY", `8 ${text}`], "Corrupt"],
  ["a record as its version, with a zero", ["SET", "KEY", `07 ${text}`], "Corrupt"],
  ["a record of another release", ["SET", "KEY", `7 {"form":2,"circuit":{}}`], "ForeignVersion"],
  ["whatever another release keeps", ["SET", "KEY", `{"form":2,"version":7}`], "ForeignVersion"]
] as const

/** How an operation on `quotes` fails, if it does. */
const attempts: ReadonlyArray<readonly [string, (store: Store) => Effect.Effect<CircuitStoreError>]> = [
  ["read", (store) => Effect.flip(store.read("quotes")).pipe(Effect.orDie)],
  ["replace", (store) => Effect.flip(store.replace("quotes", undefined, recordOf(8))).pipe(Effect.orDie)]
]

describe("a key that holds what is no record", anyRedis(), () => {
  layer(RedisUrl.layer, { excludeTestServices: true })((it) => {
    it.effect.each(foreign)("is left alone: %s", ([, words, reason]) =>
      Effect.gen(function*() {
        const prefix = yield* ownPrefix
        const { store } = yield* connect(prefix)
        const key = `${prefix}quotes`
        yield* command(...words.map((word) => word === "KEY" ? key : word))
        const before = yield* command("DUMP", key)
        for (const [operation, attempt] of attempts) {
          const error = yield* attempt(store)
          assert.deepStrictEqual(
            { key: error.key, operation: error.operation, reason: error.reason },
            { key: "quotes", operation, reason }
          )
          assert.match(error.message, /left alone/)
        }
        assert.strictEqual(yield* command("DUMP", key), before)
        assert.strictEqual((yield* store.read("other")).record, undefined)
      }))
  })
})

/** How a Redis comes to refuse writes, what ends that, and what the error advises. */
const refusals = [
  ["is a replica, as after a failover", ["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"], /primary/],
  ["has no memory left", ["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"], /maxmemory/],
  [
    "lacks replicas",
    ["CONFIG", "SET", "min-replicas-to-write", "1"],
    ["CONFIG", "SET", "min-replicas-to-write", "0"],
    /operator/
  ]
] as const

describe("a Redis that takes no writes", privateRedis(), () => {
  layer(PrivateRedis, { excludeTestServices: true })((it) => {
    it.effect.each(refusals)(
      "publishes nothing about a write that it refuses: it %s",
      ([, begin, end]) =>
        Effect.gen(function*() {
          const { store } = yield* connect(yield* ownPrefix)
          const heard = yield* hear(store)
          yield* store.replace("quotes", undefined, recordOf(1))
          yield* heardOf(heard, isOf("quotes"))
          yield* Effect.acquireRelease(command(...begin), () => command(...end))
          yield* Effect.flip(store.replace("quotes", recordOf(1), recordOf(2)))
          yield* Effect.flip(store.replace("other", undefined, recordOf(1)))
          yield* command(...end)
          yield* store.replace("last", undefined, recordOf(1))
          const messages = yield* Queue.takeN(heard, 1)
          assert.deepStrictEqual(messages, [{ _tag: "Changed", key: "last", version: 1, generation: 0 }])
        })
    )

    it.effect.each(refusals)(
      "still reads, and says so, and goes on later: it %s",
      ([, begin, end, advice]) =>
        Effect.gen(function*() {
          const { store } = yield* connect(yield* ownPrefix)
          yield* store.replace("quotes", undefined, recordOf(1))
          yield* Effect.acquireRelease(command(...begin), () => command(...end))
          const error = yield* Effect.flip(store.replace("quotes", recordOf(1), recordOf(2)))
          assert.strictEqual(error.reason, "Unavailable")
          assert.match(error.message, advice)
          assert.deepStrictEqual((yield* store.read("quotes")).record, recordOf(1))
          yield* command(...end)
          assert.strictEqual((yield* store.replace("quotes", recordOf(1), recordOf(2)))._tag, "Replaced")
        })
    )

    it.effect("says so of a replica that has lost its primary", () =>
      Effect.gen(function*() {
        const { store } = yield* connect(yield* ownPrefix)
        yield* store.read("quotes")
        yield* command("CONFIG", "SET", "replica-serve-stale-data", "no")
        yield* Effect.acquireRelease(command("REPLICAOF", "127.0.0.1", "1"), () => command("REPLICAOF", "NO", "ONE"))
        const error = yield* Effect.flip(store.read("quotes"))
        assert.strictEqual(error.reason, "Unavailable")
        assert.match(error.message, /MASTERDOWN/)
      }))
  })
})

/** What Redis and its clients say that can't be brought about here, or by one version of Redis only. */
const sayings = [
  ["NOAUTH Authentication required.", "Denied", /password/],
  ["WRONGPASS invalid username-password pair or user is disabled.", "Denied", /password/],
  ["NOPERM this user has no permissions to run the 'evalsha' command", "Denied", /rights/],
  ["DENIED Redis is running in protected mode", "Denied", /rights/],
  [
    "ERR The user executing the script can't publish to the channel mentioned in the command script: 3e",
    "Denied",
    /rights/
  ],
  ["ERR ACL failure in script: User r has no permissions to run the 'publish' command", "Denied", /rights/],
  [
    "ERR Error running script (call to f_3e): @user_script:3: WRONGTYPE Operation against a key",
    "WrongType",
    /left alone/
  ],
  ["LOADING Redis is loading the dataset in memory", "Unavailable", /by itself/],
  ["CLUSTERDOWN The cluster is down", "Unavailable", /by itself/],
  ["BUSY Redis is busy running a script.", "Unavailable", /by itself/],
  ["MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk.", "Unavailable", /disk/],
  ["MOVED 3999 127.0.0.1:6381", "Unavailable", /cluster/],
  ["ERR string exceeds maximum allowed size (proto-max-bulk-len)", "Oversized", /proto-max-bulk-len/],
  ["ERR unknown command 'EVALSHA', with args beginning with: ", "Unavailable", /Redis 6/],
  ["Connection timeout", "Timeout", /in time/],
  ["connect ETIMEDOUT 10.0.0.1:6379", "Timeout", /in time/],
  ["The client is offline", "Unavailable", /could not be reached/],
  ["The queue is full", "Unavailable", /could not be reached/]
] as const

describe("what a store makes of what Redis says", () => {
  const under = (cause: unknown) =>
    Effect.provide(
      RedisStore.layer().pipe(Layer.provide(fakeRedis(() => Effect.fail(new Redis.RedisError({ cause })))))
    )

  it.effect.each(sayings)("%s", ([saying, reason, advice]) =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      const listing = Effect.flip(Stream.runDrain(store.list("pay"))).pipe(Effect.orDie)
      for (const [operation, attempt] of [...attempts, ["list", () => listing] as const]) {
        const error = yield* attempt(store)
        assert.deepStrictEqual(
          { key: error.key, operation: error.operation, reason: error.reason },
          { key: operation === "list" ? "pay" : "quotes", operation, reason }
        )
        assert.match(error.message, advice)
        assert.include(error.message, saying)
      }
    }).pipe(under(new Error(saying))))

  it.effect("names an error that has a code and no words, and shortens one that has many", () =>
    Effect.gen(function*() {
      const said = (cause: unknown) =>
        CircuitStore.use((store) => Effect.flip(store.read("quotes"))).pipe(
          under(cause),
          Effect.map(({ message }) => message)
        )
      assert.match(yield* said(Object.assign(new AggregateError([]), { code: "ECONNREFUSED" })), /ECONNREFUSED/)
      assert.match(yield* said(new TypeError("")), /TypeError/)
      assert.match(yield* said("no error at all"), /no error at all/)
      assert.isBelow((yield* said(new Error("x".repeat(10_000)))).length, 400)
    }))
})

describe("a script that the key's node doesn't know", () => {
  it.effect("is sent in full, as in a cluster that loaded it elsewhere", () =>
    Effect.gen(function*() {
      const sent: Array<ReadonlyArray<string>> = []
      const Cluster = fakeRedis((name, ...words) => {
        sent.push([name, ...words])
        if (name === "EVALSHA") {
          return Effect.fail(
            new Redis.RedisError({ cause: new Error("NOSCRIPT No matching script. Please use EVAL.") })
          )
        }
        return Effect.succeed(name === "EVAL" ? ["1", "1", null] : "digest")
      })
      const seen = yield* CircuitStore.use((store) => store.read("quotes")).pipe(
        Effect.provide(Layer.provide(RedisStore.layer(), Cluster))
      )
      assert.strictEqual(seen.record, undefined)
      assert.deepStrictEqual(sent.map(([name]) => name), ["SCRIPT", "EVALSHA", "SCRIPT", "EVALSHA", "EVAL"])
      assert.deepStrictEqual(sent.at(-1)?.slice(2), ["1", "reclose:quotes"])
    }))
})
