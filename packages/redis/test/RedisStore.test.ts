/** The register, the list and the options of the store, on a real Redis. */
import { assert, describe, it, layer } from "@effect/vitest"
import { CircuitStore } from "@reclose/core/CircuitStore"
import { RedisStore } from "@reclose/redis"
import { Config, ConfigProvider, Effect, Layer, Stream } from "effect"
import { Redis } from "effect/persistence"
import { anyRedis, command, connect, eventually, fakeRedis, ownPrefix, recordOf, RedisUrl } from "./support.ts"

/** The store of a process, alone under its prefix. */
const open = Effect.fnUntraced(function*() {
  const prefix = yield* ownPrefix
  return { prefix, ...(yield* connect(prefix)) }
})

/** What a list answers, in the order of the alphabet. */
const sorted = <E>(keys: Stream.Stream<string, E>) => Effect.map(Stream.runCollect(keys), (keys) => [...keys].sort())

const oddKeys = [
  "a key with spaces",
  "orders{eu}",
  "{}",
  "}{",
  "*",
  "[a-z]?\\",
  "^a",
  "\"'`\\n$(x)",
  "naïve ☂ 🚀",
  "a:b/c|d",
  "7 apples",
  "🚀".repeat(256)
]

describe("a store in Redis", anyRedis(), () => {
  layer(RedisUrl.layer, { excludeTestServices: true })((it) => {
    it.effect("holds nothing of a key that was never written, and knows the time", () =>
      Effect.gen(function*() {
        const { store } = yield* open()
        const seen = yield* store.read("quotes")
        assert.strictEqual(seen.record, undefined)
        assert.isTrue(Number.isSafeInteger(seen.time))
        assert.strictEqual(seen.precision, 1)
      }))

    it.effect("answers what was written, whoever wrote it", () =>
      Effect.gen(function*() {
        const { prefix, store } = yield* open()
        const other = yield* connect(prefix)
        const record = recordOf(1, { timeToLive: undefined, override: "ForcedOpen" })
        assert.strictEqual((yield* store.replace("quotes", undefined, record))._tag, "Replaced")
        assert.deepStrictEqual((yield* other.store.read("quotes")).record, record)
      }))

    it.effect("replaces for whoever has seen the latest version", () =>
      Effect.gen(function*() {
        const { store } = yield* open()
        yield* store.replace("quotes", undefined, recordOf(1))
        assert.strictEqual((yield* store.replace("quotes", recordOf(1), recordOf(2)))._tag, "Replaced")
        assert.deepStrictEqual((yield* store.read("quotes")).record, recordOf(2))
      }))

    it.effect.each(
      [
        ["nothing was seen", undefined],
        ["an older version was seen", recordOf(11)],
        ["a version that begins the same was seen", recordOf(1)],
        ["a newer version was seen", recordOf(120)]
      ] as const
    )("answers the winner and changes nothing where %s", ([, seen]) =>
      Effect.gen(function*() {
        const { store } = yield* open()
        yield* store.replace("quotes", undefined, recordOf(12))
        const answer = yield* store.replace("quotes", seen, recordOf(13))
        assert.strictEqual(answer._tag, "Conflict")
        assert.deepStrictEqual(answer._tag === "Conflict" ? answer.seen.record : undefined, recordOf(12))
        assert.deepStrictEqual((yield* store.read("quotes")).record, recordOf(12))
      }))

    it.effect("answers that nothing is held to who has seen a record that is gone", () =>
      Effect.gen(function*() {
        const { store } = yield* open()
        const answer = yield* store.replace("quotes", recordOf(1), recordOf(2))
        assert.strictEqual(answer._tag, "Conflict")
        assert.strictEqual(answer._tag === "Conflict" ? answer.seen.record : "another", undefined)
        assert.strictEqual((yield* store.read("quotes")).record, undefined)
      }))

    it.effect("tells versions apart up to the largest whole number", () =>
      Effect.gen(function*() {
        const { store } = yield* open()
        const [last, next] = [recordOf(Number.MAX_SAFE_INTEGER - 1), recordOf(Number.MAX_SAFE_INTEGER)]
        yield* store.replace("quotes", undefined, last)
        assert.strictEqual((yield* store.replace("quotes", next, next))._tag, "Conflict")
        assert.strictEqual((yield* store.replace("quotes", last, next))._tag, "Replaced")
        assert.deepStrictEqual((yield* store.read("quotes")).record, next)
      }))

    it.effect("lets exactly one of a hundred win that have seen the same version", () =>
      Effect.gen(function*() {
        const { prefix, store } = yield* open()
        const stores = yield* Effect.replicateEffect(Effect.map(connect(prefix), ({ store }) => store), 4)
        yield* store.replace("quotes", undefined, recordOf(1))
        for (const version of [1, 2, 3]) {
          const answers = yield* Effect.forEach(
            Array.from({ length: 100 }, (_, i) => i),
            (i) =>
              (stores[i % 4] ?? store).replace("quotes", recordOf(version), recordOf(version + 1, { generation: i })),
            { concurrency: "unbounded" }
          )
          const winners = answers.flatMap((answer, i) => answer._tag === "Replaced" ? [i] : [])
          assert.strictEqual(winners.length, 1)
          assert.strictEqual((yield* store.read("quotes")).record?.generation, winners[0])
        }
      }))

    it.effect("tells the time of Redis, which never goes back between answers", () =>
      Effect.gen(function*() {
        const { store } = yield* open()
        const told: Array<number> = []
        for (const version of [1, 2, 3]) {
          const [seconds, microseconds] = (yield* command("TIME")) as [string, string]
          told.push(Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000))
          const answer = yield* store.replace(
            "quotes",
            version === 1 ? undefined : recordOf(version - 1),
            recordOf(version)
          )
          told.push(answer._tag === "Replaced" ? answer.time : 0, (yield* store.read("quotes")).time)
        }
        assert.deepStrictEqual(told, told.slice().sort((a, b) => a - b))
      }))

    it.effect("lets a record expire with its time to live, counted up to a whole millisecond", () =>
      Effect.gen(function*() {
        const { prefix, store } = yield* open()
        yield* store.replace("quotes", undefined, recordOf(1, { timeToLive: 59_999.5 }))
        const left = Number(yield* command("PTTL", `${prefix}quotes`))
        assert.isTrue(left > 30_000 && left <= 60_000, String(left))
        yield* store.replace("quotes", recordOf(1), recordOf(2, { timeToLive: 0 }))
        yield* eventually(Effect.filterOrFail(store.read("quotes"), ({ record }) => record === undefined))
      }))

    it.effect("keeps a record without a time to live, also after one that had it", () =>
      Effect.gen(function*() {
        const { prefix, store } = yield* open()
        yield* store.replace("quotes", undefined, recordOf(1))
        yield* store.replace("quotes", recordOf(1), recordOf(2, { timeToLive: undefined }))
        assert.strictEqual(yield* command("PTTL", `${prefix}quotes`), -1)
        yield* store.replace("quotes", recordOf(2), recordOf(3, { timeToLive: 1e300 }))
        assert.isAbove(Number(yield* command("PTTL", `${prefix}quotes`)), 1e15)
      }))

    it.effect("keeps a circuit for every key, however odd", () =>
      Effect.gen(function*() {
        const { store } = yield* open()
        yield* Effect.forEach(oddKeys, (key, i) => store.replace(key, undefined, recordOf(i + 1)))
        const versions = yield* Effect.forEach(oddKeys, (key) => store.read(key))
        assert.deepStrictEqual(versions.map(({ record }) => record?.version), oddKeys.map((_, i) => i + 1))
        assert.deepStrictEqual(yield* sorted(store.list("")), [...oddKeys].sort())
        for (const key of oddKeys) {
          assert.deepStrictEqual(yield* sorted(store.list(key)), [key])
        }
      }))

    it.effect("lists the keys with a prefix, page by page, each once", () =>
      Effect.gen(function*() {
        const { store } = yield* open()
        const other = yield* open()
        yield* other.store.replace("quotes", undefined, recordOf(1))
        const keys = Array.from({ length: 2_500 }, (_, i) => `payments/${i}`)
        yield* Effect.forEach(keys, (key) => store.replace(key, undefined, recordOf(1)), { concurrency: 100 })
        yield* store.replace("quotes", undefined, recordOf(1))
        assert.deepStrictEqual(yield* sorted(store.list("payments/")), [...keys].sort())
        assert.deepStrictEqual(yield* sorted(store.list("quotes")), ["quotes"])
        assert.deepStrictEqual(yield* sorted(store.list("nothing")), [])
        assert.strictEqual((yield* sorted(store.list(""))).length, 2_501)
      }))

    it.effect("answers clients of both versions of the protocol", () =>
      Effect.gen(function*() {
        const prefix = yield* ownPrefix
        for (const RESP of [2, 3] as const) {
          const { store } = yield* connect(prefix, { RESP })
          yield* store.replace(`quotes-${RESP}`, undefined, recordOf(RESP))
          assert.deepStrictEqual((yield* store.read(`quotes-${RESP}`)).record, recordOf(RESP))
          assert.strictEqual((yield* store.read("nothing")).record, undefined)
        }
        const { store } = yield* connect(prefix)
        assert.deepStrictEqual(yield* sorted(store.list("")), ["quotes-2", "quotes-3"])
      }))
  })
})

describe("the prefix of a store", () => {
  /** No Redis is asked until the store is used. */
  const NoRedis = fakeRedis(() => Effect.die("was asked"))

  const build = (options?: RedisStore.Options) =>
    Effect.asVoid(CircuitStore).pipe(Effect.provide(Layer.provide(RedisStore.layer(options), NoRedis)))

  it.effect.each(["reclose:", "a", "Shop/v1.2_circuits-eu|", "a".repeat(64)])(
    "may be %s",
    (prefix) => build({ prefix })
  )

  it.effect.each(["", "a".repeat(65), "{a}:", "a}", "a b", "a*", "a?", "[a]", "a\\", "ä", "a\n", "a\u0000"])(
    "may not be %j",
    (prefix) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(build({ prefix }))
        assert.strictEqual(error._tag, "PolicyError")
        assert.deepStrictEqual(error.issues.map(({ field, value }) => ({ field, value })), [{
          field: "prefix",
          value: prefix
        }])
        assert.match(error.message, /it must be 1 to 64 printable ASCII characters/)
      })
  )

  /** The key that a store of this layer asks Redis for. */
  const askedBy = <E>(store: Layer.Layer<CircuitStore, E, Redis.Redis>) =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const Recording = fakeRedis((_command, _digest, _keys, key) => {
        if (key !== undefined) asked.push(key)
        return Effect.succeed(["1", "1", null])
      })
      yield* CircuitStore.use((store) => store.read("quotes")).pipe(Effect.provide(Layer.provide(store, Recording)))
      return asked
    })

  it.effect("is reclose: by itself", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* askedBy(RedisStore.layer()), ["reclose:quotes"])
      assert.deepStrictEqual(yield* askedBy(RedisStore.layerConfig({})), ["reclose:quotes"])
    }))

  it.effect("may come from the configuration", () =>
    Effect.gen(function*() {
      const Configured = RedisStore.layerConfig({ prefix: Config.String("PREFIX") })
      const given = (environment: Record<string, string>) =>
        Effect.provideService(
          askedBy(Configured),
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromUnknown(environment)
        )
      assert.deepStrictEqual(yield* given({ PREFIX: "shop:" }), ["shop:quotes"])
      assert.strictEqual((yield* Effect.flip(given({ PREFIX: "{shop}" })))._tag, "PolicyError")
      assert.strictEqual((yield* Effect.flip(given({})))._tag, "ConfigError")
    }))
})
