import { assert, describe, it } from "@effect/vitest"
import { seeds, steps } from "./model/random.ts"
import { check } from "./model/run.ts"
import { scenario } from "./model/scenario.ts"
import { report, shrink } from "./model/shrink.ts"
import { machine } from "./model/subject.ts"

describe("the machine and the specification", () => {
  it("agree after every event of every sequence", () => {
    for (const seed of seeds(2_500)) {
      const tried = scenario(seed, steps(80))
      if (check(machine, tried) !== undefined) assert.fail(report(machine, shrink(machine, tried)))
    }
  }, 600_000)
})
