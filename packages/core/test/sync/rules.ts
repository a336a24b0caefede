/** What the tests of counts share: rules of each kind. */
import type { CircuitRecord } from "@reclose/core"
import type { Rule } from "../../src/machine/Rule.ts"

export type Counts = ReadonlyArray<CircuitRecord.SharedCount>

export const consecutive: Rule = { _tag: "Consecutive", failures: 5 }
export const failures: Rule = { _tag: "Failures", failures: 5, span: 10_000 }
export const byTime: Rule = {
  _tag: "FailureRate",
  threshold: 0.5,
  window: { _tag: "Time", span: 10_000 },
  minimumCalls: 10
}
export const byCalls = (size: number): Rule => ({
  _tag: "FailureRate",
  threshold: 0.5,
  window: { _tag: "Calls", size },
  minimumCalls: Math.ceil(size / 2)
})
