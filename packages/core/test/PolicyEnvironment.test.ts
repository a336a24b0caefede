/** A policy from environment variables, whose names say where words end and not where parts do. */
import { assert, describe, it } from "@effect/vitest"
import type { PolicyIssue } from "@reclose/core"
import { ConfigProvider, Effect } from "effect"
import { from, issuesOf, whole } from "./policyConfig.ts"

const fromEnvironment = (variables: Readonly<Record<string, string>>, path?: string) =>
  from(
    ConfigProvider.fromEnvRecord({ PATH: "/bin", BREAKERS: "5", ...variables }).pipe(ConfigProvider.constantCase),
    path
  )

/** The variable below the path that a mistake is in. */
const named = ({ field }: PolicyIssue): string =>
  field.replaceAll(/([a-z])([A-Z])/g, "$1_$2").replaceAll(".", "_").toUpperCase()

describe("a policy from environment variables", () => {
  const variables = {
    BREAKER_TRIP_RULE: JSON.stringify(whole.tripRule),
    BREAKER_OPEN_DURATION_INITIAL: "5 seconds",
    BREAKER_OPEN_DURATION_FACTOR: "1.5",
    BREAKER_MAX_OPEN_DURATION: "5 minutes",
    BREAKER_JITTER: "0.5",
    BREAKER_WARM_UP: "10 seconds",
    BREAKER_QUORUM: "2",
    BREAKER_HALF_OPEN_PERMITS: "3",
    BREAKER_HALF_OPEN_SUCCESS_THRESHOLD: "2",
    BREAKER_HALF_OPEN_FAILURE_THRESHOLD: "4",
    BREAKER_HALF_OPEN_MAX_DURATION: "15 seconds",
    BREAKER_MAX_KEYS: "500",
    BREAKER_IDLE_TIME_TO_LIVE: "10 minutes",
    BREAKER_HYDRATE_TIMEOUT: "50 millis",
    BREAKER_STORE_TIMEOUT: "1 second",
    BREAKER_FLUSH_EVERY: "2 seconds",
    BREAKER_REFRESH_EVERY: "5 seconds",
    BREAKER_BACKGROUND: "false",
    BREAKER_KEYS: JSON.stringify(whole.keys)
  }

  it.effect("has every field under its name in capitals", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual<unknown>(yield* fromEnvironment(variables), whole)
    }))

  it.effect("accounts for each of its variables alone, below any path", () =>
    Effect.gen(function*() {
      for (const [name, value] of Object.entries(variables)) {
        if (name === "BREAKER_OPEN_DURATION_FACTOR") continue // no opening without its beginning
        const renamed = { RECLOSE: "5", [name.replace("BREAKER", "ACME_RECLOSE")]: value }
        assert.lengthOf(Object.keys(yield* fromEnvironment(renamed, "acmeReclose")), 1, name)
      }
    }))

  it.effect("has each misspelt variable for a mistake, under the name that it has", () =>
    Effect.gen(function*() {
      for (const name of Object.keys(variables)) {
        const field = name.slice("BREAKER_".length)
        // Two letters have changed places, two words are one, a letter is too many.
        const swapped = `${field.slice(1, 2)}${field.slice(0, 1)}${field.slice(2)}`
        for (const misspelt of new Set([swapped, field.replace("_", ""), `${field}S`])) {
          if (misspelt === field) continue
          const issues = yield* issuesOf(fromEnvironment({ ...variables, [`BREAKER_${misspelt}`]: "5 seconds" }))
          assert.deepStrictEqual(issues.map(named), [misspelt])
        }
      }
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
      const nested = yield* fromEnvironment({
        BREAKER_TRIP_RULE_TAG: "Any",
        BREAKER_TRIP_RULE_RULES_0_TAG: "Consecutive",
        BREAKER_TRIP_RULE_RULES_0_FAILURES: "3",
        BREAKER_TRIP_RULE_RULES_1_TAG: "InFlightAge",
        BREAKER_TRIP_RULE_RULES_1_OLDER_THAN: "1 second"
      })
      assert.deepStrictEqual(nested, {
        tripRule: {
          _tag: "Any",
          rules: [{ _tag: "Consecutive", failures: 3 }, { _tag: "InFlightAge", olderThan: "1 second" }]
        }
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
        assert.deepStrictEqual(
          issues.map(named).sort(),
          ["HALF_OPEN_PERMIT", "JITTER", "OPNE"],
          "beside the mistakes of its fields"
        )
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

  it.effect.each<[string, string, string]>([
    ["BREAKER_OPEN_DURATION", "10", "openDuration"],
    ["BREAKER_OPEN_DURATION_INITIAL", "10", "openDuration.initial"],
    ["BREAKER_HALF_OPEN_MAX_DURATION", "1.5", "halfOpen.maxDuration"],
    ["BREAKER_FLUSH_EVERY", " 1000 ", "flushEvery"],
    ["BREAKER_OPEN_DURATION", `{ "initial": 5 }`, "openDuration.initial"],
    ["BREAKER_TRIP_RULE", `{ "_tag": "Failures", "failures": 3, "window": 60 }`, "tripRule.window"],
    ["BREAKER_KEYS", `{ "a*": { "openDuration": 30 } }`, `keys["a*"].openDuration`]
  ])("has a duration without a unit for a mistake: %s of %s", ([name, value, field]) =>
    Effect.gen(function*() {
      const [issue, ...others] = yield* issuesOf(fromEnvironment({ [name]: value }))
      assert.strictEqual(issue?.field, field)
      assert.include(issue?.allowed, `such as "30 seconds"`)
      assert.isEmpty(others)
    }))

  it.effect("takes a window without a unit for a number of calls, and a duration of 0 as it is", () =>
    Effect.gen(function*() {
      const policy = yield* fromEnvironment({
        BREAKER_TRIP_RULE: `{ "_tag": "FailureRate", "window": 50 }`,
        BREAKER_WARM_UP: "0"
      })
      assert.deepStrictEqual(policy, { tripRule: { _tag: "FailureRate", window: 50 }, warmUp: 0 })
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
        BREAKER_HALF_OPEN: "all",
        BREAKER_BACKGROUND: "yes",
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
        "halfOpen": "all",
        "background": "yes",
        "tripRule": `{ "_tag": "Consecutive", `,
        "keys": [1]
      })
    }))
})
