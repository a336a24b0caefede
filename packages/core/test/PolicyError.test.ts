/** All mistakes of a policy at once, the same wherever it is read, in words that read well. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, Policy, PolicyError, type PolicyIssue, TripRule } from "@reclose/core"
import { Effect } from "effect"
import { Random, seeds } from "./machine/model/random.ts"
import {
  backoffOptions,
  breakerOptions,
  halfOpenOptions,
  keyOptions,
  type Options,
  ruleOptions
} from "./policyOptions.ts"

const keep = Effect.provide(CircuitStore.layerMemory)

// A policy that a program would not compile with is a mistake all the same.
const make = (policy: unknown) => CircuitBreaker.make(policy as Policy.Policy)

const errorOf = (policy: unknown) => Effect.flip(make(policy)).pipe(Effect.scoped, keep)

const { openDuration: _, ...otherKeyOptions } = keyOptions

/** A policy with mistakes in random places, and the fields that they are in. */
const randomPolicy = (random: Random) => {
  const wrong: Array<string> = []
  const share = random.pick([0, 0.01, 0.05, 0.3])
  const options = (prefix: string, of: Options): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(of).map(([name, option]) => {
        if (!random.chance(share)) return [name, option.usual]
        wrong.push(prefix + name)
        return [name, random.pick(option.mistakes)]
      })
    )
  const unknown = (prefix: string): Record<string, unknown> => {
    if (!random.chance(share)) return {}
    wrong.push(`${prefix}unheardOf`)
    return { unheardOf: random.pick([1, "x", null]) }
  }
  const rule = (path: string, depth: number): unknown => {
    if (depth > 0 && random.chance(0.5)) {
      const rules = random.list(random.between(1, 3), (i) => rule(`${path}.rules[${i}]`, depth - 1))
      return { _tag: random.pick(["Any", "All"]), rules, ...unknown(`${path}.`) }
    }
    const [tag, of] = random.pick(Object.entries(ruleOptions))
    return { _tag: tag, ...options(`${path}.`, of), ...unknown(`${path}.`) }
  }
  const openDuration = (prefix: string): Record<string, unknown> =>
    random.chance(0.5)
      ? options(prefix, { openDuration: keyOptions.openDuration })
      : { openDuration: { ...options(`${prefix}openDuration.`, backoffOptions), ...unknown(`${prefix}openDuration.`) } }
  const keyPolicy = (prefix: string): Record<string, unknown> => ({
    ...options(prefix, otherKeyOptions),
    ...openDuration(prefix),
    halfOpen: { ...options(`${prefix}halfOpen.`, halfOpenOptions), ...unknown(`${prefix}halfOpen.`) },
    tripRule: rule(`${prefix}tripRule`, 2),
    ...unknown(prefix)
  })
  const patterns = ["eu/*", "eu/payments", "us/*"].filter(() => random.chance(0.5))
  const policy = {
    ...keyPolicy(""),
    ...options("", breakerOptions),
    keys: Object.fromEntries(patterns.map((pattern) => [pattern, keyPolicy(`keys["${pattern}"].`)]))
  }
  return { policy, wrong: wrong.sort() }
}

describe("a policy with mistakes", () => {
  it.effect("names each of them, and nothing else, however many there are and wherever they are", () =>
    Effect.gen(function*() {
      const sizes = new Set<number>()
      for (const seed of seeds(400)) {
        const { policy, wrong } = randomPolicy(new Random(seed))
        sizes.add(wrong.length)
        const made = yield* Effect.result(make(policy)).pipe(Effect.scoped, keep)
        const found = made._tag === "Success" ? [] : made.failure.issues.map((issue) => issue.field).sort()
        assert.deepStrictEqual(found, wrong, `RECLOSE_SEED=${seed}`)
      }
      assert.includeMembers([...sizes], [0, 1, 2, 3, 10], "policies with no mistake, with one, and with many")
    }))

  it.effect("names two that meet in one place", () =>
    Effect.gen(function*() {
      const { issues } = yield* errorOf({
        tripRule: TripRule.failureRate({ threshold: 2, window: 10, minimumCalls: 20 })
      })
      assert.deepStrictEqual(issues.map((issue) => issue.field), ["tripRule.threshold", "tripRule.minimumCalls"])
    }))

  it.effect("reads well", () =>
    Effect.gen(function*() {
      const error = yield* errorOf({
        tripRule: TripRule.any([TripRule.consecutive(0.5), TripRule.failureRate({ window: 10, minimumCalls: 20 })]),
        openDuration: "5 parsecs",
        jitter: NaN,
        warmUp: { secnds: 5 },
        maxOpenDuration: "x".repeat(80),
        halfOpen: { permits: -1, permit: 3 },
        keys: { "eu/*": {}, "*/payments": {} },
        maxKeys: "many ".repeat(50),
        idleTimeToLive: [1, 2, 3]
      })
      assert.instanceOf(error, PolicyError)
      assert.strictEqual(error._tag, "PolicyError")
      assert.deepStrictEqual(error.message.split("\n").sort(), [
        `Unknown option "permit" in halfOpen. Did you mean "permits"?`,
        `halfOpen.permits is -1: it must be a whole number from 1 to 1,000`,
        `idleTimeToLive is a list: it must be a duration from 1 second to 30 days, such as "30 seconds"`,
        `jitter is NaN: it must be a number from 0 to 1`,
        `keys["*/payments"] and the pattern "eu/*" match some of the same keys, and neither is narrower than the other: ` +
        `change one of them, so that it is clear which policy such a key has`,
        `maxKeys is "${"many ".repeat(16)}…": it must be a whole number from 1 to 10,000,000`,
        `maxOpenDuration is "${"x".repeat(80)}": it must be a duration from 1 millis to 7 days, such as "30 seconds"`,
        `openDuration is "5 parsecs": it must be a duration from 1 millis to 1 day, such as "30 seconds", ` +
        `an object with initial and factor, or a Schedule`,
        `tripRule.rules[0].failures is 0.5: it must be a whole number from 1 to 1,000,000`,
        `tripRule.rules[1].minimumCalls is 20: it must be at most the window of 10 calls, or it would never be reached`,
        `warmUp is an object: it must be a duration from 0 millis to 1 day, such as "30 seconds"`
      ])
    }))

  it.effect("reads well where something is missing, null, or no data", () =>
    Effect.gen(function*() {
      const error = yield* errorOf({
        tripRule: { _tag: "Failures", failures: null },
        jitter: () => 1,
        warmUp: true,
        halfOpen: [],
        maxKeys: 5n,
        keys: { a: Symbol("policy") }
      })
      assert.deepStrictEqual(error.message.split("\n").sort(), [
        "halfOpen is a list: it must be an object",
        "jitter is a function: it must be a number from 0 to 1",
        `keys["a"] is Symbol(policy): it must be an object`,
        "maxKeys is 5: it must be a whole number from 1 to 10,000,000",
        "tripRule.failures is null: it must be a whole number from 1 to 1,000,000",
        `tripRule.window is missing: it must be a duration from 10 millis to 1 day, such as "30 seconds"`,
        `warmUp is true: it must be a duration from 0 millis to 1 day, such as "30 seconds"`
      ])
    }))
})

describe("the message of a mistake", () => {
  const durations = `such as "30 seconds"`

  it.effect.each<[string, unknown, string]>([
    ["another case", { triprule: TripRule.consecutive(3) }, `Unknown option "triprule". Did you mean "tripRule"?`],
    ["two letters exchanged", { opneDuration: "5 s" }, `Unknown option "opneDuration". Did you mean "openDuration"?`],
    [
      "a letter too few",
      { keys: { "a*": { jiter: 1 } } },
      `Unknown option "jiter" in keys["a*"]. Did you mean "jitter"?`
    ],
    [
      "a letter too much, in a rule",
      { tripRule: { _tag: "Consecutive", failures: 3, failure: 3 } },
      `Unknown option "failure" in tripRule. Did you mean "failures"?`
    ],
    [
      "a name like no other",
      { openDuration: { initial: "5 seconds", curve: 2 } },
      `Unknown option "curve" in openDuration: the options are initial, factor`
    ],
    [
      "an option of the breaker that stands under keys",
      { keys: { "a*": { maxKeys: 5 } } },
      `Unknown option "maxKeys" in keys["a*"]: maxKeys is an option of the whole breaker; set it outside of keys`
    ],
    [
      "patterns under keys",
      { keys: { "a*": { keys: {} } } },
      `Unknown option "keys" in keys["a*"]: keys is an option of the whole breaker; set it outside of keys`
    ],
    [
      "an option of halfOpen that stands beside it",
      { successThreshold: 2 },
      `Unknown option "successThreshold": successThreshold is an option of halfOpen; set it there`
    ],
    [
      "an opening longer than the default maximum",
      { openDuration: "2 hours" },
      "openDuration starts at 2h, which is more than maxOpenDuration (1h, the default): " +
      "set maxOpenDuration to at least 2h, or shorten openDuration"
    ],
    [
      "an opening of a pattern longer than its maximum",
      { keys: { "a*": { openDuration: { initial: "5 seconds" }, maxOpenDuration: "4 seconds" } } },
      `keys["a*"].openDuration starts at 5s, which is more than keys["a*"].maxOpenDuration (4s): ` +
      "set maxOpenDuration to at least 5s, or shorten openDuration"
    ],
    [
      "a duration in a rule",
      { tripRule: TripRule.failures({ failures: 3, window: 1 }) },
      `tripRule.window is 1: it must be a duration from 10 millis to 1 day, ${durations}`
    ],
    [
      "a window that may be a duration",
      { tripRule: TripRule.failureRate({ window: 0 }) },
      `tripRule.window is 0: it must be a whole number from 1 to 1,000,000 of calls, ` +
      `or a duration from 10 millis to 1 day, ${durations}`
    ]
  ])("names the remedy: %s", ([, policy, message]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* errorOf(policy)).message, message)
    }))
})

describe("the same policy", () => {
  const broken: ReadonlyArray<unknown> = [
    undefined,
    null,
    "fast",
    { opneDuration: "5 seconds", jitter: 2 },
    { tripRule: { _tag: "Any", rules: [{ _tag: "Consecutive" }, { _tag: "Failures", failures: 0, window: 5 }] } },
    { openDuration: "1 minute", keys: { a: { maxOpenDuration: "45 seconds" } } },
    { keys: { "a*": { halfOpen: { permits: 0 } }, "*b": { tripRule: {} }, "": { keys: {} } } },
    ...seeds(20).map((seed) => randomPolicy(new Random(seed)).policy)
  ]

  it.effect("has the same mistakes from data, for a new breaker, for its layer and for one that is updated", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make()
      const none: ReadonlyArray<PolicyIssue> = []
      const issues = Effect.match({ onFailure: (error: PolicyError) => error.issues, onSuccess: () => none })
      for (const policy of broken) {
        // No policy at all is a mistake in data and the usual policy in a program.
        const expected = policy === undefined ? none : yield* issues(Policy.fromJson(policy))
        assert.deepStrictEqual(yield* issues(make(policy)), expected)
        const layer = CircuitBreaker.layer(policy as Policy.Policy)
        assert.deepStrictEqual(yield* issues(Effect.provide(Effect.void, layer)), expected)
        if (policy !== undefined) {
          assert.deepStrictEqual(yield* issues(breaker.update(policy as Policy.Policy)), expected)
        }
      }
      assert.lengthOf((yield* Effect.flip(Policy.fromJson(undefined))).issues, 1)
    }).pipe(keep))

  it.effect("changes nothing where an update to it fails", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ tripRule: TripRule.consecutive(1) })
      yield* Effect.flip(breaker.update({ tripRule: TripRule.consecutive(9), jitter: 2 }))
      yield* Effect.flip(breaker.withBreaker(Effect.fail("down"), "quotes"))
      assert.strictEqual((yield* breaker.state("quotes")).phase, "Open")
    }).pipe(keep))
})
