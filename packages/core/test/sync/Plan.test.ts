/** What a process does about a record it has seen: phases, probes, an operator's acts. */
import { assert, describe, it } from "@effect/vitest"
import * as Outcome from "../../src/Outcome.ts"
import { isExpired } from "../../src/sync/Plan.ts"
import {
  ahead,
  counted,
  hour,
  opened,
  planned,
  policy,
  recordedOpen,
  recordedTrial,
  type Situation
} from "./planned.ts"
import { circuitOf, halfOpen, open, policyOf, recordOf, three } from "./pure.ts"

describe("a process that has nothing to tell", () => {
  it("writes nothing, whatever the record holds", () => {
    for (const record of [undefined, {}, { phase: recordedOpen }, { phase: recordedTrial, generation: 9 }] as const) {
      assert.isUndefined(planned({ record }).next)
    }
  })

  it("takes over a record that is further on, and says that it learned it", () => {
    const { base, changes, take } = planned({ record: { generation: 5, phase: recordedOpen } })
    assert.strictEqual(base, 5)
    assert.deepInclude(take?.phase, { _tag: "Open", until: 10_000, generation: 2 })
    assert.deepStrictEqual(changes.map(({ from, reason, to }) => [from, to, reason._tag]), [[
      "Closed",
      "Open",
      "Learned"
    ]])
  })

  it("counts the time since a record was written", () => {
    const { take } = planned({ now: 4_000, record: { time: ahead, generation: 5, phase: recordedOpen } })
    assert.deepInclude(take?.phase, { until: 10_000 })
  })

  it("keeps what it has measured where the record is no news", () => {
    const circuit = circuitOf(policy)
    assert.isUndefined(planned({ circuit, record: {} }).take)
    assert.isUndefined(planned({ circuit, record: undefined }).take)
  })

  it("starts to measure anew in a closed circuit that is further on, and announces nothing", () => {
    const { changes, take } = planned({ record: { generation: 5 } })
    assert.deepInclude(take?.phase, { _tag: "Closed", generation: 2 })
    assert.deepStrictEqual(changes, [])
  })

  it("takes over an override, of the same generation as well, and its end", () => {
    assert.strictEqual(planned({ record: { override: "Disabled" } }).take?.override, "Disabled")
    const circuit = circuitOf(policy, { override: "Disabled" })
    assert.strictEqual(planned({ circuit, record: {} }).take?.override, "None")
  })

  it("takes over how a trial of the same generation goes on", () => {
    const circuit = circuitOf(policy, { phase: halfOpen({ probes: [] }) })
    const { take } = planned({ circuit, standing: { base: 4 }, record: { generation: 4, phase: recordedTrial } })
    assert.deepInclude(take?.phase, { _tag: "HalfOpen", probes: [0], generation: 3 })
  })
})

describe("news of a phase", () => {
  const news = { isUnpublished: true, base: 4, failed: true }

  it("is written in a generation above all that were seen, at the store's time", () => {
    const { base, next, take } = planned({ circuit: opened, standing: news, record: { generation: 4 } })
    assert.deepInclude(next, { generation: ahead, phase: recordedOpen, time: ahead, evidence: [] })
    assert.strictEqual(base, ahead)
    assert.isUndefined(take)
    assert.strictEqual(
      planned({ circuit: opened, standing: { ...news, base: 2 * ahead }, record: {} }).base,
      2 * ahead + 1
    )
  })

  it("is dropped where the fleet has moved on", () => {
    const { changes, next, take } = planned({ circuit: opened, standing: news, record: { generation: 5 } })
    assert.notStrictEqual(next?.phase._tag, "Open")
    assert.strictEqual(take?.phase._tag, "Closed")
    assert.deepStrictEqual(changes.map(({ reason }) => reason._tag), ["Learned"])
  })

  it("is written over a record of the same generation, and of an earlier one", () => {
    for (const generation of [4, 3, 0]) {
      assert.strictEqual(planned({ circuit: opened, standing: news, record: { generation } }).next?.phase._tag, "Open")
    }
    assert.strictEqual(planned({ circuit: opened, standing: news, record: undefined }).next?.phase._tag, "Open")
  })

  it("is written though nobody has failed, as when calls hang or a snapshot is restored", () => {
    const standing = { isUnpublished: true }
    assert.strictEqual(planned({ circuit: opened, standing, record: {} }).next?.phase._tag, "Open")
  })

  it("keeps an override that somebody else has set", () => {
    const { next } = planned({ circuit: opened, standing: news, record: { generation: 4, override: "MetricsOnly" } })
    assert.strictEqual(next?.override, "MetricsOnly")
  })

  it("is told again to a store that has lost it, with its override, if it matters", () => {
    const circuit = { ...opened, override: "MetricsOnly" } as const
    const lost = planned({ circuit, standing: { base: 4 }, record: undefined })
    assert.deepInclude(lost.next, { override: "MetricsOnly", timeToLive: undefined })
    assert.strictEqual(lost.next?.phase._tag, "Open")
    assert.isAbove(lost.base, 4)
    assert.isUndefined(planned({ standing: { base: 4 }, record: undefined }).next, "a circuit that is closed does not")
  })
})

describe("the right to probe", () => {
  const elapsed = { base: 4 }
  // Made anew each time, since a circuit's time never goes back.
  const elapsedCircuit = () => circuitOf(policy, { phase: open(-1) })
  const record = { generation: 4, phase: { ...recordedOpen, remaining: 0 } } as const

  it("is granted in an opening whose time is up, by a record that says so", () => {
    const { changes, next, permit, take } = planned({
      circuit: elapsedCircuit(),
      standing: elapsed,
      record,
      probe: true
    })
    assert.deepStrictEqual(permit, { generation: 3, probe: 0, call: undefined })
    assert.deepInclude(next?.phase, { _tag: "HalfOpen", probes: [0], remaining: 5_000 })
    assert.strictEqual(take?.phase._tag, "HalfOpen")
    assert.deepStrictEqual(changes.map(({ reason }) => reason._tag), ["OpenElapsed"])
  })

  it("is not granted before, nor in a closed circuit, nor where others have all of it", () => {
    const early = { ...record, generation: 9, phase: recordedOpen }
    const trial = { ...record, generation: 9, phase: recordedTrial }
    for (const held of [early, trial, { generation: 9 }]) {
      const { next, permit, take } = planned({
        circuit: elapsedCircuit(),
        standing: elapsed,
        record: held,
        probe: true
      })
      assert.isUndefined(permit)
      assert.isUndefined(next)
      assert.isDefined(take, "but what the record holds is known from then on")
    }
  })

  it("is granted again when the trial of others is over its deadline and the opening after it, too", () => {
    const now = 60_000
    const held = { ...record, time: ahead, generation: 9, phase: recordedTrial }
    const { changes, permit } = planned({
      circuit: elapsedCircuit(),
      standing: elapsed,
      record: held,
      probe: true,
      now
    })
    assert.isDefined(permit)
    assert.deepStrictEqual(changes.map(({ reason }) => reason._tag), ["Learned", "DeadlineExpired", "OpenElapsed"])
  })

  it("belongs to the next free number of those that the record counts", () => {
    const own = policyOf(three, { halfOpen: { ...policy.halfOpen, permits: 2 } })
    const held = { generation: 9, phase: recordedTrial }
    const { next, permit } = planned({
      policy: own,
      circuit: elapsedCircuit(),
      standing: elapsed,
      record: held,
      probe: true
    })
    assert.strictEqual(permit?.probe, 1)
    assert.deepInclude(next?.phase, { probes: [0, 1], nextProbe: 2 })
    assert.strictEqual(next?.generation, 9, "no new phase")
  })
})

describe("the answer of a probe", () => {
  const settlement = { generation: 4, probe: 0, outcome: Outcome.success, duration: 10 }
  const circuit = circuitOf(policy, { phase: halfOpen({ probes: [] }) })
  const record = { generation: 4, phase: recordedTrial }

  it("is added to the trial that the record holds, and may end it", () => {
    const standing = { base: 4, settlements: [settlement] }
    const { changes, next } = planned({ circuit, standing, record })
    assert.deepInclude(next?.phase, { _tag: "Closed", openings: 1, remaining: 10_000 })
    assert.deepStrictEqual(changes.map(({ reason }) => reason._tag), ["ProbesSucceeded"])
  })

  it("is nothing to a later trial", () => {
    const standing = { base: 4, settlements: [settlement] }
    assert.isUndefined(planned({ circuit, standing, record: { ...record, generation: 5 } }).next)
  })

  it("counts once, though it was told before", () => {
    const standing = { base: 4, settlements: [settlement, settlement] }
    const own = policyOf(three, { halfOpen: { ...policy.halfOpen, successThreshold: 2 } })
    const { next } = planned({ policy: own, circuit, standing, record })
    assert.deepInclude(next?.phase, { _tag: "HalfOpen", successes: 1, probes: [] })
  })

  it("of a probe given back frees its place", () => {
    const standing = { base: 4, settlements: [{ ...settlement, outcome: Outcome.ignored }] }
    assert.deepInclude(planned({ circuit, standing, record }).next?.phase, { probes: [], successes: 0 })
  })
})

describe("an operator's act", () => {
  const act = { _tag: "Override", override: "ForcedOpen" } as const
  const forced = circuitOf(policy, { override: "ForcedOpen" })

  it("is written beside the phase and the counts that the record has", () => {
    const { next } = planned({ circuit: forced, standing: { steering: [act] }, record: { evidence: counted(2) } })
    assert.deepInclude(next, { override: "ForcedOpen", generation: 0, evidence: counted(2), timeToLive: undefined })
  })

  it("is done again on a record that is further on", () => {
    const standing = { steering: [act] }
    const { next, take } = planned({ circuit: forced, standing, record: { generation: 5, phase: recordedOpen } })
    assert.deepInclude(next, { override: "ForcedOpen", generation: 5 })
    assert.strictEqual(take?.phase._tag, "Open")
    const reset = planned({
      standing: { steering: [{ _tag: "Reset" }] },
      record: { generation: 5, phase: recordedOpen }
    })
    assert.strictEqual(reset.next?.phase._tag, "Closed")
    assert.isAbove(reset.base, 5)
  })
})

describe("a record's time to live", () => {
  const ttl = (situation: Situation) => planned(situation).next?.timeToLive
  const standing = { isUnpublished: true, failed: true }

  it("is an idle time beyond whatever the record looks ahead to", () => {
    assert.strictEqual(ttl({ circuit: opened, standing, record: {} }), hour + 10_000)
    assert.strictEqual(ttl({ circuit: circuitOf(policy, { phase: halfOpen() }), standing, record: {} }), hour + 5_000)
    assert.strictEqual(ttl({ standing, record: {} }), hour)
  })

  it("is over by comparing times", () => {
    const record = recordOf(policy, { time: 1_000, timeToLive: 500 })
    assert.isFalse(isExpired(record, 1_500))
    assert.isTrue(isExpired(record, 1_501))
    assert.isFalse(isExpired({ ...record, timeToLive: undefined }, 1e15))
  })
})
