/**
 * The machine held to its specification, by a model written from docs/guide/semantics.md and random sequences of events.
 *
 * A failure prints the seed, the policies and the shortest sequence found. `RECLOSE_SEED` replays one sequence;
 * `RECLOSE_RUNS` and `RECLOSE_STEPS` say how many there are and how long they are.
 */
import { assert, describe, it } from "@effect/vitest"
import { intact, mutants } from "./model/mutants.ts"
import { seeds, seedsUpTo, steps } from "./model/random.ts"
import { check } from "./model/run.ts"
import { scenario } from "./model/scenario.ts"
import { report, shrink } from "./model/shrink.ts"
import { machine, type Subject } from "./model/subject.ts"

/** Whether one of the first sequences finds a machine to fail, in these words. */
const isFound = (subject: Subject, says = ""): boolean =>
  seedsUpTo(4_000).some((seed) => check(subject, scenario(seed, 80))?.problem.includes(says) === true)

describe("the machine", () => {
  it("does what its specification says, in every sequence of events", () => {
    for (const seed of seeds(8_000)) {
      const tried = scenario(seed, steps(80))
      if (check(machine, tried) !== undefined) assert.fail(report(machine, shrink(machine, tried)))
    }
  }, 3_600_000)
})

describe("a broken machine is found out if it", () => {
  it("is broken, and not for what is put around it", () => {
    for (const subject of intact) {
      for (const seed of seedsUpTo(100)) {
        assert.isUndefined(check(subject, scenario(seed, 80)))
      }
    }
  })

  for (const [fault, subject, says] of mutants) {
    it(`${fault}`, () => {
      assert.isTrue(isFound(subject, says))
    }, 60_000)
  }
})
