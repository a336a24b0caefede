/**
 * A fleet of processes on one store, with clocks that are wrong, answers that are lost, late and repeated, partitions,
 * crashes and cold starts.
 *
 * A failure prints its seed, which `RECLOSE_SEED` replays; `RECLOSE_RUNS` says how many seeds there are.
 */
import { assert, describe, it } from "@effect/vitest"
import { seeds, seedsUpTo } from "../machine/model/random.ts"
import { mutants } from "./mutants.ts"
import { play, scenarioOf } from "./scenario.ts"

const brokenPromise = (from: ReadonlyArray<number>): string | undefined => {
  for (const seed of from) {
    const scenario = scenarioOf(seed)
    const problem = play(scenario)
    if (problem !== undefined) return `RECLOSE_SEED=${seed}: ${problem}\n${JSON.stringify(scenario, undefined, 2)}`
  }
  return undefined
}

describe("a fleet", () => {
  it("keeps its promises after every event, whatever is lost", () => {
    const problem = brokenPromise(seeds(400))
    if (problem !== undefined) assert.fail(problem)
  }, 3_600_000)
})

describe("a broken sync is found out if it", () => {
  for (const [fault, breaking] of mutants) {
    it(`${fault}`, () => {
      const mended = breaking()
      try {
        assert.isDefined(brokenPromise(seedsUpTo(1_000)))
      } finally {
        mended()
      }
    }, 120_000)
  }
})
