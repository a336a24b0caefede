/** A policy from a ConfigProvider, read like data. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, Policy, PolicyError, type PolicyIssue } from "@reclose/core"
import { ConfigProvider, Effect } from "effect"
import { readPolicy } from "../src/internal/PolicyReader.ts"

const from = (provider: ConfigProvider.ConfigProvider, path = "breaker") =>
  Effect.provideService(Policy.config(path), ConfigProvider.ConfigProvider, provider)

const fromData = (breaker: unknown) => from(ConfigProvider.fromUnknown({ breaker, other: { jitter: 5 } }))

const fromEnvironment = (variables: Readonly<Record<string, string>>, path?: string) =>
  from(
    ConfigProvider.fromEnvRecord({ PATH: "/bin", BREAKERS: "5", ...variables }).pipe(ConfigProvider.constantCase),
    path
  )

const issuesOf = <R>(policy: Effect.Effect<Policy.Policy, unknown, R>) =>
  Effect.map(Effect.flip(policy), (error) => {
    assert.instanceOf(error, PolicyError)
    return error.issues
  })

/** A policy that says all there is to say. */
const whole = {
  tripRule: {
    _tag: "Any",
    rules: [
      { _tag: "Consecutive", failures: 3 },
      { _tag: "Failures", failures: 4, window: "1 minute" },
      { _tag: "FailureRate", threshold: 0.25, window: 50, minimumCalls: 10 },
      {
        _tag: "All",
        rules: [
          { _tag: "SlowCallRate", slowerThan: "2 seconds", threshold: 0.75, window: "30 seconds", minimumCalls: 7 },
          { _tag: "InFlightAge", olderThan: 5_000, calls: 8 }
        ]
      }
    ]
  },
  openDuration: { initial: "5 seconds", factor: 1.5 },
  maxOpenDuration: "5 minutes",
  jitter: 0.5,
  warmUp: "10 seconds",
  halfOpen: { permits: 3, successThreshold: 2, failureThreshold: 4, maxDuration: 15_000 },
  maxKeys: 500,
  idleTimeToLive: "10 minutes",
  keys: {
    "payments/*": {
      tripRule: { _tag: "Consecutive", failures: 1 },
      openDuration: "20 seconds",
      halfOpen: { permits: 5 }
    },
    "payments/sand.box": { jitter: 0, maxOpenDuration: "1 hour", warmUp: 0 }
  }
}

/** The same with every number as text, as most sources of configuration have it. */
const asText = (value: unknown): unknown =>
  typeof value === "number"
    ? String(value)
    : Array.isArray(value)
    ? value.map(asText)
    : typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([name, part]) => [name, asText(part)]))
    : value

describe("a policy from structured configuration", () => {
  it.effect.each<[string, unknown]>([
    ["with every field", whole],
    ["with every field, numbers as text", asText(whole)]
  ])("%s is what stands there, and a breaker can be made of it", ([, data]) =>
    Effect.gen(function*() {
      const policy = yield* fromData(data)
      assert.deepStrictEqual<unknown>(policy, whole)
      yield* CircuitBreaker.make(policy)
    }).pipe(Effect.provide(CircuitStore.layerMemory)))

  it.effect.each<[string, unknown]>([
    ["is missing", undefined],
    ["is null", null],
    ["is empty", {}],
    ["has nothing but empty parts", { halfOpen: {}, keys: {} }]
  ])("that %s leaves every default", ([, data]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* readPolicy(yield* fromData(data)), yield* readPolicy({}))
    }))

  it.effect("is read below a provider's own root, too", () =>
    Effect.gen(function*() {
      const provider = ConfigProvider.fromUnknown({ app: { breaker: { maxKeys: 5 } } }).pipe(
        ConfigProvider.nested("app")
      )
      assert.deepStrictEqual(yield* from(provider), { maxKeys: 5 })
    }))

  it.effect("takes JSON text for a part that is an object", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* fromData({ halfOpen: `{ "permits": 3 }` }), { halfOpen: { permits: 3 } })
    }))

  it.effect("has its fields under names in capitals where the provider rewrites them, in lists and patterns too", () =>
    Effect.gen(function*() {
      const data = {
        MAX_KEYS: 500,
        TRIP_RULE: { TAG: "Any", RULES: [{ TAG: "InFlightAge", OLDER_THAN: "1 second" }] },
        KEYS: { QUOTES: { HALF_OPEN: { PERMITS: 3 } } }
      }
      const provider = ConfigProvider.fromUnknown({ BREAKER: data }).pipe(ConfigProvider.constantCase)
      assert.deepStrictEqual(yield* from(provider), {
        maxKeys: 500,
        tripRule: { _tag: "Any", rules: [{ _tag: "InFlightAge", olderThan: "1 second" }] },
        keys: { QUOTES: { halfOpen: { permits: 3 } } }
      })
    }))

  it.effect("is told apart from what stands under the same name in capitals", () =>
    Effect.gen(function*() {
      const provider = ConfigProvider.fromUnknown({ breaker: { maxKeys: 5 }, BREAKER: { jitter: 2 } })
      assert.deepStrictEqual(yield* from(provider), { maxKeys: 5 })
    }))

  it.effect.each<[string, unknown]>([
    ["a wrong number", { jitter: 2, maxKeys: 0 }],
    ["a wrong text", { openDuration: "soon", halfOpen: { permits: "many" } }],
    ["a text in the place of an object", { halfOpen: "all", keys: "none", tripRule: "consecutive" }],
    ["a number in the place of an object", { halfOpen: 5, tripRule: 3 }],
    ["an object in the place of a text", { warmUp: { permits: 5 } }],
    ["a list in the place of an object", { halfOpen: [1], tripRule: [{ _tag: "Consecutive", failures: 3 }] }],
    ["an empty list in the place of an object", { halfOpen: [], tripRule: [] }],
    ["an empty object in the place of a text", { maxOpenDuration: {} }],
    ["an object in the place of a list", { tripRule: { _tag: "Any", rules: { first: {} } } }],
    ["an unknown field", { opneDuration: "5 seconds" }],
    ["an unknown field that is an object", { retry: { attempts: 3 } }],
    ["an unknown field that is a list", { retries: [1, 2] }],
    ["an unknown field of a part", { halfOpen: { permit: 3 }, openDuration: { initial: "5 seconds", facto: 2 } }],
    ["an unknown field of a rule", { tripRule: { _tag: "Consecutive", failures: 3, failure: 4 } }],
    ["a field of another rule", { tripRule: { _tag: "Consecutive", failures: 3, window: "5 seconds" } }],
    ["an unknown field of a rule in a list", {
      tripRule: { _tag: "Any", rules: [{ _tag: "Consecutive", failures: 3, x: 1 }] }
    }],
    ["an unknown field of a pattern", { keys: { "payments/*": { maxKeys: 5 } } }],
    ["an unknown kind of rule", { tripRule: { _tag: "Streak" } }],
    ["a rule without its options", { tripRule: { _tag: "Failures" } }],
    ["no rules", { tripRule: { _tag: "Any", rules: [] } }],
    ["overlapping patterns", { keys: { "a*": {}, "*b": { jitter: 1 } } }],
    ["a minimum above the window", { tripRule: { _tag: "FailureRate", window: 10, minimumCalls: 11 } }],
    ["a cap below the first opening", { openDuration: "5 seconds", maxOpenDuration: "1 second" }]
  ])("with %s has the mistakes that it has as data", ([, data]) =>
    Effect.gen(function*() {
      const sorted = (issues: ReadonlyArray<PolicyIssue>) => [...issues].sort((a, b) => a.field.localeCompare(b.field))
      assert.deepStrictEqual(
        sorted(yield* issuesOf(fromData(data))),
        sorted(yield* issuesOf(Policy.fromJson(data)))
      )
    }))

  it.effect.each<[string, unknown]>([["a text", "fast"], ["a list", [1]]])(
    "that is %s, and no policy, is a mistake",
    ([, value]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* issuesOf(fromData(value)), [{ field: "policy", value, allowed: "an object" }])
      })
  )

  it.effect("that cannot be read fails as its source does", () =>
    Effect.gen(function*() {
      const failure = new ConfigProvider.SourceError({ message: "the file is gone" })
      assert.strictEqual(yield* Effect.flip(from(ConfigProvider.make(() => Effect.fail(failure)))), failure)
    }))
})

describe("a policy from environment variables", () => {
  const variables = {
    BREAKER_TRIP_RULE: JSON.stringify(whole.tripRule),
    BREAKER_OPEN_DURATION_INITIAL: "5 seconds",
    BREAKER_OPEN_DURATION_FACTOR: "1.5",
    BREAKER_MAX_OPEN_DURATION: "5 minutes",
    BREAKER_JITTER: "0.5",
    BREAKER_WARM_UP: "10 seconds",
    BREAKER_HALF_OPEN_PERMITS: "3",
    BREAKER_HALF_OPEN_SUCCESS_THRESHOLD: "2",
    BREAKER_HALF_OPEN_FAILURE_THRESHOLD: "4",
    BREAKER_HALF_OPEN_MAX_DURATION: "15000",
    BREAKER_MAX_KEYS: "500",
    BREAKER_IDLE_TIME_TO_LIVE: "10 minutes",
    BREAKER_KEYS: JSON.stringify(whole.keys)
  }

  it.effect("has every field under its name in capitals", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual<unknown>(yield* fromEnvironment(variables), whole)
    }))

  it.effect("takes JSON text for each part that is an object, and for a list", () =>
    Effect.gen(function*() {
      const policy = yield* fromEnvironment({
        BREAKER_OPEN_DURATION: ` { "initial": "5 seconds" } `,
        BREAKER_HALF_OPEN: `{ "permits": 3 }`,
        BREAKER_TRIP_RULE_TAG: "Any",
        BREAKER_TRIP_RULE_RULES: `[{ "_tag": "Consecutive", "failures": 3 }]`
      })
      assert.deepStrictEqual(policy, {
        openDuration: { initial: "5 seconds" },
        halfOpen: { permits: 3 },
        tripRule: { _tag: "Any", rules: [{ _tag: "Consecutive", failures: 3 }] }
      })
      assert.deepStrictEqual(yield* fromEnvironment({ BREAKER: `{ "maxKeys": 5 }` }), { maxKeys: 5 })
    }))

  it.effect("takes a rule variable by variable", () =>
    Effect.gen(function*() {
      const policy = yield* fromEnvironment({
        BREAKER_TRIP_RULE_TAG: "FailureRate",
        BREAKER_TRIP_RULE_THRESHOLD: "1e-1",
        BREAKER_TRIP_RULE_WINDOW: "30 seconds",
        BREAKER_TRIP_RULE_MINIMUM_CALLS: " 50 "
      })
      assert.deepStrictEqual(policy, {
        tripRule: { _tag: "FailureRate", threshold: 0.1, window: "30 seconds", minimumCalls: 50 }
      })
    }))

  it.effect("leaves every default where there is none of it, and takes no notice of other variables", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* fromEnvironment({ OTHER_JITTER: "5", BREAKER_JITTER: "" }), {})
    }))

  it.effect.each<[string, string | undefined, string]>([
    ["of one word", undefined, "BREAKER"],
    ["of two words", "paymentBreaker", "PAYMENT_BREAKER"],
    ["of two words, with a dash", "payment-breaker", "PAYMENT_BREAKER"]
  ])(
    "below a path %s, with a variable that no field accounts for, is a mistake that names it",
    ([, path, prefix]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* fromEnvironment({ [`${prefix}_JITTER`]: "1" }, path), { jitter: 1 })
        const issues = yield* issuesOf(
          fromEnvironment(
            { [`${prefix}_JITTER`]: "2", [`${prefix}_OPNE`]: "1", [`${prefix}_HALF_OPEN_PERMIT`]: "2" },
            path
          )
        )
        const named = issues.map(({ field }) => field.replaceAll(/\W/g, "_").toUpperCase()).sort()
        assert.deepStrictEqual(named, ["HALF_OPEN_PERMIT", "JITTER", "OPNE"], "beside the mistakes of its fields")
      })
  )

  it.effect.each<[string, string | undefined, Readonly<Record<string, string>>]>([
    ["of a part", undefined, { BREAKER_OPEN_DURATION: "5 seconds", BREAKER_OPEN_DURATION_FACTOR: "2" }],
    ["of everything", undefined, { BREAKER: `{ "maxKeys": 5 }`, BREAKER_FACTOR: "2" }],
    ["of everything, wrongly", "myBreaker", { MY_BREAKER: "fast", MY_BREAKER_FACTOR: "2" }]
  ])(
    "with a variable beside the one that says it all %s is a mistake that names it",
    ([, path, variables]) =>
      Effect.gen(function*() {
        const issues = yield* issuesOf(fromEnvironment(variables, path))
        assert.lengthOf(issues, 1)
        assert.match(issues[0]?.field ?? "", /FACTOR$/i)
      })
  )

  it.effect("with a variable below one that has no parts is one mistake", () =>
    Effect.gen(function*() {
      const issues = yield* issuesOf(fromEnvironment({ BREAKER_JITTER_SHARE: "1" }))
      assert.deepStrictEqual(issues, [{ field: "jitter", value: { SHARE: 1 }, allowed: "a number from 0 to 1" }])
    }))

  it.effect("has the mistakes of its values, with what stands in them", () =>
    Effect.gen(function*() {
      const issues = yield* issuesOf(fromEnvironment({
        BREAKER_JITTER: "NaN",
        BREAKER_WARM_UP: `{ "seconds": 5 }`,
        BREAKER_IDLE_TIME_TO_LIVE: " ",
        BREAKER_OPEN_DURATION: "Infinity",
        BREAKER_MAX_OPEN_DURATION: "1,000",
        BREAKER_MAX_KEYS: "0",
        BREAKER_HALF_OPEN: "true",
        BREAKER_TRIP_RULE: `{ "_tag": "Consecutive", `,
        BREAKER_KEYS: "[1]"
      }))
      assert.deepStrictEqual(Object.fromEntries(issues.map(({ field, value }) => [field, value])), {
        "jitter": "NaN",
        "warmUp": `{ "seconds": 5 }`,
        "idleTimeToLive": " ",
        "openDuration": "Infinity",
        "maxOpenDuration": "1,000",
        "maxKeys": 0,
        "halfOpen": "true",
        "tripRule": `{ "_tag": "Consecutive", `,
        "keys": [1]
      })
    }))
})
