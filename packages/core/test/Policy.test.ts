/** Every mistake of a policy, each with its field, its value and what is allowed. */
import { assert, describe, it } from "@effect/vitest"
import { Policy, PolicyError } from "@reclose/core"
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

/** A field of a policy, and the policy that has a value there and is right everywhere else. */
interface Site extends Option {
  readonly field: string
  readonly policy: (value: unknown) => unknown
  readonly isRequired: boolean
}

type Fields = Readonly<Record<string, unknown>>

const sites = (prefix: string, options: Options, around: (set: Fields) => unknown): ReadonlyArray<Site> =>
  Object.entries(options).map(([name, option]) => ({
    ...option,
    field: prefix + name,
    policy: (value) => around({ [name]: value }),
    isRequired: false
  }))

const ruleSites = (prefix: string, around: (rule: Fields) => unknown): ReadonlyArray<Site> =>
  Object.entries(ruleOptions).flatMap(([tag, options]) => {
    const required = requiredOptions[tag] ?? []
    const beside = { _tag: tag, ...Object.fromEntries(required.map((name) => [name, options[name]?.usual])) }
    return sites(prefix, options, (set) => around({ ...beside, ...set }))
      .map((site) => ({ ...site, isRequired: required.some((name) => site.field === prefix + name) }))
  })

const keySites = (prefix: string, around: (policy: Fields) => unknown): ReadonlyArray<Site> => [
  // The cap may not be below the first opening, so each of the two leaves the other room.
  ...sites(
    prefix,
    keyOptions,
    (set) => around("maxOpenDuration" in set ? { openDuration: 1, ...set } : { maxOpenDuration: "7 days", ...set })
  ),
  ...sites(
    `${prefix}openDuration.`,
    backoffOptions,
    (set) => around({ openDuration: { initial: 1, ...set }, maxOpenDuration: "7 days" })
  )
    .map((site) => ({ ...site, isRequired: site.field.endsWith(".initial") })),
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
  ...keySites(`keys["payments/*"].`, (policy) => ({ keys: { "payments/*": policy } }))
]

const show = (value: unknown): string =>
  typeof value === "object" && value !== null
    ? JSON.stringify(value, (_, part) => Number.isNaN(part) ? "NaN" : part)
    : String(value)

describe("an option of a policy", () => {
  it.effect.each(everySite)(
    "$field takes nothing but what is allowed",
    ({ allowed, field, mistakes, policy }) =>
      Effect.gen(function*() {
        const missed: Array<string> = []
        for (const value of mistakes) {
          const read = yield* Effect.result(Policy.fromJson(policy(value)))
          if (read._tag === "Success") missed.push(show(value))
          else assert.deepStrictEqual(read.failure.issues, [{ field, value, allowed }])
        }
        assert.deepStrictEqual(missed, [], "these are mistakes, too")
      })
  )

  it.effect.each(everySite)(
    "$field takes what is allowed, its bounds included",
    ({ policy, usual, valid }) => Effect.forEach([...valid, usual], (value) => Policy.fromJson(policy(value)))
  )

  it.effect.each(everySite)(
    "$field is missing where it is undefined",
    ({ allowed, field, isRequired, policy }) =>
      Effect.gen(function*() {
        const read = yield* Effect.result(Policy.fromJson(policy(undefined)))
        const issues = read._tag === "Failure" ? read.failure.issues : []
        assert.deepStrictEqual(issues, isRequired ? [{ field, value: undefined, allowed }] : [])
      })
  )
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
