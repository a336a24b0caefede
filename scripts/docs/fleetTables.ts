/** What a fleet costs its store and how soon it notices a failure, as the simulation wrote it down. */
import { readFileSync } from "node:fs"

interface Cost {
  readonly processes: number
  readonly store: "push" | "poll"
  readonly weather: string
  readonly reads: number
  readonly writes: number
}

interface Detection {
  readonly processes: number
  readonly rate: number
  readonly rule: string
  readonly store: string
  readonly opened: number | null
  readonly half: number | null
  readonly nearlyAll: number | null
  readonly wasted: number
}

const measured = (): { readonly costs: ReadonlyArray<Cost>; readonly detections: ReadonlyArray<Detection> } =>
  JSON.parse(readFileSync(new URL("../../docs/guide/fleet.json", import.meta.url), "utf8"))

/** Dollars for a million request units, on demand, in us-east-1. */
const price = { read: 0.125, write: 0.625 }
/** Request units of one strongly consistent read and one write of a record. */
const units = { read: 1, write: 2 }

const whole = (value: number): string => value.toLocaleString("en-US")

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")

/** Reads and writes an hour, with what DynamoDB takes for them. */
export const costTable = (): string => {
  const { costs } = measured()
  const rows = costs.filter(({ store }) => store === "push").map(({ processes, reads, weather, writes }) => {
    const polled = costs.find((cost) =>
      cost.store === "poll" && cost.processes === processes && cost.weather === weather
    )
    if (polled === undefined) throw new Error(`there is no polled fleet of ${processes} that is ${weather}`)
    const readUnits = polled.reads * units.read
    const writeUnits = polled.writes * units.write
    const dollars = (readUnits * price.read + writeUnits * price.write) / 1_000_000
    return [
      `${whole(processes)}, ${weather}`,
      whole(reads),
      whole(writes),
      whole(readUnits),
      whole(writeUnits),
      `$${dollars.toFixed(3)}`
    ]
  })
  return [
    table(["processes", "Redis: reads", "writes", "DynamoDB: read units", "write units", "an hour"], rows),
    "",
    "For one key in use, an hour, from the simulation: each process makes a call every five seconds under the default policy;",
    "*flapping* is a minute down and a minute up in turn, *down* the whole hour. A read takes one unit, a write two (a record",
    `has up to 2 kB), at $${price.read} and $${price.write} a million, on demand in us-east-1 in 2026. A healthy call costs`,
    "nothing in any row: the reads are those of the poll, every `refreshEvery`, or every thirty seconds where the store",
    "pushes. A process reads the keys it has in use, each for itself: a batch saves requests, not units."
  ].join("\n")
}

const seconds = (millis: number | null): string => millis === null ? "not in 3 min" : `${(millis / 1000).toFixed(1)} s`

const storeName: Readonly<Record<string, string>> = {
  push: "Redis",
  poll: "DynamoDB",
  "poll, frozen": "DynamoDB, frozen between calls"
}

/** How soon a fleet notices that its dependency has gone down. */
export const detectionTable = (): string => {
  const rows = measured().detections.map(({ half, nearlyAll, opened, processes, rate, rule, store, wasted }) => [
    rate >= 1
      ? `dense: ${whole(processes)} processes, ${whole(rate)} calls a second each`
      : `sparse: ${whole(processes)} processes, a call a minute each`,
    rule,
    storeName[store] ?? store,
    seconds(opened),
    seconds(half),
    seconds(nearlyAll),
    whole(wasted)
  ])
  return [
    table(["fleet", "trip rule", "store", "open in the store", "in half", "in 99 %", "calls wasted"], rows),
    "",
    "From the moment at which every call begins to fail, after five seconds of health (dense) or two minutes (sparse); medians",
    "of three runs of the simulation. A rate over thirty seconds has the successes of before to outweigh. A frozen process",
    "learns at its next call, so the last column but one is the time until nearly all have made one."
  ].join("\n")
}
