/** What a process has to tell of a circuit, and for how long. */
import { assert, describe, it } from "@effect/vitest"
import * as Outcome from "../../src/Outcome.ts"
import { toRecorded } from "../../src/sync/RecordedPhase.ts"
import { SharedCircuit } from "../../src/sync/SharedCircuit.ts"
import type { Count } from "../../src/sync/SharedEvidence.ts"
import { circuitOf, halfOpen, open, recordOf } from "./pure.ts"
import { failed, Failing, planned, policy, reported, rest, write } from "./telling.ts"

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
    shared.endCounting()
    shared.beginCounting(failed(1), 60_000)
    assert.deepStrictEqual(shared.standing(circuitOf(policy), failed(2)).reports, reported(1), "nor of what comes next")
  })

  it("leaves the answers of probes behind that were admitted before", () => {
    const shared = new SharedCircuit("me")
    const trial = circuitOf(policy, { phase: halfOpen() })
    shared.see(recordOf(policy, { phase: toRecorded(trial, 0) }), trial)
    shared.settled(0, Outcome.success, 5)
    assert.isTrue(shared.isUrgent)
    shared.changedPhase(open(0), undefined, false)
    assert.deepStrictEqual(shared.standing(circuitOf(policy), undefined).settlements, [])
  })
})

describe("what was decided while a write was under way", () => {
  const opened = (openings: number) => circuitOf(policy, { phase: open(10_000, 2, openings) })

  it("is no news where the write comes to the same", () => {
    for (const [local, isNews] of [[opened(1), false], [opened(2), true], [circuitOf(policy), true]] as const) {
      const shared = new SharedCircuit("me")
      shared.see(undefined, circuitOf(policy))
      shared.changedPhase(circuitOf(policy).phase, undefined, false)
      const next = write(shared, opened(1))
      shared.changedPhase(open(0), undefined, false)
      shared.see(next, local)
      assert.strictEqual(shared.isUrgent, isNews, local.phase._tag)
    }
  })

  it("is no news either where both are closed, unless it was a reset", () => {
    for (const isReset of [false, true]) {
      const shared = new SharedCircuit("me")
      shared.see(undefined, circuitOf(policy))
      shared.changedPhase(open(0), undefined, false)
      const next = write(shared, circuitOf(policy))
      if (isReset) shared.steered({ _tag: "Reset" })
      else shared.changedPhase(open(0), undefined, false)
      shared.see(next, circuitOf(policy))
      assert.strictEqual(shared.standing(circuitOf(policy), undefined).isUnpublished, isReset)
    }
  })

  it("is no news of a reset that the write has told", () => {
    const shared = new SharedCircuit("me")
    shared.see(undefined, circuitOf(policy))
    shared.steered({ _tag: "Reset" })
    const next = write(shared, circuitOf(policy))
    shared.changedPhase(open(0), undefined, false)
    shared.see(next, circuitOf(policy))
    assert.isFalse(shared.isUrgent)
  })

  it("is no news either beside an override, which is no phase", () => {
    const shared = new SharedCircuit("me")
    shared.see(undefined, circuitOf(policy))
    shared.changedPhase(open(0), undefined, false)
    const next = write(shared, circuitOf(policy))
    shared.changedPhase(open(0), undefined, false)
    shared.steered({ _tag: "Override", override: "ForcedOpen" })
    shared.see(next, circuitOf(policy))
    const { isUnpublished, steering } = shared.standing(circuitOf(policy), undefined)
    assert.isFalse(isUnpublished)
    assert.deepStrictEqual(steering, [{ _tag: "Override", override: "ForcedOpen" }], "which waits as well")
  })

  it("is news if it was a change and a reset, whatever the write comes to", () => {
    const shared = new SharedCircuit("me")
    shared.see(undefined, circuitOf(policy))
    shared.changedPhase(circuitOf(policy).phase, undefined, false)
    const next = write(shared, circuitOf(policy, { phase: open(10_000) }))
    shared.changedPhase(open(0), undefined, false)
    shared.steered({ _tag: "Reset" })
    shared.see(next, circuitOf(policy))
    assert.isTrue(shared.standing(circuitOf(policy), undefined).isUnpublished)
  })

  it("keeps the write's circuit from being taken over, which is taken where nothing was", () => {
    const shared = new SharedCircuit("me")
    const record = recordOf(policy, { generation: 9, phase: { _tag: "Closed", openings: 0, remaining: 0 } })
    shared.see(record, circuitOf(policy))
    assert.isTrue(rest(shared, circuitOf(policy)).isTaken)
    assert.isFalse(rest(shared, circuitOf(policy)).isTaken, "it is its own now")
  })
})

describe("the answer of a probe", () => {
  const trial = circuitOf(policy, { phase: halfOpen() })
  const recorded = recordOf(policy, {
    generation: 4,
    phase: {
      _tag: "HalfOpen",
      openings: 1,
      openDuration: 10_000,
      probes: [0, 1],
      nextProbe: 2,
      successes: 0,
      failures: 0,
      remaining: 5_000
    }
  })
  const onTrial = () => {
    const shared = new SharedCircuit("me")
    shared.see(recorded, trial)
    rest(shared, trial)
    return shared
  }

  it("waits until it is written; one that came meanwhile goes on waiting", () => {
    const shared = onTrial()
    shared.settled(0, Outcome.ignored, 5)
    const next = write(shared, trial)
    shared.settled(1, Outcome.ignored, 6)
    shared.see(next, trial)
    assert.deepStrictEqual(shared.standing(trial, undefined).settlements, [
      { generation: 4, probe: 1, outcome: Outcome.ignored, duration: 6 }
    ])
    assert.isTrue(shared.isUrgent)
  })

  it("is nobody's news where the store knows nothing of the probe: nothing piles up while it is away", () => {
    const shared = onTrial()
    for (let probe = 2; probe < 1_000; probe++) shared.settled(probe, Outcome.ignored, 5)
    assert.deepStrictEqual(shared.standing(trial, undefined).settlements, [])
  })

  it("is dropped once the fleet has moved on", () => {
    const shared = onTrial()
    shared.settled(0, Outcome.ignored, 5)
    shared.see({ ...recorded, generation: 5 }, trial)
    const { plan, standing } = planned(shared, trial)
    shared.settled(1, Outcome.ignored, 6)
    shared.rest(plan, standing, undefined)
    assert.deepStrictEqual(shared.standing(trial, undefined).settlements, [])
  })

  it("waits on where its trial was told meanwhile, and has its number from then on", () => {
    const shared = new SharedCircuit("me")
    shared.changedPhase(open(0), undefined, false)
    const next = write(shared, trial)
    shared.settled(0, Outcome.ignored, 5)
    shared.see(next, trial)
    assert.deepStrictEqual(shared.standing(trial, undefined).settlements, [
      { generation: next.generation, probe: 0, outcome: Outcome.ignored, duration: 5 }
    ])
  })
})

describe("what waits to be told", () => {
  it("is urgent if it is a phase that was decided, the answer of a probe, or an operator's act", () => {
    const shared = new SharedCircuit("me")
    assert.isFalse(shared.isUrgent)
    shared.changedPhase(open(0), undefined, false)
    assert.isTrue(shared.isUrgent)
    shared.isPrivate = true
    assert.isFalse(shared.isUrgent, "an opening of its own is nobody's news")
    shared.steered({ _tag: "Override", override: "ForcedOpen" })
    assert.isTrue(shared.isUrgent)
  })

  it("is counted while the process counts, has set counts aside or has failed, and until it need not be told", () => {
    const counting = new Failing()
    assert.isFalse(counting.shared.isCounting)
    counting.fail()
    assert.isTrue(counting.shared.isCounting)
    counting.shared.changedPhase(circuitOf(policy).phase, failed(1), false)
    assert.isTrue(counting.shared.isCounting, "set aside")
    counting.shared.endCounting()
    assert.isFalse(counting.shared.isCounting)
    counting.shared.changedPhase(open(0), undefined, true)
    assert.isTrue(counting.shared.isCounting, "has failed")
    counting.shared.endCounting()
    assert.isFalse(counting.shared.isCounting)
  })

  it("of counts begins where the process begins to count, and not again each time it fails", () => {
    const shared = new SharedCircuit("me")
    shared.beginCounting(failed(2), 0)
    shared.beginCounting(failed(4), 0)
    assert.deepStrictEqual(shared.standing(circuitOf(policy), failed(5)).reports, reported(3))
    assert.deepStrictEqual(
      shared.standing(circuitOf(policy), undefined).reports,
      [],
      "of a circuit that counts nothing"
    )
    shared.endCounting()
    assert.deepStrictEqual(shared.standing(circuitOf(policy), failed(9)).reports, [])
    shared.changedPhase(circuitOf(policy).phase, failed(9), false)
    assert.deepStrictEqual(shared.standing(circuitOf(policy), failed(9)).reports, [], "nor is it set aside")
  })

  it("of counts is what it was, where they come to the same by other numbers", () => {
    const shared = new SharedCircuit("me")
    shared.recount(failed(1), failed(0))
    assert.isFalse(shared.isCounting, "there is nothing to go on from")
    shared.beginCounting(failed(2), 60_000)
    shared.recount(failed(5), failed(100))
    assert.deepStrictEqual(shared.standing(circuitOf(policy), failed(101)).reports, reported(4))
  })

  it("of an open circuit's end is no count, whatever it had counted before", () => {
    const { shared } = new Failing()
    shared.beginCounting(failed(0), 0)
    shared.changedPhase(open(0), failed(7), false)
    assert.deepStrictEqual(shared.standing(circuitOf(policy), undefined).reports, [])
    assert.isFalse(shared.isCounting, "nor is it a failure")
    shared.beginCounting(failed(8), 60_000)
    assert.deepStrictEqual(shared.standing(circuitOf(policy), failed(9)).reports, reported(1), "it begins anew")
  })
})

describe("the latest version that was heard of", () => {
  it("leaves the process behind until it has seen it", () => {
    const shared = new SharedCircuit("me")
    assert.isFalse(shared.isBehind)
    shared.latest = 3
    assert.isTrue(shared.isBehind)
    shared.see(undefined, circuitOf(policy))
    assert.isTrue(shared.isBehind)
    shared.see(recordOf(policy, { version: 2 }), circuitOf(policy))
    assert.isTrue(shared.isBehind)
    shared.see(recordOf(policy, { version: 3 }), circuitOf(policy))
    assert.isFalse(shared.isBehind)
  })
})

describe("the circuit that an operator puts in the place of another", () => {
  it("is news above whatever the record says, until it is written", () => {
    const before = new SharedCircuit("me")
    before.see(recordOf(policy, { version: 4, generation: 9 }), circuitOf(policy))
    const shared = before.successor()
    assert.isTrue(shared.isUrgent)
    assert.strictEqual(shared.standing(circuitOf(policy), undefined).base, 9)
    assert.isFalse(shared.restsOn(shared.seen), "yet")
    const next = write(shared, circuitOf(policy))
    assert.strictEqual(next.version, 5)
    assert.isAbove(next.generation, 9)
    shared.see(next, circuitOf(policy))
    assert.isFalse(shared.isUrgent)
    assert.isTrue(shared.restsOn(next))
    assert.isFalse(shared.restsOn(undefined))
    shared.see({ ...next, version: 6, generation: next.generation + 1 }, circuitOf(policy))
    assert.strictEqual(shared.standing(circuitOf(policy), undefined).base, next.generation, "and no longer")
  })

  it("goes on with the numbers of the writes, so that no late one is taken for its own", () => {
    const before = new SharedCircuit("me")
    before.see(recordOf(policy, { generation: 3 }), circuitOf(policy))
    before.steered({ _tag: "Override", override: "ForcedOpen" })
    const late = write(before, circuitOf(policy, { override: "ForcedOpen" }))
    const shared = before.successor()
    const next = write(shared, circuitOf(policy))
    assert.deepStrictEqual([late.writers.at(-1), next.writers.at(-1)], [["me", 1], ["me", 2]])
    assert.deepStrictEqual(shared.see(late, circuitOf(policy)), [])
    assert.isTrue(shared.isUrgent)
  })

  it("is news as well where nobody has looked what the record says", () => {
    const { base, isUnpublished } = new SharedCircuit("me").successor().standing(circuitOf(policy), undefined)
    assert.deepStrictEqual([base, isUnpublished], [0, true])
  })

  it("rests where the one before it rested", () => {
    const before = new SharedCircuit("me")
    before.see(recordOf(policy, { generation: 3, version: 5 }), circuitOf(policy))
    rest(before, circuitOf(policy))
    assert.isTrue(before.restsOn(before.seen))
    const shared = before.successor()
    shared.see(undefined, circuitOf(policy))
    assert.strictEqual(shared.standing(circuitOf(policy), undefined).base, 3)
  })
})

describe("an operator's act", () => {
  it("of resetting ends what was asked for before; an override after it is asked for as well", () => {
    const shared = new SharedCircuit("me")
    const steering = () => shared.standing(circuitOf(policy), undefined).steering
    shared.steered({ _tag: "Override", override: "ForcedOpen" })
    shared.steered({ _tag: "Reset" })
    assert.deepStrictEqual(steering(), [{ _tag: "Reset" }])
    shared.steered({ _tag: "Reset" })
    assert.deepStrictEqual(steering(), [{ _tag: "Reset" }])
    shared.steered({ _tag: "Override", override: "Disabled" })
    assert.deepStrictEqual(steering(), [{ _tag: "Reset" }, { _tag: "Override", override: "Disabled" }])
    assert.isTrue(shared.standing(circuitOf(policy), undefined).isUnpublished)
  })

  it("of overriding decides no phase", () => {
    const shared = new SharedCircuit("me")
    shared.steered({ _tag: "Override", override: "ForcedOpen" })
    assert.isFalse(shared.standing(circuitOf(policy), undefined).isUnpublished)
  })

  it("is repeated until it is written; the last one counts", () => {
    const { shared } = new Failing()
    shared.see(undefined, circuitOf(policy))
    shared.steered({ _tag: "Override", override: "ForcedOpen" })
    shared.steered({ _tag: "Override", override: "Disabled" })
    const circuit = circuitOf(policy, { override: "Disabled" })
    const { steering } = shared.standing(circuit, undefined)
    assert.deepStrictEqual(steering, [{ _tag: "Override", override: "Disabled" }])
    const next = write(shared, circuit)
    assert.isTrue(shared.isUrgent)
    shared.see(next, circuit)
    assert.isFalse(shared.isUrgent)
  })
})
