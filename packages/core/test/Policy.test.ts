/** Every mistake of a policy, each with its field, its value and what is allowed. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, Policy, PolicyError } from "@reclose/core"
import { Effect } from "effect"
import {
  backoffOptions,
  breakerOptions,
  halfOpenOptions,
  keyOptions,
  type Option,
  type Options,
  requiredOptions,
  ruleOptions
} from "./policyOptions.ts"

/** What is wrong with a policy, read from data. */
const issuesOf = (policy: unknown) =>
  Effect.map(Effect.flip(Policy.fromJson(policy)), (error) => {
    assert.instanceOf(error, PolicyError)
    return error.issues
  })

const fieldsOf = (policy: unknown) => Effect.map(issuesOf(policy), (issues) => issues.map((issue) => issue.field))

/** A field of a policy, and the policy that has a value there and is right everywhere else. */
interface Site extends Option {
  readonly field: string
  readonly policy: (value: unknown) => unknown
}

const sites = (
  prefix: string,
  options: Options,
  around: (set: Readonly<Record<string, unknown>>) => unknown,
  beside: Readonly<Record<string, unknown>> = {}
): ReadonlyArray<Site> =>
  Object.entries(options).map(([name, option]) => ({
    ...option,
    field: prefix + name,
    policy: (value) => around({ ...beside, [name]: value })
  }))

const pattern = `keys["payments/*"].`
const inPattern = (policy: unknown) => ({ keys: { "payments/*": policy } })

const ruleSites = (prefix: string, around: (rule: unknown) => unknown): ReadonlyArray<Site> =>
  Object.entries(ruleOptions).flatMap(([tag, options]) => {
    const required = (requiredOptions[tag] ?? []).map((name) => [name, options[name]?.usual])
    return sites(prefix, options, around, { _tag: tag, ...Object.fromEntries(required) })
      .map((site) => ({ ...site, field: site.field, tag }))
  })

const keySites = (prefix: string, around: (policy: unknown) => unknown): ReadonlyArray<Site> => [
  ...sites(prefix, keyOptions, around).map((site) => ({
    ...site,
    // Neither of the two may be valid beyond the other.
    policy: (value: unknown) =>
      around(
        site.field.endsWith("maxOpenDuration")
          ? { openDuration: 1, maxOpenDuration: value }
          : site.field.endsWith("openDuration")
          ? { openDuration: value, maxOpenDuration: "7 days" }
          : { [site.field.slice(prefix.length)]: value }
      )
  })),
  ...sites(`${prefix}openDuration.`, backoffOptions, (openDuration) => around({ openDuration, maxOpenDuration: "7 days" }), {
    initial: "5 seconds"
  }),
  ...sites(`${prefix}halfOpen.`, halfOpenOptions, (halfOpen) => around({ halfOpen })),
  ...ruleSites(`${prefix}tripRule.`, (tripRule) => around({ tripRule }))
]

const consecutive = { _tag: "Consecutive", failures: 3 }
const any = (...rules: ReadonlyArray<unknown>) => ({ _tag: "Any", rules })
const all = (...rules: ReadonlyArray<unknown>) => ({ _tag: "All", rules })

const everySite: ReadonlyArray<Site> = [
  ...sites("", breakerOptions, (policy) => policy),
  ...keySites("", (policy) => policy),
  ...ruleSites("tripRule.rules[1].rules[0].", (rule) => ({ tripRule: any(consecutive, all(rule, consecutive)) })),
  ...keySites(pattern, inPattern)
]

describe("an option of a policy", () => {
  it.effect.each(everySite.map((site) => [site.field, site] as const))("%s takes nothing but what is allowed", ([, site]) =>
    Effect.gen(function*() {
      const { allowed, field } = site
      for (const value of site.mistakes) {
        const found = yield* Effect.result(Policy.fromJson(site.policy(value)))
        assert.deepStrictEqual(
          found._tag === "Failure" ? found.failure.issues : "no mistake at all",
          [{ field, value, allowed }],
          `where the value is ${typeof value === "object" ? JSON.stringify(value) : String(value)}`
        )
      }
    }))

  it.effect.each(everySite.map((site) => [site.field, site] as const))("%s takes what is allowed, its bounds included", ([, site]) =>
    Effect.forEach([...site.valid, site.usual], (value) => Policy.fromJson(site.policy(value))))

  it.effect.each(everySite.map((site) => [site.field, site] as const))("%s may be undefined, which is the same as missing", ([, site]) =>
    Effect.gen(function*() {
      const name = site.field.slice(site.field.lastIndexOf(".") + 1)
      const policy = site.policy(undefined)
      const required = Object.values(requiredOptions).some((names) => names.includes(name)) || name === "initial"
      if (!required) return yield* Policy.fromJson(policy)
      const found = yield* Effect.result(Policy.fromJson(policy))
      if (found._tag === "Success") return // `window` and `failures` are required by some rules only
      assert.deepStrictEqual(found.failure.issues, [{ field: site.field, value: undefined, allowed: site.allowed }])
    }))
})

describe("a policy as a whole", () => {
  it.effect.each<[string, unknown]>([
    ["undefined", undefined],
    ["null", null],
    ["a text", "fast"],
    ["a number", 5],
    ["a list", [{}]],
    ["a function", () => ({})]
  ])("is no %s", ([, value]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* issuesOf(value), [{ field: "policy", value, allowed: "an object" }])
    }))
})
