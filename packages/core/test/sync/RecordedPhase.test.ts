/** Phases as records have them, there and back. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitRecord } from "@reclose/core"
import { Effect } from "effect"
import { closed, openingsOf, type Phase } from "../../src/machine/Circuit.ts"
import { fromRecorded, toRecorded } from "../../src/sync/RecordedPhase.ts"
import { Random, seedsUpTo } from "../machine/model/random.ts"
import { recordedTrial } from "./planned.ts"
import { circuitOf, halfOpen, open, policyOf, recordOf, three } from "./pure.ts"

const policy = policyOf(three)

const phaseOf = (random: Random, at: number): Phase =>
  random.weighted<Phase>([
    [1, () => closed(policy, 7, at, {})],
    [1, () => {
      const recovery = { openings: random.between(1, 9), until: at + random.next() * 60_000 }
      return closed(policy, 7, at, { recovery })
    }],
    [1, () => ({
      _tag: "Open",
      generation: 7,
      openings: random.between(1, 9),
      duration: random.between(1, 60_000),
      until: at + random.next() * 60_000
    })],
    [1, () =>
      halfOpen({
        generation: 7,
        openings: random.between(1, 9),
        probes: random.list(random.between(0, 3), (i) => i + 2),
        nextProbe: 6,
        successes: random.between(0, 3),
        failures: random.between(0, 3),
        deadline: at + random.next() * 5_000
      })]
  ])

const trialOf = (fields: Partial<Extract<CircuitRecord.RecordPhase, { readonly _tag: "HalfOpen" }>>) => ({
  ...recordedTrial,
  ...fields
})

/** The instant that a phase looks ahead to. */
const endOf = (phase: Phase): number =>
  phase._tag === "Open" ? phase.until : phase._tag === "HalfOpen" ? phase.deadline : phase.recovery?.until ?? 0

/** All of a phase but the instant, and what a closed one has measured. */
const restOf = (phase: Phase, at: number) =>
  phase._tag === "Closed"
    ? { _tag: phase._tag, generation: phase.generation, openings: openingsOf(phase, at) }
    : { ...phase, until: 0, deadline: 0 }

describe("a recorded phase", () => {
  it("comes back as it was, under another clock, less the time that has passed, to the millisecond", () => {
    for (const seed of seedsUpTo(1_000)) {
      const random = new Random(seed)
      const [there, here] = [random.next() * 1e6, random.next() * 1e6]
      const phase = phaseOf(random, there)
      const passed = random.pick([0, random.next() * 5_000])
      const back = fromRecorded(policy, toRecorded(circuitOf(policy, { phase }), there), 7, passed, here + passed)
      const left = endOf(phase) - there
      if (phase._tag === "Closed" && left <= passed) {
        assert.strictEqual(openingsOf(back, here + passed), left > passed - 1 ? openingsOf(back, here + passed) : 0)
        continue
      }
      assert.deepStrictEqual(restOf(back, here + passed), restOf(phase, there), `seed ${seed}`)
      const off = endOf(back) - here - left
      assert.isTrue(off > -1e-6 && off < 1 + 1e-6, `${off} too late, seed ${seed}`)
    }
  })

  it.effect("is text that every store can keep", () =>
    Effect.gen(function*() {
      for (const seed of seedsUpTo(100)) {
        const phase = toRecorded(circuitOf(policy, { phase: phaseOf(new Random(seed), 500.25) }), 500.25)
        const record = recordOf(policy, { phase })
        assert.deepStrictEqual(yield* CircuitRecord.fromText("quotes", CircuitRecord.toText(record)), record)
      }
    }))

  it("of a time that is over has nothing left, and never less", () => {
    assert.deepInclude(toRecorded(circuitOf(policy, { phase: open(1_000) }), 5_000), { remaining: 0 })
    assert.deepInclude(toRecorded(circuitOf(policy, { phase: halfOpen() }), 9_000), { remaining: 0 })
    const phase = closed(policy, 1, 0, { recovery: { openings: 3, until: 1_000 } })
    const recorded = toRecorded(circuitOf(policy, { phase }), 1_000)
    assert.deepStrictEqual(recorded, { _tag: "Closed", openings: 0, remaining: 0 })
  })

  it("of a circuit that has recovered from all of its openings, or had none, leaves nothing to recover from", () => {
    for (
      const [openings, remaining, age] of [[0, 0, 0], [0, 1_000, 0], [2, 1_000, 1_000], [2, 1_000, 2_000]] as const
    ) {
      const phase = fromRecorded(policy, { _tag: "Closed", openings, remaining }, 4, age, 100_000)
      assert.deepInclude(phase, { recovery: undefined })
    }
  })

  it("lasts no longer than this process's policy allows, whatever was written", () => {
    const forever = 1e12
    const phase = fromRecorded(
      policy,
      { _tag: "Open", openings: 1, duration: forever, remaining: forever },
      2,
      1_000,
      100_000
    )
    assert.deepInclude(phase, { duration: 60_000, until: 159_000 })
    const trial = fromRecorded(policy, { ...trialOf({}), remaining: forever }, 3, 1_000, 100_000)
    assert.deepInclude(trial, { deadline: 104_000 })
    const recovered = fromRecorded(policy, { _tag: "Closed", openings: 2, remaining: forever }, 4, 0, 100_000)
    assert.deepInclude(recovered, { recovery: { openings: 2, until: 160_000 } })
  })

  it("of a trial remembers its opening for no longer than this process's policy allows", () => {
    assert.deepInclude(fromRecorded(policy, trialOf({ openDuration: 1e12 }), 3, 0, 0), { openDuration: 60_000 })
  })

  it("of a trial keeps its probes by number, so that their answers still find them", () => {
    const recorded = toRecorded(circuitOf(policy, { phase: halfOpen({ probes: [2, 5], nextProbe: 6 }) }), 0)
    assert.deepInclude(recorded, { probes: [2, 5], nextProbe: 6 })
  })
})
