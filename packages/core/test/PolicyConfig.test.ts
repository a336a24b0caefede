/** A policy from a ConfigProvider, read like data. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, Policy, type PolicyIssue } from "@reclose/core"
import { ConfigProvider, Effect } from "effect"
import { readPolicy } from "../src/internal/PolicyReader.ts"
import { from, issuesOf, whole } from "./policyConfig.ts"

const fromData = (breaker: unknown) => from(ConfigProvider.fromUnknown({ breaker, other: { jitter: 5 } }))

/** The same with every number and every yes and no as text, as most sources of configuration have it. */
const asText = (value: unknown): unknown =>
  typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : Array.isArray(value)
    ? value.map(asText)
    : typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([name, part]) => [name, asText(part)]))
    : value

describe("a policy from structured configuration", () => {
  it.effect.each<[string, unknown]>([
    ["with every field", whole],
    ["with every field, all as text", asText(whole)]
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
