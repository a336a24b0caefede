/** What a process reports of what it has counted, and whether that is worth telling. */
import { assert, describe, it } from "@effect/vitest"
import { type Evidence, makeEvidence } from "../../src/machine/Evidence.ts"
import type { Rule } from "../../src/machine/Rule.ts"
import * as SharedEvidence from "../../src/sync/SharedEvidence.ts"
import { byCalls, byTime, consecutive, type Counts, failures } from "./rules.ts"

describe("two reports that follow each other", () => {
  const row = (failures: number, succeeded = false) => ({ _tag: "Consecutive", succeeded, failures }) as const
  const calls = (calls: number, hits: number, known: number) => ({ _tag: "Calls", calls, hits, known }) as const
  const time = (begin: number, known: number) =>
    ({ _tag: "Time", buckets: [{ begin, calls: 1, hits: 1 }], known }) as const
  const joined = (first: SharedEvidence.Report, second: SharedEvidence.Report) => SharedEvidence.join([first], [second])

  it("add up, and what is known is what was known last", () => {
    assert.deepStrictEqual(joined(calls(3, 1, 5), calls(4, 2, 9)), [calls(7, 3, 9)])
    const { buckets } = time(0, 1)
    assert.deepStrictEqual(joined(time(0, 1), time(7, 2)), [{
      ...time(7, 2),
      buckets: [...buckets, ...time(7, 2).buckets]
    }])
    assert.deepStrictEqual(joined(row(2), row(3)), [row(5)])
    assert.deepStrictEqual(joined(row(2, true), row(3)), [row(5, true)])
  })

  it("forget the streak that a success has ended in between", () => {
    assert.deepStrictEqual(joined(row(2), row(3, true)), [row(3, true)])
  })

  it("are one where there is only one", () => {
    for (const report of [row(2), calls(3, 1, 5), time(0, 1)]) {
      assert.deepStrictEqual(SharedEvidence.join([], [report]), [report])
      assert.deepStrictEqual(SharedEvidence.join([report], []), [report])
      for (const other of [row(1), calls(1, 1, 1), time(1, 1)]) {
        if (other._tag !== report._tag) assert.deepStrictEqual(joined(report, other), [report], "of another rule")
      }
    }
  })
})

describe("a process that begins to count", () => {
  const count = (evidence: Evidence, at: number) => SharedEvidence.countOf(evidence, 0, at)

  it("tells of what comes then; of a window of time, all that it never told", () => {
    const rule: Rule = { _tag: "Any", rules: [consecutive, byCalls(10), failures] }
    const evidence = makeEvidence(rule, undefined, [], 0)
    evidence.record(true, 0, 100, false)
    const told = SharedEvidence.begin(undefined, count(evidence, 100), 0)
    evidence.record(true, 0, 2_000, false)
    const now = count(evidence, 2_000)
    assert.deepStrictEqual(SharedEvidence.report(told, now), [
      { _tag: "Consecutive", succeeded: false, failures: 1 },
      { _tag: "Calls", calls: 1, hits: 1, known: 2 },
      { _tag: "Time", buckets: [{ begin: 0, calls: 1, hits: 1 }, { begin: 2_000, calls: 1, hits: 1 }], known: 2 }
    ])
    const again = SharedEvidence.begin(now, count(evidence, 3_000), 0)
    evidence.record(true, 0, 3_100, false)
    assert.deepStrictEqual(SharedEvidence.report(again, count(evidence, 3_100)).at(2), {
      _tag: "Time",
      buckets: [{ begin: 3_000, calls: 1, hits: 1 }],
      known: 3
    })
  })
})

describe("a process that goes on counting", () => {
  const counted = (failures: number, succeeded: number, at: number): SharedEvidence.Count => ({
    at,
    succeeded,
    parts: [{ _tag: "Consecutive", failures }]
  })
  const report = (told: SharedEvidence.Count, now: SharedEvidence.Count) => SharedEvidence.report(told, now)[0]

  it("soon after it stopped tells the success of before as well; later on, it has nothing to do with it", () => {
    const [before, now] = [counted(3, 5, 100), counted(0, 6, 1_100)]
    const soon = SharedEvidence.begin(before, now, 1_001)
    assert.deepStrictEqual(soon, before)
    assert.deepStrictEqual(report(soon, counted(1, 6, 1_200)), { _tag: "Consecutive", succeeded: true, failures: 1 })
    const later = SharedEvidence.begin(before, now, 1_000)
    assert.deepStrictEqual(later, now)
    assert.deepStrictEqual(report(later, counted(1, 6, 1_200)), { _tag: "Consecutive", succeeded: false, failures: 1 })
  })

  it("under another rule than before begins anew", () => {
    const calls: SharedEvidence.Count = { at: 0, succeeded: 0, parts: [{ _tag: "Calls", total: 9, outcomes: "1" }] }
    const time: SharedEvidence.Count = {
      at: 0,
      succeeded: 0,
      parts: [{ _tag: "Time", buckets: [{ begin: 0, calls: 1, hits: 1 }] }]
    }
    const row = counted(3, 0, 0)
    assert.deepStrictEqual(SharedEvidence.begin(calls, row, 1_000).parts, row.parts)
    assert.deepStrictEqual(SharedEvidence.begin(row, calls, 1_000).parts, calls.parts)
    assert.deepStrictEqual(SharedEvidence.begin(row, time, 1_000).parts, [{ _tag: "Time", buckets: [] }])
    const none: SharedEvidence.Count = { at: 0, succeeded: 0, parts: [] }
    assert.deepStrictEqual(SharedEvidence.begin(none, row, 1_000).parts, row.parts)
    for (const now of [row, calls, time]) {
      assert.deepStrictEqual(report(none, now), report(now === row ? calls : row, now))
    }
    assert.deepStrictEqual(report(calls, row), { _tag: "Consecutive", succeeded: false, failures: 3 })
    assert.deepStrictEqual(report(row, calls), { _tag: "Calls", calls: 1, hits: 1, known: 1 })
    assert.deepStrictEqual(report(calls, time), { _tag: "Time", buckets: [{ begin: 0, calls: 1, hits: 1 }], known: 1 })
  })

  it("never tells less than nothing, as where a reset has emptied what it had told", () => {
    assert.deepStrictEqual(report(counted(3, 0, 0), counted(1, 0, 0)), {
      _tag: "Consecutive",
      succeeded: false,
      failures: 0
    })
    const calls = (total: number, outcomes: string): SharedEvidence.Count => ({
      at: 0,
      succeeded: 0,
      parts: [{ _tag: "Calls", total, outcomes }]
    })
    assert.deepStrictEqual(report(calls(9, "111"), calls(2, "11")), { _tag: "Calls", calls: 0, hits: 0, known: 2 })
    assert.deepStrictEqual(report(calls(9, "111"), calls(9, "111")), { _tag: "Calls", calls: 0, hits: 0, known: 3 })
  })

  it("tells of a bucket what came into it since, though the bucket's beginning is off by a rounding error", () => {
    const time = (begin: number, calls: number): SharedEvidence.Count => ({
      at: 0,
      succeeded: 0,
      parts: [{ _tag: "Time", buckets: [{ begin, calls, hits: calls - 1 }] }]
    })
    const news = (begin: number) => ({ _tag: "Time", buckets: [{ begin, calls: 2, hits: 2 }], known: 5 }) as const
    assert.deepStrictEqual(report(time(1_000, 3), time(1_000.0004, 5)), news(1_000.0004))
    assert.deepStrictEqual(report(time(1_000, 3), time(999.9996, 5)), news(999.9996))
    assert.deepStrictEqual(report(time(1_000, 3), time(1_001, 5)), {
      _tag: "Time",
      buckets: [{ begin: 1_001, calls: 5, hits: 4 }],
      known: 5
    })
  })
})

describe("a report", () => {
  const worth = (rule: Rule, report: SharedEvidence.Report, counts: Counts, fails: boolean) =>
    SharedEvidence.isWorthTelling(rule, [report], counts, fails)
  const inCalls = (calls: number, hits: number, known: number) => ({ _tag: "Calls", calls, hits, known }) as const
  const inTime = (calls: number, hits: number, known: number) =>
    ({ _tag: "Time", buckets: calls === 0 ? [] : [{ begin: 0, calls, hits }], known }) as const

  const later = {
    _tag: "Time",
    known: 2,
    buckets: [{ begin: 0, calls: 1, hits: 0 }, { begin: 9, calls: 1, hits: 1 }]
  } as const

  it("of failures in a row is worth telling always; of a success, where it ends somebody's", () => {
    const report = (succeeded: boolean, failures: number) => ({ _tag: "Consecutive", succeeded, failures }) as const
    const some: Counts = [{ _tag: "Consecutive", failures: 1 }]
    assert.isTrue(worth(consecutive, report(false, 1), [], false))
    assert.isFalse(worth(consecutive, report(false, 0), some, true))
    assert.isTrue(worth(consecutive, report(true, 0), some, true))
    assert.isFalse(worth(consecutive, report(true, 0), [{ _tag: "Consecutive", failures: 0 }], true))
    assert.isFalse(worth(consecutive, report(true, 0), [], false))
  })

  it.each([["calls", byCalls(20), inCalls], ["time", byTime, inTime]] as const)(
    "of a rate over %s is worth telling while somebody fails, from who can't judge by himself",
    (_, rule, report) => {
      assert.isTrue(worth(rule, report(3, 1, 3), [], false))
      assert.isFalse(worth(rule, report(3, 0, 3), [], false), "successes, while nobody fails")
      assert.isTrue(worth(rule, report(3, 0, 3), [], true), "successes, while somebody fails")
      assert.isTrue(worth(rule, report(3, 1, 9), [], true))
      assert.isFalse(worth(rule, report(3, 1, 10), [], true), "as many calls as the rule asks for")
      assert.isFalse(worth(rule, report(0, 0, 3), [], true), "of no calls")
    }
  )

  it("of failures within a time is worth telling, however many calls a process sees", () => {
    assert.isTrue(worth(failures, inTime(3, 1, 1_000), [], false))
    assert.isTrue(worth(failures, later, [], false))
    assert.isFalse(worth(failures, inTime(3, 0, 1_000), [], true))
  })

  it("of several rules is worth telling if one of them asks for it", () => {
    const rule: Rule = { _tag: "Any", rules: [byCalls(20), failures] }
    assert.isTrue(SharedEvidence.isWorthTelling(rule, [inCalls(3, 0, 3), later], [], false))
    assert.isFalse(SharedEvidence.isWorthTelling(rule, [inCalls(3, 0, 3), inTime(3, 0, 3)], [], false))
  })

  it("shows failures if there are any", () => {
    assert.isTrue(SharedEvidence.hasHits([inCalls(3, 1, 3)]))
    assert.isTrue(SharedEvidence.hasHits([inCalls(3, 0, 3), inTime(3, 1, 3)]))
    assert.isFalse(SharedEvidence.hasHits([inCalls(3, 0, 3), inTime(3, 0, 3)]))
    assert.isFalse(SharedEvidence.hasHits([]))
    const row = (failures: number) => ({ _tag: "Consecutive", succeeded: false, failures }) as const
    assert.isTrue(SharedEvidence.hasHits([row(1)]))
    assert.isFalse(SharedEvidence.hasHits([row(0)]))
    assert.isTrue(SharedEvidence.hasHits([later]))
  })
})
