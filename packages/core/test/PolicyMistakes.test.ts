/** Mistakes in how a policy is put together, all of them at once, wherever it is read. */
import { assert, describe, it } from "@effect/vitest"
import {
  CircuitBreaker,
  CircuitStore,
  Fallback,
  LastGood,
  Outcome,
  type Policy,
  PolicyError,
  TripRule
} from "@reclose/core"
import { Duration, Effect, Schedule } from "effect"

const keep = Effect.provide(CircuitStore.layerMemory)

/** What is wrong with a policy, by field. A policy that a program would not compile with is a mistake all the same. */
const mistakes = (policy: unknown) =>
  Effect.map(
    Effect.result(CircuitBreaker.make(policy as Policy.Policy)),
    (made) =>
      made._tag === "Success"
        ? {}
        : Object.fromEntries(made.failure.issues.map((issue) => [issue.field, issue.allowed]))
  ).pipe(Effect.scoped, keep)

const fields = (policy: unknown) => Effect.map(mistakes(policy), (found) => Object.keys(found).sort())

const consecutive = TripRule.consecutive(3)
const withHole = [consecutive, consecutive, consecutive]
delete withHole[1]
const misspelt: TripRule.TripRule = Object.assign({ failure: 1 }, consecutive)
const nested = (depth: number): TripRule.TripRule => depth === 0 ? consecutive : TripRule.any([nested(depth - 1)])

describe("an unknown field", () => {
  const half = "permits, successThreshold, failureThreshold, maxDuration"
  const key = "tripRule, openDuration, maxOpenDuration, jitter, warmUp, quorum, halfOpen"
  const breaker = "maxKeys, idleTimeToLive, hydrateTimeout, storeTimeout, flushEvery, refreshEvery, background, keys"

  it.effect.each<[string, unknown, string]>([
    ["opneDuration", { opneDuration: "5 seconds" }, `${key}, ${breaker}`],
    ["halfOpen.permit", { halfOpen: { permit: 3 } }, half],
    ["openDuration.facto", { openDuration: { initial: "5 seconds", facto: 2 } }, "initial, factor"],
    [`keys["a*"].maxKeys`, { keys: { "a*": { maxKeys: 5 } } }, key],
    [`keys["a*"].keys`, { keys: { "a*": { keys: {} } } }, key],
    [`keys["a*"].halfOpen.permit`, { keys: { "a*": { halfOpen: { permit: 3 } } } }, half],
    ["tripRule.window", { tripRule: { ...consecutive, window: 5 } }, "_tag, failures"],
    [
      "tripRule.minimumCalls",
      { tripRule: { ...TripRule.failures({ failures: 3, window: "1 second" }), minimumCalls: 5 } },
      "_tag, failures, window"
    ],
    [
      "tripRule.failures",
      { tripRule: { ...TripRule.failureRate(), failures: 5 } },
      "_tag, threshold, window, minimumCalls"
    ],
    [
      "tripRule.olderThan",
      { tripRule: { ...TripRule.slowCallRate({ slowerThan: "1 second" }), olderThan: 5 } },
      "_tag, slowerThan, threshold, window, minimumCalls"
    ],
    [
      "tripRule.slowerThan",
      { tripRule: { ...TripRule.inFlightAge({ olderThan: "1 second" }), slowerThan: 5 } },
      "_tag, olderThan, calls"
    ],
    ["tripRule.rule", { tripRule: { ...TripRule.any([consecutive]), rule: 1 } }, "_tag, rules"],
    ["tripRule.failures", { tripRule: { ...TripRule.all([consecutive]), failures: 1 } }, "_tag, rules"],
    [
      "tripRule.rules[1].rules[0].failure",
      { tripRule: TripRule.any([consecutive, TripRule.all([misspelt])]) },
      "_tag, failures"
    ],
    ["__proto__", JSON.parse(`{ "__proto__": { "jitter": 1 } }`), `${key}, ${breaker}`]
  ])("%s is a mistake", ([field, policy, known]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* mistakes(policy), { [field]: `one of ${known}` })
    }))

  it.effect("that is undefined is none", () =>
    Effect.gen(function*() {
      const policy = {
        opneDuration: undefined,
        halfOpen: { permit: undefined },
        openDuration: { initial: 1, by: undefined }
      }
      assert.deepStrictEqual(yield* mistakes(policy), {})
    }))
})

describe("a trip rule", () => {
  const one = "one of Consecutive, Failures, FailureRate, SlowCallRate, InFlightAge, Any, All"
  const rule = `a trip rule, such as { "_tag": "Consecutive", "failures": 5 }, which TripRule.consecutive(5) makes`
  const list = "a list of 1 to 16 rules, nested at most 5 deep"

  it.effect.each<[string, unknown, string, string]>([
    ["without a tag", {}, "tripRule._tag", one],
    ["of an unknown kind", { _tag: "consecutive", failures: 3 }, "tripRule._tag", one],
    ["named like a part of every object", { _tag: "constructor" }, "tripRule._tag", one],
    ["whose kind is a list of one", { _tag: ["Consecutive"], failures: 3 }, "tripRule._tag", one],
    ["that is a text", "consecutive(5)", "tripRule", rule],
    ["that is null", null, "tripRule", rule],
    ["that is a list", [consecutive], "tripRule", rule],
    ["of no rules", TripRule.any([]), "tripRule.rules", list],
    ["of all of no rules", TripRule.all([]), "tripRule.rules", list],
    ["of 17 rules", TripRule.any(Array.from({ length: 17 }, () => consecutive)), "tripRule.rules", list],
    ["without its list", { _tag: "All" }, "tripRule.rules", list],
    ["with an object for its list", { _tag: "Any", rules: { 0: consecutive, length: 1 } }, "tripRule.rules", list],
    ["with a hole in its list", { _tag: "Any", rules: withHole }, "tripRule.rules[1]", rule],
    ["nested too deep", nested(6), `tripRule${".rules[0]".repeat(5)}.rules`, list],
    [
      "whose minimum of calls is above its window",
      TripRule.failureRate({ window: 10, minimumCalls: 11 }),
      "tripRule.minimumCalls",
      "at most the window of 10 calls, or it would never be reached"
    ],
    [
      "whose minimum of calls is above the usual window",
      TripRule.slowCallRate({ slowerThan: "1 second", minimumCalls: 101 }),
      "tripRule.minimumCalls",
      "at most the window of 100 calls, or it would never be reached"
    ]
  ])("%s is a mistake", ([, tripRule, field, allowed]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* mistakes({ tripRule }), { [field]: allowed })
    }))

  it.effect("of 64 rules in all is none, and of 65 is a mistake", () =>
    Effect.gen(function*() {
      const of = (count: number) => TripRule.any(Array.from({ length: count }, () => consecutive))
      const full = [of(16), of(16), of(16), of(15)]
      assert.deepStrictEqual(yield* mistakes({ tripRule: TripRule.any([...full, consecutive]) }), {})
      assert.deepStrictEqual(yield* mistakes({ tripRule: TripRule.any([...full, consecutive, consecutive]) }), {
        tripRule: "made of at most 64 rules, and it is made of 65"
      })
    }))

  it.effect("of 16 rules, nested five deep, with a minimum of calls as large as its window, is none", () =>
    Effect.gen(function*() {
      const rate = TripRule.failureRate({ window: 10, minimumCalls: 10 })
      const rules = [nested(4), rate, ...Array.from({ length: 14 }, () => consecutive)]
      assert.deepStrictEqual(yield* mistakes({ tripRule: TripRule.all(rules) }), {})
      assert.deepStrictEqual(yield* mistakes({ tripRule: TripRule.failureRate({ window: 1 }) }), {}, "a small window")
      assert.deepStrictEqual(
        yield* mistakes({ tripRule: TripRule.failureRate({ window: "10 millis", minimumCalls: 1_000_000 }) }),
        {},
        "a window of time holds any number of calls"
      )
    }))
})

describe("a trial", () => {
  it.effect.each<[string, unknown]>([["null", null], ["a text", "all"], ["a list", [1]]])(
    "that is %s is a mistake where it stands, and not where it is inherited",
    ([, halfOpen]) =>
      Effect.gen(function*() {
        const found = yield* mistakes({ halfOpen, keys: { a: {}, b: { halfOpen } } })
        assert.deepStrictEqual(found, { halfOpen: "an object", [`keys["b"].halfOpen`]: "an object" })
      })
  )
})

describe("a cap below the first opening", () => {
  it.effect.each<[string, Policy.Policy, string, number]>([
    ["its own", { openDuration: "5 seconds", maxOpenDuration: "4 seconds" }, "4 seconds", 5_000],
    ["the usual one", { openDuration: { initial: "2 hours" } }, "1 hour", 7_200_000]
  ])("of a policy, %s, is named with what it has to be", ([, policy, value, millis]) =>
    Effect.gen(function*() {
      const { issues: [issue, ...others] } = yield* Effect.flip(CircuitBreaker.make(policy))
      const allowed = `at least the first openDuration, ${millis} millis`
      assert.deepInclude(issue, { field: "maxOpenDuration", value, allowed })
      assert.isEmpty(others)
    }).pipe(Effect.scoped, keep))

  it.effect.each<[string, Policy.Policy, ReadonlyArray<string>]>([
    ["beside it", { openDuration: "5 seconds", maxOpenDuration: "4 seconds" }, ["maxOpenDuration"]],
    ["by the usual cap", { openDuration: "2 hours" }, ["maxOpenDuration"]],
    ["inherited by a pattern, once", { openDuration: "2 hours", keys: { a: { jitter: 0 } } }, ["maxOpenDuration"]],
    ["by the usual opening", { maxOpenDuration: "10 seconds" }, ["maxOpenDuration"]],
    ["of a backoff", { openDuration: { initial: "5 seconds" }, maxOpenDuration: 4_999 }, ["maxOpenDuration"]],
    [
      "inherited from the policy",
      { maxOpenDuration: "1 minute", keys: { a: { openDuration: "2 minutes" } } },
      [`keys["a"].maxOpenDuration`]
    ],
    [
      "inherited from a wider pattern",
      { keys: { "a*": { openDuration: "1 minute" }, "ab": { maxOpenDuration: "45 seconds" } } },
      [`keys["ab"].maxOpenDuration`]
    ],
    [
      "inherited, beside another mistake",
      { jitter: 2, openDuration: "1 minute", keys: { a: { maxOpenDuration: "45 seconds" } } },
      ["jitter", `keys["a"].maxOpenDuration`]
    ]
  ])("%s is a mistake", ([, policy, expected]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* fields(policy), [...expected].sort())
    }))

  it.effect.each<[string, Policy.Policy]>([
    ["as long as it", { openDuration: "5 seconds", maxOpenDuration: "5 seconds" }],
    ["over a shorter opening of the policy", {
      openDuration: "1 second",
      keys: { a: { maxOpenDuration: "2 seconds" } }
    }],
    ["of the policy over a longer opening of a pattern", {
      maxOpenDuration: "5 hours",
      keys: { a: { openDuration: "2 hours" } }
    }],
    ["over a schedule, which it cuts short", {
      openDuration: Schedule.spaced("1 minute"),
      maxOpenDuration: "10 seconds"
    }],
    [
      "over a schedule of the policy",
      { openDuration: Schedule.exponential("5 seconds"), keys: { a: { maxOpenDuration: "10 seconds" } } }
    ]
  ])("%s is none", ([, policy]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* mistakes(policy), {})
    }))
})

describe("a pattern", () => {
  it.effect.each<[string, string]>([
    ["is empty", ""],
    ["is too long", "x".repeat(513)],
    ["holds a control character", "payments\n*"],
    ["holds half of a surrogate pair", "\uDC00*"]
  ])("that %s is a mistake", ([, pattern]) =>
    Effect.gen(function*() {
      const allowed = "1 to 512 characters, none of them a control character or half of a surrogate pair"
      assert.deepStrictEqual(yield* mistakes({ keys: { [pattern]: {} } }), {
        [`keys[${JSON.stringify(pattern)}]`]: allowed
      })
    }))

  it.effect.each<[string, unknown, string]>([
    ["keys", 5, "an object"],
    ["keys", null, "an object"],
    ["keys", [{}], "an object"],
    [`keys["a"]`, null, "an object"],
    [`keys["a"]`, "closed", "an object"]
  ])("belongs to an object: %s of %s is a mistake", ([field, value, allowed]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* mistakes({ keys: field === "keys" ? value : { a: value } }), { [field]: allowed })
    }))

  it.effect.each<[string, ReadonlyArray<string>, ReadonlyArray<string>]>([
    ["crossing", ["eu/*", "*/payments"], ["*/payments"]],
    ["crossing where a third lies in both", ["a*", "*b", "ab"], ["*b"]],
    ["saying the same", ["a*", "a**"], ["a**"]],
    ["each crossing the first", ["a*", "*b", "*c"], ["*b", "*c"]]
  ])("%s another is a mistake", ([, patterns, expected]) =>
    Effect.gen(function*() {
      const found = yield* fields({ keys: Object.fromEntries(patterns.map((pattern) => [pattern, {}])) })
      assert.deepStrictEqual(found, expected.map((pattern) => `keys[${JSON.stringify(pattern)}]`))
    }))

  it.effect("inside another, apart from it, or matching all keys, is none", () =>
    Effect.gen(function*() {
      const patterns = ["*", "eu/*", "eu/*/payments", "eu/de/payments", "us/*", "us", "a*b*c", "abc"]
      assert.deepStrictEqual(yield* fields({ keys: Object.fromEntries(patterns.map((pattern) => [pattern, {}])) }), [])
    }))
})

describe("a schedule", () => {
  const allowed = "a Schedule that recurs at least once, and steps without waiting"
  const never = Schedule.recurs(0)
  const waiting = Schedule.fromStep(
    Effect.succeed(() => Effect.as(Effect.sleep("1 second"), [0, Duration.seconds(1)] as [number, Duration.Duration]))
  )
  const broken = Schedule.fromStep(
    Effect.succeed((): Effect.Effect<[number, Duration.Duration]> => Effect.die("broken"))
  )

  it.effect.each<[string, Schedule.Schedule<unknown, number>]>([
    ["never recurs", never],
    ["waits", waiting],
    ["dies", broken]
  ])("that %s is a mistake", ([, openDuration]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* mistakes({ openDuration }), { openDuration: allowed })
    }))

  it.effect("is named where it stands, with all other mistakes", () =>
    Effect.gen(function*() {
      const policy = { jitter: 2, openDuration: never, keys: { a: { openDuration: waiting }, b: { jitter: 3 }, c: {} } }
      assert.deepStrictEqual(yield* fields(policy), [
        "jitter",
        `keys["a"].openDuration`,
        `keys["b"].jitter`,
        "openDuration"
      ])
    }))
})

// What the types refuse, and JavaScript does not.
const noDuration = "5 secs" as "5 seconds"

it.effect.each<[string, (lastGood: LastGood.LastGood<string>) => unknown]>([
  ["retryAfter", () => Outcome.failure({ retryAfter: noDuration })],
  ["maxAge", (lastGood) => Fallback.lastGood(lastGood, { key: "quotes", maxAge: noDuration })]
])("a duration for %s that is none is named, with an example", ([field, call]) =>
  Effect.gen(function*() {
    const lastGood = yield* LastGood.memory<string>()
    try {
      call(lastGood)
    } catch (error) {
      assert.instanceOf(error, PolicyError)
      return assert.strictEqual(error.message, `${field} is "5 secs": it must be a duration, such as "30 seconds"`)
    }
    assert.fail("it was taken")
  }))
