/** The table of what a call costs, as the last full run of the benchmark wrote it down. */
import { readFileSync } from "node:fs"

interface Row {
  readonly unit: string
  readonly ratio?: number
  readonly value?: number
  readonly spread: { readonly p10: number; readonly p90: number }
  readonly target?: number
  readonly reached?: boolean
}

interface Results {
  readonly command: string
  readonly machine: Readonly<Record<string, string | number>>
  readonly results: Readonly<Record<string, Row>>
}

// Small ratios read better as one in so many.
const show = (value: number, unit: string): string =>
  unit !== "ratio"
    ? `${value.toLocaleString("en-US", { maximumFractionDigits: unit === "kB" ? 1 : 0 })} ${unit}`
    : value < 0.5
    ? `1/${(1 / value).toFixed(1)}`
    : value.toFixed(2)

export const benchTable = (): string => {
  // The benchmark wrote it, in the form above.
  const { machine, results } = JSON.parse(
    readFileSync(new URL("../../bench/results.json", import.meta.url), "utf8")
  ) as Results
  const rows = Object.entries(results)
    .filter(([, row]) => row.target !== undefined)
    .map(([name, { ratio, reached, spread, target = 0, unit, value }]) =>
      [
        `\`${name}\``,
        show(ratio ?? value ?? 0, unit),
        `${show(spread.p10, unit)} – ${show(spread.p90, unit)}`,
        `≤ ${show(target, unit)}`,
        reached === true ? "yes" : "no"
      ].join(" | ")
    )
  const { cores, cpu, effect, node } = machine
  return [
    "| row | median | p10 – p90 | target | reached |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map((row) => `| ${row} |`),
    "",
    `On ${cpu}, ${cores} shared cores, Node ${node}, Effect ${effect}.`
  ].join("\n")
}
