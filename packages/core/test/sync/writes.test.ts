/** What a process knows of its own writes, whose answers may be lost. */
import { assert, describe, it } from "@effect/vitest"
import { SharedCircuit } from "../../src/sync/SharedCircuit.ts"
import { Random, seedsUpTo } from "../machine/model/random.ts"
import { circuitOf, open, recordOf } from "./pure.ts"
import {
  failed,
  Failing,
  failuresOf,
  planned,
  policy,
  type Record,
  reported,
  write,
  writtenByOthers
} from "./telling.ts"

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
    process.see(writtenByOthers(before, 32))
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

  it("that was to be the first, and came second, is told again as long as all who wrote are known", () => {
    for (const others of [1, 31, 32]) {
      const process = new Failing()
      process.see(undefined)
      process.fail(3)
      process.attempt()
      process.fail(1)
      // The first to write begins with the store's time, which is no number of writes.
      process.see(writtenByOthers(recordOf(policy, { version: 1_700_000_000_000 }), others))
      assert.strictEqual(failuresOf(process.attempt()), others < 32 ? 4 : 1, `${others} others`)
    }
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
    assert.isUndefined(process.attempt(), "the oldest may have come through: it counts as told")
    const { shared } = new Failing()
    shared.see(undefined, circuitOf(policy))
    shared.steered({ _tag: "Override", override: "ForcedOpen" })
    for (let i = 0; i < 1_000; i++) write(shared, circuitOf(policy, { override: "ForcedOpen" }))
    assert.strictEqual(Object(shared).attempts.length, 33)
  })

  it("of 33 that may all still come through is the last that tells the same", () => {
    const process = new Failing()
    process.see(recordOf(policy))
    process.fail()
    for (let i = 0; i < 34; i++) assert.strictEqual(failuresOf(process.attempt()), 1, `${i}`)
    assert.isUndefined(process.attempt())
  })

  it("is done once, however often its record is seen", () => {
    const process = new Failing()
    process.see(undefined)
    process.fail()
    const first = process.attempt()
    assert.strictEqual(process.shared.see(first, circuitOf(policy)).length, 1)
    assert.strictEqual(process.shared.see(first, circuitOf(policy)).length, 0)
  })

  it("that tells of no counts leaves them to the next one", () => {
    const shared = new SharedCircuit("me")
    const failing = [["other", 0]] as const
    shared.see(recordOf(policy, { policy: "other", failing }), circuitOf(policy))
    shared.beginCounting(failed(0), 0)
    shared.changedPhase(circuitOf(policy).phase, failed(2), true)
    shared.beginCounting(failed(0), 0)
    shared.steered({ _tag: "Override", override: "ForcedOpen" })
    const circuit = circuitOf(policy, { override: "ForcedOpen" })
    const { plan, standing } = planned(shared, circuit, failed(1))
    shared.rest({ ...plan, base: 0, tells: false }, standing, failed(1))
    assert.deepInclude(shared.standing(circuit, failed(1)), { reports: reported(3), failed: true })
    shared.rest({ ...plan, base: 0, tells: true }, shared.standing(circuit, failed(1)), failed(1))
    assert.deepInclude(shared.standing(circuit, failed(1)), { reports: reported(0), failed: false })
  })

  it("leaves what began to be counted while it was under way to the next one", () => {
    const shared = new SharedCircuit("me")
    shared.see(undefined, circuitOf(policy))
    shared.beginCounting(failed(0), 0)
    shared.changedPhase(circuitOf(policy).phase, failed(2), false)
    const { plan, standing } = planned(shared, circuitOf(policy))
    shared.changedPhase(open(0), undefined, true)
    shared.beginCounting(failed(2), 0)
    shared.rest({ ...plan, base: 0, tells: true }, standing, undefined)
    assert.deepInclude(shared.standing(circuitOf(policy), failed(5)), { reports: reported(3), failed: true })
  })

  it("of another generation ends what was counted in the one before", () => {
    const { shared } = new Failing()
    shared.see(undefined, circuitOf(policy))
    shared.beginCounting(failed(0), 0)
    const { plan, standing } = planned(shared, circuitOf(policy))
    shared.rest({ ...plan, base: 1 }, standing, undefined)
    assert.isFalse(shared.isCounting)
    shared.beginCounting(failed(5), 60_000)
    assert.deepStrictEqual(shared.standing(circuitOf(policy), failed(6)).reports, reported(1))
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
    assert.strictEqual(write(shared, circuitOf(policy), undefined, 5_000.5).version, 5_000)
    const { version, writers } = write(shared, circuitOf(policy), undefined, 0.5)
    assert.strictEqual(version, 1, "and above none")
    assert.deepStrictEqual(writers, [["me", 2]])
  })
})
