/** Configuration as plain data, with what nobody asked for. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigTree } from "@reclose/core"
import { ConfigProvider, Effect, String as EffectString } from "effect"

const { fields, leaf, list, record } = ConfigTree

const readFrom = (provider: ConfigProvider.ConfigProvider, shape: ConfigTree.Shape, path = "app") =>
  Effect.provideService(ConfigTree.read(path, shape), ConfigProvider.ConfigProvider, provider)

const fromData = (app: unknown, shape: ConfigTree.Shape) => readFrom(ConfigProvider.fromUnknown({ app }), shape)

const fromEnvironment = (variables: Readonly<Record<string, string>>, shape: ConfigTree.Shape, path?: string) =>
  readFrom(ConfigProvider.fromEnvRecord(variables).pipe(ConfigProvider.constantCase), shape, path)

describe("a leaf", () => {
  it.effect.each<[string, unknown]>([
    ["quotes", "quotes"],
    ["5 seconds", "5 seconds"],
    ["12", 12],
    [" -1.5e3 ", -1500],
    ["true", true],
    [" false ", false],
    ["TRUE", "TRUE"],
    ["yes", "yes"],
    [" ", " "],
    ["NaN", "NaN"],
    ["Infinity", "Infinity"],
    [`{ "a": 1 }`, `{ "a": 1 }`]
  ])("that is %j is %j", ([text, value]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* fromEnvironment({ APP_NAME: text }, fields(["name"])), { name: value })
    }))

  it.effect("is no part of another whose name begins like it", () =>
    Effect.gen(function*() {
      const shape = fields(["wait", "waitMax"], { time: fields(["limit", "limitHard"]), timeZone: fields(["name"]) })
      const limits = { APP_TIME_LIMIT: "3", APP_TIME_LIMIT_HARD: "4", APP_TIME_ZONE_NAME: "UTC" }
      assert.deepStrictEqual(yield* fromEnvironment({ APP_WAIT: "1", APP_WAIT_MAX: "2", ...limits }, shape), {
        wait: 1,
        waitMax: 2,
        time: { limit: 3, limitHard: 4 },
        timeZone: { name: "UTC" }
      })
      assert.deepStrictEqual(yield* fromEnvironment({ APP_WAIT_MAX: "2" }, shape), { waitMax: 2 })
      assert.deepStrictEqual(yield* fromEnvironment({ APP_WAIT_MAX: "2", APP_WAIT_MIN: "1" }, shape), {
        wait: { MIN: 1 },
        waitMax: 2
      })
    }))

  it.effect.each<[unknown]>([[[1, 2]], [[]], [{}], [{ a: { b: "c" } }]])(
    "that has parts, as %j, is what it is",
    ([name]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* fromData({ name }, fields(["name"])), { name })
      })
  )
})

describe("fields", () => {
  const shape = fields(["maxKeys"], { halfOpen: fields(["permits"]) })

  it.effect("that are missing are nothing", () =>
    Effect.gen(function*() {
      for (const nothing of [undefined, null, {}, { halfOpen: {} }]) {
        assert.deepStrictEqual(yield* fromData(nothing, shape), {})
      }
      assert.deepStrictEqual(yield* fromEnvironment({ APPLE: "1", APP_MAX_KEYS: "" }, shape), {})
    }))

  it.effect("may be one text of JSON, and nothing stands beside it unseen", () =>
    Effect.gen(function*() {
      const APP_HALF_OPEN = ` { "permits": 3 } `
      assert.deepStrictEqual(yield* fromEnvironment({ APP_HALF_OPEN }, shape), { halfOpen: { permits: 3 } })
      assert.deepStrictEqual(yield* fromEnvironment({ APP_HALF_OPEN, APP_HALF_OPEN_PERMITS: "2" }, shape), {
        halfOpen: { permits: 3 },
        HALF_OPEN_PERMITS: 2
      })
      assert.deepStrictEqual(yield* fromEnvironment({ APP_HALF_OPEN: `{ "permits"` }, shape), {
        halfOpen: `{ "permits"`
      })
    }))

  it.effect("are found under names that the provider rewrites", () =>
    Effect.gen(function*() {
      const kebab = ConfigProvider.mapInput((path) =>
        path.map((part) => typeof part === "number" ? part : EffectString.kebabCase(part))
      )
      const provider = kebab(ConfigProvider.fromUnknown({ app: { "max-keys": 5, "half-open": { permits: 2 } } }))
      assert.deepStrictEqual(yield* readFrom(provider, shape), { maxKeys: 5, halfOpen: { permits: 2 } })
    }))

  it.effect.each<[string, string]>([["app", "APP"], ["quotesApp", "QUOTES_APP"], ["quotes-app", "QUOTES_APP"]])(
    "below %s come with every other variable that is there, by what follows the path",
    ([path, prefix]) =>
      Effect.gen(function*() {
        const variables = {
          [`${prefix}_MAX_KEYS`]: "5",
          [`${prefix}_MAXKEYS`]: "6",
          [`${prefix}_HALF_OPEN_PERMIT`]: "7",
          [`${prefix}_MAX_KEYS_2`]: "8",
          [`${prefix}__MAX_KEYS`]: "9",
          [`${prefix}S_MAX_KEYS`]: "10"
        }
        assert.deepStrictEqual(yield* fromEnvironment(variables, shape, path), {
          maxKeys: 5,
          MAXKEYS: 6,
          HALF_OPEN_PERMIT: 7,
          MAX_KEYS_2: 8,
          _MAX_KEYS: 9
        })
      })
  )

  it.effect.each<[string, unknown]>([
    ["another spelling of a field", { maxKeys: 5, max_keys: 6, MaxKeys: 7 }],
    ["another spelling of a part's field", { halfOpen: { permits: 3 }, halfOpenPermits: 5 }],
    ["unknown fields of all kinds", { maxKeys: 5, retry: { times: 3 }, tags: ["a"], halfOpen: { permit: 3 } }],
    ["a list for fields", { halfOpen: [1] }],
    ["an empty list for fields", { halfOpen: [] }]
  ])("come with %s as it stands", ([, data]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* fromData(data, shape), data)
    }))
})

describe("a list", () => {
  const rule: ConfigTree.Shape = fields(["failures"], { rules: list(() => rule) })
  const shape = fields([], { tripRules: list(() => rule), names: list(() => leaf) })

  it.effect("may hold lists of its own shape", () =>
    Effect.gen(function*() {
      const data = { tripRules: [{ failures: 1 }, { rules: [{ failures: 2, failure: 3 }] }], names: ["a", 1, true] }
      assert.deepStrictEqual(yield* fromData(data, shape), data)
    }))

  it.effect("is a text of JSON in an environment, or a variable for each element", () =>
    Effect.gen(function*() {
      const read = { tripRules: [{ failures: 1 }, { failures: 2 }], names: ["a", "b"] }
      const json = { APP_TRIP_RULES: JSON.stringify(read.tripRules), APP_NAMES: `["a", "b"]` }
      assert.deepStrictEqual(yield* fromEnvironment(json, shape), read)
      const variables = {
        APP_TRIP_RULES_0_FAILURES: "1",
        APP_TRIP_RULES_1_FAILURES: "2",
        APP_NAMES_0: "a",
        APP_NAMES_1: "b"
      }
      assert.deepStrictEqual(yield* fromEnvironment(variables, shape), read)
    }))

  it.effect.each<[unknown]>([[{ first: "a" }], ["a"], [5]])(
    "that is none, as %j, is what it is",
    ([names]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* fromData({ names }, shape), { names })
      })
  )
})

describe("a record", () => {
  const shape = fields([], { keys: record(fields(["jitter"])), codes: record(leaf) })

  it.effect("has the names that there are, also of what is empty", () =>
    Effect.gen(function*() {
      const data = {
        keys: { "payments/*": { jitter: 0.5 }, "quotes": {} },
        codes: { "404": "Success", "5xx": "Failure" }
      }
      assert.deepStrictEqual(yield* fromData(data, shape), data)
    }))

  it.effect("may be a text of JSON", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* fromEnvironment({ APP_CODES: `{ "5xx": "Failure" }` }, shape), {
        codes: { "5xx": "Failure" }
      })
    }))
})

describe("a source that can't be read", () => {
  it.effect("fails as it does", () =>
    Effect.gen(function*() {
      const failure = new ConfigProvider.SourceError({ message: "the file is gone" })
      const provider = ConfigProvider.make(() => Effect.fail(failure))
      assert.strictEqual(yield* Effect.flip(readFrom(provider, leaf)), failure)
    }))
})
