/** What a process knows of its own writes, whose answers may be lost. */
import { assert, describe, it } from "@effect/vitest"
import type { CircuitRecord } from "@reclose/core"
import { makeEvidence } from "../../src/machine/Evidence.ts"
import * as Outcome from "../../src/Outcome.ts"
import { fingerprint } from "../../src/sync/Fingerprint.ts"
import { plan } from "../../src/sync/Plan.ts"
import { SharedCircuit } from "../../src/sync/SharedCircuit.ts"
import { type Count, countOf } from "../../src/sync/SharedEvidence.ts"
import { Random, seedsUpTo } from "../machine/model/random.ts"
import { circuitOf, open, policyOf, recordOf } from "./pure.ts"

type Record = CircuitRecord.CircuitRecord

const policy = policyOf({ _tag: "Consecutive", failures: 1_000 })

const terms = { rule: fingerprint(policy.tripRule), idleTimeToLive: 60_000, hearing: 4_000 }

/** A process that sees nothing but failures of a closed circuit. */
class Failing {
  readonly shared = new SharedCircuit("me")
  private readonly evidence = makeEvidence(policy.tripRule, undefined, [], 0)
  private readonly circuit = circuitOf(policy)

  private get count(): Count {
    return countOf(this.evidence, 0, 0)
  }

  fail(times = 1): void {
    for (let i = 0; i < times; i++) {
      this.shared.beginCounting(this.count, 0)
      this.evidence.record(true, 0, 0, false)
    }
  }

  see(record: Record | undefined): void {
    this.shared.see(record, this.circuit)
  }

  /** What it would write next, knowing this record. */
  attempt(): Record | undefined {
    const { shared } = this
    const standing = shared.standing(this.circuit, this.count)
    const record = shared.seen?.record
    const planned = plan(policy, terms, standing, record, { now: 0, at: 0, storeNow: 0 }, false)
    return planned.next === undefined ? undefined : shared.attempt(planned, planned.next, standing, this.count)
  }
}

const failuresOf = (record: Record | undefined): number => {
  const [count] = record?.evidence ?? []
  return count?._tag === "Consecutive" ? count.failures : 0
}

/** The record as somebody else wrote it, so many times. */
const writtenByOthers = (record: Record, times: number): Record => {
  const writers = Array.from({ length: times }, (_, i) => ["other", i + 1] as const)
  return { ...record, version: record.version + times, writers: [...record.writers, ...writers].slice(-32) }
}

describe("a write", () => {
  it("that was heard of is told, and what came since is told next", () => {
    const process = new Failing()
    process.see(undefined)
    process.fail(3)
    const first = process.attempt()
    process.fail(2)
    process.see(first)
    assert.strictEqual(failuresOf(first), 3)
    assert.strictEqual(failuresOf(process.attempt()), 5)
    process.see(process.attempt())
    assert.isUndefined(process.attempt(), "nothing is left to tell")
  })

  it("whose answer was lost is found in the record, though others have written since", () => {
    for (const others of [0, 1, 31]) {
      const process = new Failing()
      process.see(undefined)
      process.fail(3)
      const first = process.attempt()
      if (first === undefined) return assert.fail("there is something to tell")
      process.fail(1)
      process.see(writtenByOthers(first, others))
      assert.strictEqual(failuresOf(process.attempt()), 4, `${others} others`)
    }
  })

  it("that never came through is told again", () => {
    const process = new Failing()
    const before = recordOf(policy, { version: 7, evidence: [{ _tag: "Consecutive", failures: 10 }] })
    process.see(before)
    process.fail(3)
    assert.strictEqual(failuresOf(process.attempt()), 13)
    process.see(before)
    assert.strictEqual(failuresOf(process.attempt()), 13, "the record is as it was")
    process.see(writtenByOthers(before, 31))
    assert.strictEqual(failuresOf(process.attempt()), 13, "all who wrote since are known")
  })

  it("of which nobody can say whether it came through counts as told: rather too little than twice", () => {
    const process = new Failing()
    const before = recordOf(policy, { version: 7 })
    process.see(before)
    process.fail(3)
    process.attempt()
    process.fail(1)
    process.see(writtenByOthers(before, 33))
    assert.strictEqual(failuresOf(process.attempt()), 1)
  })

  it("counts as told if the record was lost since", () => {
    const process = new Failing()
    process.see(recordOf(policy, { version: 7 }))
    process.fail(3)
    process.attempt()
    process.see(undefined)
    assert.isUndefined(process.attempt())
  })

  it("may come late: a later attempt is then no news, and the earlier one's failures are not told again", () => {
    const process = new Failing()
    const before = recordOf(policy, { version: 7 })
    process.see(before)
    process.fail(3)
    const late = process.attempt()
    process.fail(2)
    process.attempt()
    process.see(late)
    assert.strictEqual(failuresOf(process.attempt()), 5)
  })

  it("never lets a failure count twice, and loses none while the record remembers, whatever becomes of the answers", () => {
    for (const seed of seedsUpTo(500)) {
      const random = new Random(seed)
      const process = new Failing()
      let held: Record = recordOf(policy)
      let failed = 0
      process.see(held)
      const onTheirWay: Array<Record> = []
      const arrive = (next: Record): boolean => {
        const isLatest = next.version === held.version + 1
        if (isLatest) held = next
        return isLatest
      }
      for (let step = 0; step < 60; step++) {
        random.weighted([
          [3, () => {
            const times = random.between(1, 3)
            process.fail(times)
            failed += times
          }],
          [4, () => {
            const next = process.attempt()
            if (next === undefined) return
            const fate = random.pick(["answered", "answer lost", "late", "lost"])
            if (fate === "late") onTheirWay.push(next)
            if (fate === "answered") process.see(arrive(next) ? next : held)
            if (fate === "answer lost") arrive(next)
          }],
          [2, () => {
            const late = onTheirWay.shift()
            if (late !== undefined) arrive(late)
          }],
          [2, () => process.see(held)],
          [2, () => held = writtenByOthers(held, random.between(1, 3))]
        ])
        assert.isAtMost(failuresOf(held), failed, `seed ${seed}`)
        // Ten steps of others at most lie between two looks at the record, in nearly every run of this length.
        if (step % 8 === 0) process.see(held)
      }
      process.see(held)
      assert.strictEqual(failuresOf(process.attempt() ?? held), failed, `seed ${seed}`)
    }
  })

  it("is remembered only while it may matter: a store that is down for long fills no memory", () => {
    const process = new Failing()
    process.see(recordOf(policy))
    process.fail()
    for (let i = 0; i < 1_000; i++) process.attempt()
    assert.isAtMost(Object(process.shared).attempts.length, 100)
  })
})

describe("the record's writers", () => {
  it("are the last 32, with each process's own number for the write", () => {
    const process = new Failing()
    process.see(writtenByOthers(recordOf(policy), 40))
    process.fail()
    const next = process.attempt()
    assert.strictEqual(next?.writers.length, 32)
    assert.deepStrictEqual(next?.writers.at(-1), ["me", 1])
    assert.deepStrictEqual(next?.writers[0], ["other", 10])
    process.fail()
    assert.deepStrictEqual(process.attempt()?.writers.at(-1), ["me", 2])
  })
})

describe("the version of a record", () => {
  it("begins at the store's time, so that none comes again after a record was lost", () => {
    const before = new SharedCircuit("me")
    before.see(undefined, circuitOf(policy))
    const shared = before.successor()
    const standing = shared.standing(circuitOf(policy, { override: "ForcedOpen" }), undefined)
    const moment = { now: 0, at: 0, storeNow: 5_000.5 }
    const planned = plan(policy, terms, standing, undefined, moment, false)
    if (planned.next === undefined) return assert.fail("there is something to tell")
    assert.strictEqual(shared.attempt(planned, planned.next, standing, undefined).version, 5_000)
  })
})

describe("news of a phase", () => {
  it("that was decided while a write was under way is not taken for written", () => {
    const process = new Failing()
    const { shared } = process
    shared.see(undefined, circuitOf(policy))
    process.fail()
    const first = process.attempt()
    shared.changedPhase(circuitOf(policy).phase, undefined, false)
    const [done] = shared.see(first, circuitOf(policy, { phase: open(10_000) }))
    assert.isTrue(shared.isUrgent)
    assert.isFalse(done?.isTaken, "nor does the write's circuit take its place")
  })

  it("makes the failures of a write under way no news, though they led to it", () => {
    const process = new Failing()
    const { shared } = process
    shared.see(undefined, circuitOf(policy))
    process.fail(3)
    const first = process.attempt()
    process.fail(2)
    const now: Count = { at: 0, succeeded: 0, parts: [{ _tag: "Consecutive", failures: 5 }] }
    shared.changedPhase(circuitOf(policy).phase, now, true)
    const opened = circuitOf(policy, { phase: open(10_000) })
    shared.see(first, opened)
    const { reports } = shared.standing(opened, undefined)
    assert.deepStrictEqual(reports, [{ _tag: "Consecutive", succeeded: false, failures: 2 }])
  })

  it("leaves the answers of probes behind that were admitted before", () => {
    const shared = new SharedCircuit("me")
    shared.settled(0, Outcome.success, 5)
    assert.isTrue(shared.isUrgent)
    shared.changedPhase(open(0), undefined, false)
    assert.deepStrictEqual(shared.standing(circuitOf(policy), undefined).settlements, [])
  })
})

describe("an operator's act", () => {
  it("is repeated until it is written; the last one counts", () => {
    const { shared } = new Failing()
    shared.see(undefined, circuitOf(policy))
    shared.steered({ _tag: "Override", override: "ForcedOpen" })
    shared.steered({ _tag: "Override", override: "Disabled" })
    const circuit = circuitOf(policy, { override: "Disabled" })
    const standing = shared.standing(circuit, undefined)
    assert.deepStrictEqual(standing.steering, [{ _tag: "Override", override: "Disabled" }])
    const planned = plan(policy, terms, standing, undefined, { now: 0, at: 0, storeNow: 0 }, false)
    if (planned.next === undefined) return assert.fail("there is something to tell")
    const next = shared.attempt(planned, planned.next, standing, undefined)
    assert.isTrue(shared.isUrgent)
    shared.see(next, circuit)
    assert.isFalse(shared.isUrgent)
  })
})
