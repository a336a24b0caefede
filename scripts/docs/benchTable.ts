/** The table of what a call costs, as the last full run of the benchmark wrote it down. */
import { readFileSync } from "node:fs"

interface Row {
  readonly unit: string
  readonly ratio?: number
  readonly value?: number
  readonly spread?: { readonly p10: number; readonly p90: number }
  readonly target?: number
  readonly reached?: boolean
}

export interface Results {
  readonly command: string
  readonly machine: Readonly<Record<string, string | number>>
  readonly results: Readonly<Record<string, Row>>
  readonly leftOut?: ReadonlyArray<string>
}

const show = (value: number, unit: string): string => {
  switch (unit) {
    case "ratio":
      // Small ratios read better as one in so many.
      return value < 0.5 ? `1/${(1 / value).toFixed(1)}` : value.toFixed(2)
    case "per call":
      return `${value.toFixed(2)} per call`
    case "ms":
      return `${value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 2 : 0 })} ms`
    case "kB":
      return `${value.toLocaleString("en-US", { maximumFractionDigits: 1 })} kB`
    default:
      return `${value.toLocaleString("en-US", { maximumFractionDigits: 0 })} ${unit}`
  }
}

/** What was measured, as Markdown. A row without a target is there to be known, and nothing was promised. */
export const tableOf = ({ command, leftOut = [], machine, results }: Results): string => {
  const rows = Object.entries(results).map(([name, { ratio, reached, spread, target, unit, value }]) =>
    [
      `\`${name}\``,
      show(ratio ?? value ?? 0, unit),
      spread === undefined ? "" : `${show(spread.p10, unit)} – ${show(spread.p90, unit)}`,
      target === undefined ? "" : `≤ ${show(target, unit)}`,
      reached === undefined ? "" : reached ? "yes" : "no"
    ].join(" | ")
  )
  const { Dynoxide, Redis, cores, cpu, effect, node } = machine
  const servers = Object.entries({ Redis, Dynoxide }).flatMap(([name, version]) =>
    version === undefined ? [] : [`, ${name} ${version}`]
  )
  return [
    "| row | measured | p10 – p90 | target | reached |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map((row) => `| ${row} |`),
    "",
    `By \`${command}\` on ${cpu}, ${cores} shared cores, Node ${node}, Effect ${effect}${servers.join("")}.`,
    ...leftOut.map((reason) => `Left out is ${reason}.`)
  ].join("\n")
}

export const benchTable = (): string =>
  // The benchmark wrote it, in the form above.
  tableOf(JSON.parse(readFileSync(new URL("../../bench/results.json", import.meta.url), "utf8")) as Results)
