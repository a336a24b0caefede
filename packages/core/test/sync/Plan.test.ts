/** What a process does about a record it has seen: phases, probes, an operator's acts. */
import { assert, describe, it } from "@effect/vitest"
import { type Circuit, closed } from "../../src/machine/Circuit.ts"
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
    assert.deepStrictEqual(take?.phase, { _tag: "Open", until: 10_000, generation: 2, openings: 1, duration: 10_000 })
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
    for (const record of [{}, undefined]) {
      const planning = planned({ circuit, record })
      assert.isUndefined(planning.take)
      assert.strictEqual(planning.circuit.phase, circuit.phase)
    }
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

describe("a circuit that is taken over", () => {
  it("is the same opening where it ends more than a second sooner, as after a sleep, and not where it ends later", () => {
    const takenAt = (age: number) =>
      planned({
        circuit: opened,
        standing: { base: 1 },
        record: { generation: 1, time: ahead - age, phase: recordedOpen }
      }).take?.phase
    assert.deepStrictEqual([takenAt(0), takenAt(1000), takenAt(-5000)], [undefined, undefined, undefined])
    assert.deepStrictEqual(takenAt(1001), open(8_999))
    assert.deepStrictEqual(takenAt(60_000), open(-50_000))
  })

  it("has stood for no less than no time, also where the store's clock was set back", () => {
    const { take } = planned({ record: { time: ahead + 5_000, generation: 5, phase: recordedOpen } })
    assert.deepInclude(take?.phase, { until: 10_000 })
  })

  it("of an opening that is known keeps the end measured here, though its record is from the future", () => {
    const record = { time: ahead + hour, generation: 5, phase: recordedOpen }
    const { circuit, next } = planned({ now: 9_000, circuit: opened, standing: { base: 5 }, record })
    assert.deepInclude(circuit.phase, { until: 10_000 })
    assert.deepInclude(next, { time: ahead + 9_000, generation: 5, phase: { ...recordedOpen, remaining: 1_000 } })
  })

  it("of a trial that is known keeps the deadline measured here, unless another trial's probes are out", () => {
    const deadlineWith = (fields: { probes: ReadonlyArray<number>; nextProbe: number }) => {
      const circuit = circuitOf(policy, { phase: halfOpen({ deadline: 5_000 }) })
      const record = { generation: 4, phase: { ...recordedTrial, ...fields } }
      const { phase } = planned({ now: 3_000, circuit, standing: { base: 4 }, record }).circuit
      return phase._tag === "HalfOpen" ? phase.deadline : undefined
    }
    assert.strictEqual(deadlineWith({ probes: [0], nextProbe: 1 }), 5_000)
    assert.strictEqual(deadlineWith({ probes: [0, 1], nextProbe: 2 }), 5_000)
    assert.strictEqual(deadlineWith({ probes: [], nextProbe: 1 }), 5_000)
    assert.strictEqual(deadlineWith({ probes: [1], nextProbe: 2 }), 8_000)
  })

  it("is written anew where it is from the future by more than two seconds, with all that it holds", () => {
    const failing = [["other", ahead + hour]] as const
    const record = { time: ahead + hour, failing, failingSince: ahead + hour, evidence: counted(2) }
    assert.deepInclude(planned({ record }).next, {
      time: ahead,
      failing: [["other", ahead]],
      failingSince: ahead,
      evidence: counted(2)
    })
    assert.isUndefined(planned({ record: { ...record, time: ahead + 2_000, failing: [] } }).next)
  })

  it("is an older one that is open: the recovery that is known here is written over it", () => {
    const { next } = planned({ standing: { base: 9 }, record: { generation: 5, phase: recordedOpen } })
    assert.strictEqual(next?.phase._tag, "Closed")
    assert.isAbove(next?.generation ?? 0, 9)
  })

  it("goes on warming up, for a process that has not warmed up yet", () => {
    const cold = policyOf(three, { warmUp: 60_000 })
    const { take } = planned({ policy: cold, record: { generation: 5 } })
    assert.deepInclude(take?.phase, { _tag: "Closed", warmUntil: 60_000 })
    assert.deepInclude(planned({ circuit: opened, record: { generation: 5 } }).take?.phase, { warmUntil: undefined })
  })

  it("is in a generation of its own where the phase is another one", () => {
    const circuit = circuitOf(policy, { phase: halfOpen() })
    const record = { generation: 4, phase: recordedOpen }
    assert.strictEqual(planned({ circuit, standing: { base: 4 }, record }).take?.phase.generation, 4)
    assert.strictEqual(planned({ circuit, standing: { base: 3 }, record }).take?.phase.generation, 4)
    assert.isUndefined(planned({ circuit: opened, standing: { base: 4 }, record }).take)
    assert.deepInclude(planned({ standing: { base: 4 }, record }).take?.phase, { _tag: "Open", generation: 2 })
  })

  it("has the override of the record, whatever it was here", () => {
    const circuit = circuitOf(policy, { override: "Disabled" })
    assert.strictEqual(planned({ circuit, record: { generation: 5 } }).take?.override, "None")
    const record = { generation: 5, override: "ForcedClosed" } as const
    assert.strictEqual(planned({ circuit, record }).take?.override, "ForcedClosed")
  })

  it("is closed where its phase is no news and no record has it", () => {
    const { changes, take } = planned({ circuit: opened, record: undefined })
    assert.deepInclude(take?.phase, { _tag: "Closed", generation: 3, recovery: undefined })
    assert.deepStrictEqual(changes.map(({ reason }) => reason._tag), ["Learned"])
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

  it("names this process as one that fails where it is an opening, and where it is none doesn't", () => {
    const failing = (situation: Situation) => planned(situation).next?.failing
    assert.deepStrictEqual(failing({ circuit: opened, standing: { isUnpublished: true } }), [["me", ahead]])
    assert.deepStrictEqual(failing({ standing: { isUnpublished: true } }), [])
    const forced = { ...opened, override: "ForcedOpen" } as const
    const steering = [{ _tag: "Override", override: "ForcedOpen" }] as const
    const record = { generation: 4, phase: recordedOpen }
    assert.deepStrictEqual(failing({ circuit: forced, standing: { base: 4, steering }, record }), [])
  })

  it("keeps an override that somebody else has set", () => {
    const { next } = planned({ circuit: opened, standing: news, record: { generation: 4, override: "MetricsOnly" } })
    assert.strictEqual(next?.override, "MetricsOnly")
  })

  it("is told again to a store that has lost it, with its override, if it matters", () => {
    const circuit = { ...opened, override: "MetricsOnly" } as const
    const actOf = ({ override }: Circuit) => ({ kind: override, stamp: 3, by: "me" })
    const lost = planned({ circuit, standing: { base: 4, act: actOf(circuit) }, record: undefined })
    assert.deepInclude(lost.next, { override: "MetricsOnly", timeToLive: undefined })
    assert.strictEqual(lost.next?.phase._tag, "Open")
    assert.isAbove(lost.base, 4)
    assert.isUndefined(planned({ standing: { base: 4 }, record: undefined }).next, "a circuit that is closed does not")
    const disabled = circuitOf(policy, { override: "Disabled" })
    const standing = { base: 4, act: actOf(disabled) }
    assert.strictEqual(planned({ circuit: disabled, standing }).next?.override, "Disabled")
    const recovery = { openings: 2, until: 5_000 }
    const recovering = circuitOf(policy, { phase: closed(policy, 2, 0, { recovery }) })
    const again = planned({ circuit: recovering, standing: { base: 4 } })
    assert.deepStrictEqual(again.next?.phase, { _tag: "Closed", openings: 2, remaining: 5_000 })
    assert.isUndefined(planned({ circuit: disabled, standing, record: { generation: 4, act: standing.act } }).next)
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

  it("is none for a call that is let through whatever comes of it", () => {
    const held = { generation: 9, phase: recordedTrial, override: "MetricsOnly" } as const
    const { next, permit } = planned({ circuit: elapsedCircuit(), standing: elapsed, record: held, probe: true })
    assert.isUndefined(permit)
    assert.isUndefined(next)
  })

  it("that is asked for in a circuit which turns out to be closed leaves no call in flight", () => {
    const own = policyOf({ _tag: "InFlightAge", olderThan: 1_000, calls: 1 })
    const { circuit, permit } = planned({ policy: own, circuit: circuitOf(own), record: {}, probe: true })
    assert.isUndefined(permit)
    const { phase } = circuit
    assert.strictEqual(phase._tag === "Closed" ? phase.inFlight?.countOlder(1_000, 1, 5_000) : -1, 0)
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

  it("is nothing to an opening that came after it", () => {
    const standing = { base: 4, settlements: [settlement] }
    assert.isUndefined(planned({ circuit: opened, standing, record: { ...record, phase: recordedOpen } }).next)
  })

  it("that comes after the one which ended the trial counts neither there nor as a call", () => {
    const own = policyOf({ _tag: "Consecutive", failures: 1 }, { halfOpen: { ...policy.halfOpen, permits: 2 } })
    const settlements = [settlement, { ...settlement, probe: 1, outcome: Outcome.failure() }]
    const trial = { ...recordedTrial, probes: [0, 1] }
    const { next } = planned({
      policy: own,
      circuit,
      standing: { base: 4, settlements },
      record: { ...record, phase: trial }
    })
    assert.strictEqual(next?.phase._tag, "Closed")
  })

  it("leaves no counts of before behind", () => {
    const standing = { base: 4, settlements: [{ ...settlement, outcome: Outcome.ignored }] }
    const { next } = planned({ circuit, standing, record: { ...record, evidence: counted(2) } })
    assert.deepStrictEqual(next?.evidence, [])
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
    const further = { generation: 2 * ahead, phase: recordedOpen }
    assert.strictEqual(planned({ standing: { steering: [{ _tag: "Reset" }] }, record: further }).base, 2 * ahead + 1)
  })
})

describe("a record's time to live", () => {
  const ttl = (situation: Situation) => planned(situation).next?.timeToLive
  const standing = { isUnpublished: true, failed: true }

  it("is an idle time beyond whatever the record looks ahead to", () => {
    assert.strictEqual(ttl({ circuit: opened, standing, record: {} }), hour + 10_000)
    assert.strictEqual(ttl({ circuit: circuitOf(policy, { phase: halfOpen() }), standing, record: {} }), hour + 5_000)
    assert.strictEqual(ttl({ standing, record: {} }), hour)
    const recovering = (until: number) =>
      circuitOf(policy, { phase: closed(policy, 2, 0, { recovery: { openings: 1, until } }) })
    assert.strictEqual(ttl({ circuit: recovering(10_000), standing, record: {} }), hour)
    assert.strictEqual(ttl({ circuit: recovering(2 * hour + 0.5), standing, record: {} }), 2 * hour + 1)
  })

  it("is an idle time where what the record looked ahead to is over", () => {
    assert.strictEqual(ttl({ circuit: circuitOf(policy, { phase: open(-5_000) }), standing, record: {} }), hour)
    const phase = halfOpen({ probes: [], deadline: -5_000 })
    assert.strictEqual(ttl({ circuit: circuitOf(policy, { phase }), standing, record: {} }), hour)
  })

  it("runs from now on", () => {
    const now = 4_000
    assert.strictEqual(
      ttl({ circuit: circuitOf(policy, { phase: open(10_000) }), standing, record: {}, now }),
      hour + 6_000
    )
    const phase = halfOpen({ deadline: 5_000 })
    assert.strictEqual(ttl({ circuit: circuitOf(policy, { phase }), standing, record: {}, now }), hour + 1_000)
    const recovered = closed(policy, 2, 0, { recovery: { openings: 1, until: 2 * hour } })
    assert.strictEqual(
      ttl({ circuit: circuitOf(policy, { phase: recovered }), standing, record: {}, now }),
      2 * hour - now
    )
  })

  it("is over by comparing times", () => {
    const record = recordOf(policy, { time: 1_000, timeToLive: 500 })
    assert.isFalse(isExpired(record, 1_500))
    assert.isTrue(isExpired(record, 1_501))
    assert.isFalse(isExpired({ ...record, timeToLive: undefined }, 1e15))
  })
})
