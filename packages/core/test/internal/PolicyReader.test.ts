/** What a policy comes to for each pattern: its own options, and what it inherits. */
import { assert, describe, it } from "@effect/vitest"
import type { Policy } from "@reclose/core"
import { Effect, Schedule } from "effect"
import { readPolicy } from "../../src/internal/PolicyReader.ts"

/** The valid policies of all patterns, the narrowest first, and what was read for all keys. */
const read = (policy: Policy.Policy) =>
  Effect.map(readPolicy(policy), ({ base, patterns }) => ({
    base,
    of: (pattern: string) => {
      const found = patterns.find((one) => one.pattern === pattern)
      return found?.policy ?? assert.fail(`there is no policy for ${pattern}`)
    },
    order: patterns.map(({ pattern }) => pattern)
  }))

describe("a policy", () => {
  it.effect("has a default for everything", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* readPolicy({}), {
        base: {
          tripRule: { _tag: "Consecutive", failures: 5 },
          openDuration: { _tag: "Backoff", initial: 30_000, factor: 1 },
          maxOpenDuration: 3_600_000,
          jitter: 0,
          halfOpen: { permits: 1, successThreshold: 1, failureThreshold: 1, maxDuration: 30_000 },
          warmUp: 0,
          quorum: 1
        },
        patterns: [],
        maxKeys: 10_000,
        sync: {
          idleTimeToLive: 3_600_000,
          hydrateTimeout: 100,
          storeTimeout: 500,
          flushEvery: 1_000,
          refreshEvery: 2_000,
          background: true
        }
      })
    }))

  it.effect("keeps a schedule, to be asked for its delays", () =>
    Effect.gen(function*() {
      const schedule = Schedule.spaced("1 second")
      const { base } = yield* read({ openDuration: schedule })
      assert.deepStrictEqual(base.openDuration, { _tag: "Schedule", schedule })
    }))

  it.effect("has a default for every option of a rule and of a backoff", () =>
    Effect.gen(function*() {
      const { base } = yield* read({
        openDuration: { initial: 5 },
        tripRule: {
          _tag: "Any",
          rules: [
            { _tag: "FailureRate" },
            { _tag: "FailureRate", window: 7 },
            { _tag: "SlowCallRate", slowerThan: 5, window: "1 minute" },
            { _tag: "InFlightAge", olderThan: "1 second" }
          ]
        }
      })
      assert.deepStrictEqual(base.openDuration, { _tag: "Backoff", initial: 5, factor: 2 })
      const minute = { _tag: "Time", span: 60_000 } as const
      assert.deepStrictEqual(base.tripRule, {
        _tag: "Any",
        rules: [
          { _tag: "FailureRate", threshold: 0.5, window: { _tag: "Calls", size: 100 }, minimumCalls: 20 },
          { _tag: "FailureRate", threshold: 0.5, window: { _tag: "Calls", size: 7 }, minimumCalls: 7 },
          { _tag: "SlowCallRate", slowerThan: 5, threshold: 0.5, window: minute, minimumCalls: 20 },
          { _tag: "InFlightAge", olderThan: 1_000, calls: 1 }
        ]
      })
    }))
})

describe("a pattern", () => {
  const policy: Policy.Policy = {
    jitter: 0.1,
    warmUp: 10,
    openDuration: 1_000,
    halfOpen: { permits: 9, successThreshold: 8, maxDuration: 7_000 },
    keys: {
      "*": { warmUp: 20, jitter: undefined },
      "eu/*": { jitter: 0.3, halfOpen: { permits: 5, successThreshold: undefined } },
      "eu/de": { openDuration: 2_000, warmUp: undefined, halfOpen: { permits: undefined, failureThreshold: 4 } },
      "us": {}
    }
  }

  it.effect("takes each option from the narrowest pattern that has one, and then from the policy", () =>
    Effect.gen(function*() {
      const { base, of } = yield* read(policy)
      assert.deepStrictEqual(of("eu/de"), {
        ...base,
        openDuration: { _tag: "Backoff", initial: 2_000, factor: 1 },
        warmUp: 20,
        jitter: 0.3,
        halfOpen: { permits: 5, successThreshold: 8, failureThreshold: 4, maxDuration: 7_000 }
      })
      assert.deepStrictEqual(of("us"), { ...base, warmUp: 20 })
      assert.deepStrictEqual(base.halfOpen, {
        permits: 9,
        successThreshold: 8,
        failureThreshold: 1,
        maxDuration: 7_000
      })
    }))

  it.effect("comes before every one that contains it, in whatever order they are written", () =>
    Effect.gen(function*() {
      const patterns = ["*", "a*", "abc", "b*", "a*c*"]
      for (let turn = 0; turn < patterns.length; turn++) {
        const turned = [...patterns.slice(turn), ...patterns.slice(0, turn)]
        const { order } = yield* read({ keys: Object.fromEntries(turned.map((pattern) => [pattern, {}])) })
        const places = ["abc", "a*c*", "a*", "*"].map((pattern) => order.indexOf(pattern))
        assert.deepStrictEqual([...places].sort((a, b) => a - b), places, turned.join(" "))
        assert.strictEqual(order.at(-1), "*")
        assert.lengthOf(order, turned.length)
      }
    }))
})
