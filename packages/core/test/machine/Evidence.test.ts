/** What rules within rules come to where no call ends, and what is handed on: what `Step.property` rarely gets to. */
import { assert, describe, it } from "@effect/vitest"
import { type Evidence, makeEvidence, type Measured } from "../../src/machine/Evidence.ts"
import { InFlight } from "../../src/machine/InFlight.ts"
import type { Rule } from "../../src/machine/Rule.ts"

const minute = 60_000

const consecutive = (failures: number): Rule => ({ _tag: "Consecutive", failures })
const failures: Rule = { _tag: "Failures", failures: 1, span: minute }
const rate: Rule = {
  _tag: "FailureRate",
  threshold: 0.5,
  minimumCalls: 1,
  window: { _tag: "Time", span: minute }
}
const aged: Rule = { _tag: "InFlightAge", olderThan: 2 * minute, calls: 1 }
const all = (...rules: ReadonlyArray<Rule>): Rule => ({ _tag: "All", rules })
const any = (...rules: ReadonlyArray<Rule>): Rule => ({ _tag: "Any", rules })

/** Evidence for a rule with a call that is in flight since 0. */
const evidenceFor = (rule: Rule, before: ReadonlyArray<Measured> = []): Evidence => {
  const inFlight = new InFlight()
  inFlight.add(0)
  return makeEvidence(rule, inFlight, before, 0)
}

const fail = (evidence: Evidence, now: number) => evidence.record(true, 0, now, false)

const tags = (readings: ReturnType<Evidence["overdue"]>) => readings?.map(({ _tag }) => _tag)

describe("a call in flight that grows too old", () => {
  it.each<[string, Rule]>([["failures", failures], ["a rate", rate]])(
    "is judged beside %s as they are by then: what is forgotten counts no more",
    (_, beside) => {
      const late = evidenceFor(all(beside, aged))
      assert.isUndefined(fail(late, 0))
      assert.isUndefined(late.overdue(2 * minute))
      const lately = evidenceFor(all(beside, aged))
      assert.isUndefined(fail(lately, 1.5 * minute))
      assert.deepStrictEqual(tags(lately.overdue(2 * minute)), [beside._tag, "InFlightAge"])
    }
  )

  it("is judged beside any of several rules, whichever of them is met", () => {
    const evidence = evidenceFor(all(any(consecutive(5), consecutive(1)), aged))
    assert.isUndefined(fail(evidence, 0))
    assert.isUndefined(evidence.overdue(2 * minute - 1))
    assert.deepStrictEqual(tags(evidence.overdue(2 * minute)), ["Consecutive", "Consecutive", "InFlightAge"])
  })

  it("is what opens, and no rule that was met before: those wait for the next outcome", () => {
    const streak: Measured = { _tag: "Consecutive", failures: 3 }
    const evidence = evidenceFor(all(consecutive(1), any(consecutive(1), aged)), [streak, streak])
    assert.isUndefined(evidence.overdue(minute))
    assert.isDefined(evidence.overdue(2 * minute))
    assert.isDefined(fail(evidence, minute))
  })
})

describe("what was measured before a rule was changed", () => {
  const slow = (slowerThan: number): Rule => ({
    _tag: "SlowCallRate",
    slowerThan,
    threshold: 1,
    minimumCalls: 10,
    window: { _tag: "Time", span: minute }
  })
  const overCalls: Rule = { _tag: "FailureRate", threshold: 1, minimumCalls: 10, window: { _tag: "Calls", size: 20 } }

  /** What a rule reads of what another one has measured of a failure that took a second. */
  const handedOn = (from: Rule, to: Rule) => {
    const before = evidenceFor(from)
    before.record(true, 1_000, 0, false)
    return evidenceFor(to, before.measured(0)).readings(0).map((reading) =>
      "hits" in reading ? reading.hits : undefined
    )
  }

  it("goes on where a call is as slow as before, and is forgotten where it is not", () => {
    assert.deepStrictEqual(handedOn(slow(1_000), slow(1_000)), [1])
    assert.deepStrictEqual(handedOn(slow(1_000), slow(2_000)), [0])
  })

  it("goes to the part that reads it, in whatever order they stand", () => {
    assert.deepStrictEqual(handedOn(any(overCalls, rate), any(rate, overCalls)), [1, 1])
    assert.deepStrictEqual(handedOn(any(rate, overCalls), any(overCalls, rate)), [1, 1])
  })
})
