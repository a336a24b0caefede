/**
 * A fleet of processes on one store, with clocks that are wrong, answers that are lost, late and repeated, partitions,
 * crashes and cold starts; and in half of the scenarios with disasters of the store, the operators, the policies and time.
 *
 * A failure prints its seed, which `RECLOSE_SEED` replays; `RECLOSE_RUNS` says how many seeds there are. `pnpm test:fleet`
 * runs many of them on all cores.
 */
import { assert, describe, it } from "@effect/vitest"
import { seeds, seedsUpTo } from "../machine/model/random.ts"
import type { Disaster } from "./disasters.ts"
import { disasterMutants, mutants } from "./mutants.ts"
import { play } from "./play.ts"
import { describeScenario, scenarioOf } from "./scenario.ts"

/** The first promise that is broken, with the disasters of each seed if none are given. */
const brokenPromise = (from: ReadonlyArray<number>, disasters?: ReadonlySet<Disaster>): string | undefined => {
  for (const seed of from) {
    const scenario = scenarioOf(seed, disasters)
    const problem = play(scenario)
    if (problem !== undefined) return `RECLOSE_SEED=${seed}: ${problem}\n${describeScenario(scenario)}`
  }
  return undefined
}

const none: ReadonlySet<Disaster> = new Set()

/** Seeds that broke a promise once, and the disasters that they need. */
const broken: ReadonlyArray<readonly [what: string, seeds: ReadonlyArray<number>, disasters: ReadonlySet<Disaster>]> = [
  ["an opening is announced during a first read", [34_888, 36_290, 46_687], none],
  ["a wall clock is set during a first read", [5_766, 37_394], none],
  ["a clock stands still between a failure and its report", [1_066_363], none],
  ["an override is read by a process that could not write an act for long", [165], new Set(["operates"])],
  ["an opening is read by a process whose writes fail", [70], new Set(["operates"])],
  ["an override comes with the answer to a write that came too late", [869], new Set(["operates"])],
  ["a circuit is restored while the store denies writes", [4_795], new Set(["fractions", "restores", "readsOnly"])],
  ["a circuit is forced open that a process has only reset", [8], new Set(["operates"])]
]

describe("a fleet", () => {
  it("keeps its promises after every event, whatever is lost", () => {
    const problem = brokenPromise(seeds(400))
    if (problem !== undefined) assert.fail(problem)
  }, 3_600_000)

  it.each(broken)("keeps its promises when %s", (_, seeds, disasters) => {
    assert.isUndefined(brokenPromise(seeds, disasters))
  }, 60_000)
})

describe("a broken sync is found out if it", () => {
  const all = [
    ...mutants.map(([fault, breaking]) => [fault, none, breaking, 1] as const),
    ...disasterMutants.map(([fault, disasters, breaking, from = 1]) =>
      [fault, new Set(disasters), breaking, from] as const
    )
  ]
  for (const [fault, disasters, breaking, from] of all) {
    it(`${fault}`, () => {
      const mended = breaking()
      try {
        assert.isDefined(brokenPromise(seedsUpTo(1_000).slice(from - 1), disasters))
      } finally {
        mended()
      }
    }, 120_000)
  }
})
