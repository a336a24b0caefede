import { assert, describe, it } from "@effect/vitest"
import type { Rule } from "../../src/machine/Rule.ts"
import { fingerprint } from "../../src/sync/Fingerprint.ts"

describe("a fingerprint", () => {
  it("is the same for equal rules, in this process and any other", () => {
    const rule = (): Rule => ({ _tag: "Consecutive", failures: 5 })
    assert.strictEqual(fingerprint(rule()), fingerprint(rule()))
    assert.strictEqual(fingerprint(rule()), "8wyvew", "what records of this release hold")
  })

  it("tells rules apart that count differently", () => {
    const rules: ReadonlyArray<Rule> = [
      { _tag: "Consecutive", failures: 5 },
      { _tag: "Consecutive", failures: 6 },
      { _tag: "Failures", failures: 5, span: 1_000 },
      { _tag: "Failures", failures: 5, span: 2_000 },
      { _tag: "FailureRate", threshold: 0.5, window: { _tag: "Calls", size: 10 }, minimumCalls: 5 },
      { _tag: "FailureRate", threshold: 0.5, window: { _tag: "Time", span: 10 }, minimumCalls: 5 },
      { _tag: "Any", rules: [{ _tag: "Consecutive", failures: 5 }] },
      { _tag: "All", rules: [{ _tag: "Consecutive", failures: 5 }] }
    ]
    assert.strictEqual(new Set(rules.map(fingerprint)).size, rules.length)
  })
})
