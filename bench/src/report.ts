import type { Timings } from "./measure.ts"
import type { Result, SideResult } from "./results.ts"
import { median, quantile } from "./statistics.ts"

/** Names and remarks stand on the left of their columns; figures line up on the right. */
const table = (lines: ReadonlyArray<ReadonlyArray<string>>, remarks?: number): string => {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const pad = (cell: string, column: number) =>
    column === 0 || column === remarks ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  return lines.map((line) => line.map(pad).join("  ").trimEnd()).join("\n")
}

const figure = (value: number, unit: Result["unit"]): string => {
  switch (unit) {
    case "ratio":
      return value < 0.5 ? `1/${(1 / value).toFixed(1)}` : value.toFixed(2)
    case "bytes":
      return `${value.toFixed(0)} B`
    case "kB":
      return `${value.toFixed(1)} kB`
    case "ms":
      return `${value.toFixed(value < 10 ? 2 : 0)} ms`
    case "per call":
      return value.toFixed(2)
  }
}

const nanos = (value: number) => `${value.toFixed(value < 100 ? 1 : 0)} ns`

const detail = (result: Result): string =>
  result.unit === "ratio"
    ? `${nanos(result.numerator.median)} ÷ ${nanos(result.denominator.median)}`
    : Object.entries(result.beside).map(([name, value]) => `${name} ${figure(value, result.unit)}`).join(", ")

/** The rows that are answered for. */
export const promised = (results: Readonly<Record<string, Result>>): string =>
  table([
    ["name", "measured", "target", "aim", "p10 – p90", "reached", "medians, or others beside"],
    ...Object.entries(results).map(([name, result]) => [
      name,
      figure(result.unit === "ratio" ? result.ratio : result.value, result.unit),
      result.target === undefined ? "" : figure(result.target, result.unit),
      result.aim === undefined ? "" : figure(result.aim, result.unit),
      result.spread === undefined
        ? ""
        : `${figure(result.spread.p10, result.unit)} – ${figure(result.spread.p90, result.unit)}`,
      result.reached === undefined ? "" : result.reached ? "yes" : "NO",
      detail(result)
    ])
  ], 6)

export const aside = (results: Readonly<Record<string, SideResult>>): string =>
  table([
    ["for information", "measured", "p10 – p90"],
    ...Object.entries(results).map(([name, { ratio, spread }]) => [
      name,
      figure(ratio, "ratio"),
      `${figure(spread.p10, "ratio")} – ${figure(spread.p90, "ratio")}`
    ])
  ])

export const absolute = (timings: Timings): string =>
  table([
    ["per call", "median", "p10", "p90"],
    ...[...timings].map(([name, samples]) => [
      name,
      nanos(median(samples)),
      nanos(quantile(samples, 0.1)),
      nanos(quantile(samples, 0.9))
    ])
  ])
