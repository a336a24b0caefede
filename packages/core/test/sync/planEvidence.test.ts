/** What a process does about the counts of a record it has seen: evidence, quorum, other rules. */
import { assert, describe, it } from "@effect/vitest"
import { fingerprint } from "../../src/sync/Fingerprint.ts"
import type { Report } from "../../src/sync/SharedEvidence.ts"
import {
  ahead,
  counted,
  failures,
  heard,
  hearing,
  opened,
  others,
  planned,
  policy,
  recordedOpen,
  recordedTrial
} from "./planned.ts"
import { circuitOf, policyOf, three } from "./pure.ts"

describe("evidence", () => {
  it("is added to the record's, and its process to those that fail", () => {
    const { next, tells } = planned({ standing: { reports: [failures(2)] }, record: { evidence: counted(3) } })
    assert.isTrue(tells)
    assert.deepInclude(next, { evidence: counted(5), failing: [["me", ahead]], generation: 0 })
  })

  it("that is too old is not written again, whatever the write is for", () => {
    const tripRule = { _tag: "Failures", failures: 9, span: 20_000 } as const
    const now = ahead / 2_000
    const evidence = [{ _tag: "Time", buckets: [[now - 12, 4, 4], [now - 2, 1, 1]] }] as const
    const situation = { policy: policyOf(tripRule), standing: { rewrites: true }, record: { evidence } }
    assert.deepStrictEqual(planned(situation).next?.evidence, [{ _tag: "Time", buckets: [[now - 2, 1, 1]] }])
  })

  it("opens the circuit for all where it is enough and others have written", () => {
    const writers = [["me", 1], ["other", 1]] as const
    const situation = { standing: { reports: [failures(1)] }, record: { ...heard, evidence: counted(2), writers } }
    const { changes, next, take } = planned(situation)
    assert.deepInclude(next, { phase: recordedOpen, evidence: [] })
    assert.strictEqual(take?.phase._tag, "Open")
    assert.deepStrictEqual(changes.map(({ reason }) => reason._tag), ["Tripped"])
  })

  it("opens nothing before those who succeed have been heard, too, unless only failures matter", () => {
    const standing = { reports: [failures(1)] }
    const record = { ...heard, failingSince: ahead - hearing + 1, evidence: counted(2) }
    assert.strictEqual(planned({ standing, record }).next?.phase._tag, "Closed")
    assert.strictEqual(planned({ standing, record }).next?.failingSince, ahead - hearing + 1)
    const own = policyOf({ _tag: "Failures", failures: 3, span: 10_000 })
    const reports: ReadonlyArray<Report> = [{ _tag: "Time", buckets: [{ begin: 0, calls: 1, hits: 1 }], known: 1 }]
    const evidence = [{ _tag: "Time", buckets: [[ahead / 1_000, 2, 2]] }] as const
    assert.strictEqual(
      planned({ policy: own, standing: { reports }, record: { ...record, evidence } }).next?.phase._tag,
      "Open"
    )
  })

  it("opens nothing that a process alone has told: it judges that by itself", () => {
    const record = { ...heard, evidence: counted(2), writers: [["me", 1]] } as const
    const { next } = planned({ standing: { reports: [failures(1)] }, record })
    assert.strictEqual(next?.phase._tag, "Closed")
  })

  it("opens nothing before as many processes fail as the policy asks for, lately", () => {
    const own = policyOf(three, { quorum: 3 })
    const standing = { reports: [failures(1)] }
    const record = { ...heard, evidence: counted(2) }
    const failing = (time: number) => [["a", ahead], ["b", time]] as const
    const now = 0
    const at = (time: number) => planned({ policy: own, standing, now, record: { ...record, failing: failing(time) } })
    assert.strictEqual(at(ahead).next?.phase._tag, "Open")
    assert.strictEqual(at(ahead - 61_000).next?.phase._tag, "Closed", "a minute ago")
    assert.deepStrictEqual(at(ahead - 61_000).next?.failing, [["a", ahead], ["me", ahead]])
  })

  it("opens nothing under an override that keeps circuits closed, nor while it warms up", () => {
    const record = { ...heard, evidence: counted(2) }
    const standing = { reports: [failures(1)] }
    assert.strictEqual(planned({ standing, record }).next?.phase._tag, "Open")
    assert.strictEqual(
      planned({ standing, record: { ...record, override: "ForcedClosed" } }).next?.phase._tag,
      "Closed"
    )
    assert.isUndefined(planned({ standing, record: { ...record, override: "Disabled" } }).next)
    const cold = policyOf(three, { warmUp: 60_000 })
    assert.strictEqual(planned({ policy: cold, standing, record }).next?.phase._tag, "Closed")
  })

  it("of the time before the fleet moved on is left out", () => {
    const standing = { reports: [failures(2)] }
    const { next, take } = planned({ standing, record: { ...heard, generation: 5, evidence: counted(1) } })
    assert.isUndefined(next)
    assert.strictEqual(take?.phase._tag, "Closed")
  })

  it("is not told to an open circuit", () => {
    const record = { phase: recordedOpen, generation: 2 }
    assert.isUndefined(planned({ standing: { reports: [failures(2)] }, record }).next)
    assert.isUndefined(planned({ circuit: opened, standing: { base: 2, reports: [failures(2)] }, record }).next)
  })

  it("of calls that all succeeded is told while somebody fails", () => {
    const window = { _tag: "Calls", size: 100 } as const
    const own = policyOf({ _tag: "FailureRate", threshold: 0.5, window, minimumCalls: 100 })
    const standing = { reports: [{ _tag: "Calls", calls: 3, hits: 0, known: 3 }] } as const
    assert.isUndefined(planned({ policy: own, standing, record: {} }).next)
    const { next } = planned({ policy: own, standing, record: { failing: [["a", ahead]] } })
    assert.deepStrictEqual(next?.evidence, [{ _tag: "Calls", blocks: [[3, 0]] }])
  })

  it("within a time is told by the store's clock", () => {
    const own = policyOf({ _tag: "Failures", failures: 10, span: 10_000 })
    const reports: ReadonlyArray<Report> = [{ _tag: "Time", buckets: [{ begin: 3_000, calls: 2, hits: 2 }], known: 2 }]
    const { next } = planned({ policy: own, standing: { reports }, record: {}, now: 4_000 })
    assert.deepStrictEqual(next?.evidence, [{ _tag: "Time", buckets: [[ahead / 1_000 + 3, 2, 2]] }])
  })

  it("of 32 processes that fail is the most that a record remembers, the latest of them", () => {
    const failing = Array.from({ length: 32 }, (_, i) => [`p${i}`, ahead] as const)
    const { next } = planned({ standing: { reports: [failures(1)] }, record: { failing } })
    assert.strictEqual(next?.failing.length, 32)
    assert.deepStrictEqual([next?.failing[0], next?.failing.at(-1)], [["p1", ahead], ["me", ahead]])
  })
})

describe("who fails", () => {
  const failing = (failing: ReadonlyArray<readonly [string, number]>, now = 0) =>
    planned({ now, standing: { reports: [failures(1)] }, record: { failing, failingSince: ahead - 7 } })

  it("is forgotten after as long as the rule looks back, and where the store's clock was set back since", () => {
    const record = [["a", ahead - 60_000], ["b", ahead - 59_999], ["c", ahead + 60_000], ["d", ahead + 60_001]] as const
    assert.deepStrictEqual(failing(record).next?.failing, [record[1], record[2], ["me", ahead]])
  })

  it("is noted once, with whole milliseconds of the store's time", () => {
    const { next } = failing([["me", ahead - 10], ["a", ahead]], 0.75)
    assert.deepStrictEqual(next?.failing, [["a", ahead], ["me", ahead]])
  })

  it("is a process whose reports show it, that says so, or that opens the circuit", () => {
    for (
      const [circuit, standing] of [
        [circuitOf(policy), { reports: [failures(1)] }],
        [circuitOf(policy), { failed: true }],
        [opened, { isUnpublished: true }]
      ] as const
    ) {
      assert.deepStrictEqual(planned({ circuit, standing, record: {} }).next?.failing, [["me", ahead]])
    }
    const standing = { reports: [failures(0, true)] }
    assert.deepStrictEqual(planned({ standing, record: { evidence: counted(1) } }).next?.failing, [])
  })

  it("is known to whoever sees the record, which counts on then", () => {
    assert.isTrue(planned({ record: { failing: [["a", ahead]] } }).fails)
    assert.isFalse(planned({ record: { failing: [["a", ahead - 60_000]] } }).fails)
    assert.isFalse(planned({ standing: { failed: true }, record: {} }).fails)
  })

  it("has since when somebody does beside it, from the first of them on, and nothing where nobody does", () => {
    assert.strictEqual(failing([["a", ahead]]).next?.failingSince, ahead - 7)
    assert.strictEqual(failing([["a", ahead - 60_000]]).next?.failingSince, ahead, "anew after a pause")
    const since = planned({ standing: { failed: true }, record: { failing: [["a", ahead]] } }).next?.failingSince
    assert.strictEqual(since, ahead, "of a record that doesn't say")
    const steering = [{ _tag: "Override", override: "Disabled" }] as const
    const circuit = circuitOf(policy, { override: "Disabled" })
    assert.notProperty(planned({ circuit, standing: { steering }, record: {} }).next, "failingSince")
  })

  it("goes on judging when others have added what was missing; who has not failed leaves it to them", () => {
    const record = { ...heard, evidence: counted(3) }
    assert.isUndefined(planned({ record }).next)
    const mine = { ...record, failing: [["other", ahead], ["me", ahead]] } as const
    assert.strictEqual(planned({ record: mine }).next?.phase._tag, "Open")
    assert.isUndefined(planned({ record: { ...mine, evidence: counted(2) } }).next)
    assert.isUndefined(planned({ record: { ...mine, override: "Disabled" } }).next)
    assert.isUndefined(planned({ record: { ...mine, writers: [["me", 1]] } }).next, "it judges that by itself")
  })
})

describe("a quorum", () => {
  const own = policyOf(three, { quorum: 2 })
  const standing = { isUnpublished: true, reports: [failures(3)] }

  it("leaves an opening to the process that has a reason, and tells the others of its failures", () => {
    const { base, isPrivate, next, take } = planned({ policy: own, circuit: opened, standing, record: {} })
    assert.isTrue(isPrivate)
    assert.isUndefined(take)
    assert.strictEqual(base, 0)
    assert.deepInclude(next, { evidence: counted(3), failing: [["me", ahead]] })
    assert.strictEqual(next?.phase._tag, "Closed")
  })

  it("lets the opening be everybody's once another one fails", () => {
    const { isPrivate, next } = planned({ policy: own, circuit: opened, standing, record: { failing: [["a", ahead]] } })
    assert.isFalse(isPrivate)
    assert.strictEqual(next?.phase._tag, "Open")
  })

  it("lets a process close by itself what it had opened by itself, without a trace in the record", () => {
    const closedAgain = planned({
      policy: own,
      circuit: circuitOf(own),
      standing: { isUnpublished: true, isPrivate: true },
      record: {}
    })
    assert.isUndefined(closedAgain.next)
  })
})

describe("an opening of a process's own", () => {
  const own = policyOf(three, { quorum: 2 })
  const standing = { isUnpublished: true, isPrivate: true, base: 3 }

  it("goes on resting on the record that it rested on, and is taken over by none that says no more", () => {
    const { base, changes, isPrivate, take } = planned({
      policy: own,
      circuit: opened,
      standing,
      record: { generation: 3 }
    })
    assert.strictEqual(base, 3)
    assert.isTrue(isPrivate)
    assert.isUndefined(take)
    assert.deepStrictEqual(changes, [])
  })

  it("is none where all know the circuit to be open or on trial: that is for all", () => {
    for (const phase of [recordedOpen, recordedTrial]) {
      const { isPrivate, next } = planned({ policy: own, circuit: opened, standing, record: { generation: 3, phase } })
      assert.isFalse(isPrivate)
      assert.strictEqual(next?.phase._tag, "Open")
      assert.isAbove(next?.generation ?? 0, 3)
    }
  })

  it("ends for all where an operator ends it, or where all know the circuit to be open", () => {
    const circuit = circuitOf(own)
    const steering = [{ _tag: "Reset" }] as const
    const reset = planned({ policy: own, circuit, standing: { ...standing, steering }, record: { generation: 3 } })
    assert.isAbove(reset.next?.generation ?? 0, 3)
    const phase = recordedOpen
    const closes = planned({ policy: own, circuit, standing, record: { generation: 3, phase } })
    assert.strictEqual(closes.next?.phase._tag, "Closed")
    assert.isUndefined(planned({ policy: own, circuit, standing, record: undefined }).next)
  })
})

describe("a record of another trip rule", () => {
  const foreign = { policy: "other", evidence: counted(2), failing: [["a", ahead]], writers: others } as const

  it("keeps its counts as long as they may matter, and its phase holds", () => {
    assert.isUndefined(planned({ standing: { reports: [failures(1)] }, record: foreign }).next)
    const { take } = planned({ record: { ...foreign, generation: 5, phase: recordedOpen } })
    assert.strictEqual(take?.phase._tag, "Open")
  })

  it("keeps its counts beside an operator's act", () => {
    const circuit = circuitOf(policy, { override: "ForcedOpen" })
    const steering = [{ _tag: "Override", override: "ForcedOpen" }] as const
    const { next } = planned({ circuit, standing: { steering }, record: foreign })
    assert.deepInclude(next, { policy: "other", evidence: counted(2), override: "ForcedOpen" })
  })

  it("is counted in by this rule from the next phase on", () => {
    const { next } = planned({ circuit: opened, standing: { isUnpublished: true, failed: true }, record: foreign })
    assert.deepInclude(next, { policy: fingerprint(three), evidence: [], phase: recordedOpen })
  })

  it("is counted in by this rule from then on, once nobody fails any more", () => {
    const { next } = planned({
      standing: { reports: [failures(1)] },
      record: { ...foreign, failing: [["a", ahead - 61_000]] }
    })
    assert.deepInclude(next, { policy: fingerprint(three), evidence: counted(1) })
  })
})
