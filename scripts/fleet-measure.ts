/**
 * Measures what a fleet costs its store and how soon it notices a failure, in the simulation that the tests hold to its
 * promises, and writes it down for the documentation. The same every time: nothing in it depends on the machine.
 */
import { writeFileSync } from "node:fs"
import { cost, detect, type Measured, ruleNames, type Weather } from "../packages/core/test/fleet/measure.ts"

const weathers: ReadonlyArray<Weather> = ["healthy", "flapping", "down"]
const stores = ["push", "poll"] as const
const seeds = [1, 2, 3]

const costs = [10, 100, 1000].flatMap((processes) =>
  stores.flatMap((store) =>
    weathers.map((weather) => {
      const rule = "consecutive(5)"
      return { processes, store, weather, ...cost({ processes, rate: 0.2, store, rule }, weather, 1) }
    })
  )
)

const fleets: ReadonlyArray<Pick<Measured, "processes" | "rate">> = [
  { processes: 20, rate: 500 },
  { processes: 1000, rate: 1 / 60 }
]

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

const detections = ruleNames.flatMap((rule) =>
  fleets.flatMap((fleet) =>
    (["push", "poll", "poll, frozen"] as const).map((store) => {
      const found = seeds.map((seed) => detect({ ...fleet, store, rule }, seed))
      const of = (part: keyof (typeof found)[number]) => median(found.map((detection) => detection[part]))
      return {
        ...fleet,
        rule,
        store,
        opened: of("opened"),
        half: of("half"),
        nearlyAll: of("nearlyAll"),
        wasted: of("wasted")
      }
    })
  )
)

writeFileSync(
  new URL("../docs/guide/fleet.json", import.meta.url),
  `${JSON.stringify({ costs, detections }, undefined, 2)}\n`
)
