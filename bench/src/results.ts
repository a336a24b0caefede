import type { Timings } from "./measure.ts"
import type { Bytes } from "./memory.ts"
import type { Row } from "./rows.ts"
import { median, quantile, ratios, type Spread, spread } from "./statistics.ts"

interface Judged {
  readonly spread: Spread
  readonly target?: number
  readonly aim?: number
  readonly reached?: boolean
}

/** A row that compares two subjects. Medians are nanoseconds per call. */
export interface RatioResult extends Judged {
  readonly unit: "ratio"
  readonly ratio: number
  readonly numerator: { readonly name: string; readonly median: number }
  readonly denominator: { readonly name: string; readonly median: number }
}

/** A row that weighs. Peers stand beside it for information. */
export interface SizeResult extends Judged {
  readonly unit: "bytes" | "kB"
  readonly value: number
  readonly beside: Readonly<Record<string, number>>
}

/** A row that says how often something happened, or how long something took, which nobody promised. */
export interface FigureResult {
  readonly unit: "per call" | "ms"
  readonly value: number
  /** None for a high percentile of the samples: their spread says nothing about it. */
  readonly spread?: Spread
  readonly target?: number
  readonly aim?: number
  readonly reached?: boolean
  readonly beside: Readonly<Record<string, number>>
}

export type Result = RatioResult | SizeResult | FigureResult

export interface SideResult {
  readonly ratio: number
  readonly spread: Spread
}

const samplesOf = (timings: Timings, name: string): ReadonlyArray<number> => {
  const samples = timings.get(name)
  if (samples === undefined) throw new RangeError(`nothing was measured under ${name}`)
  return samples
}

export const ratioResults = (timings: Timings, rows: ReadonlyArray<Row>): Record<string, RatioResult> =>
  Object.fromEntries(rows.map(({ aim, denominator, name, numerator, target }) => {
    const names = { above: numerator, below: denominator }
    const result = ratioResult(names, samplesOf(timings, numerator), samplesOf(timings, denominator), target)
    return [name, aim === undefined ? result : { ...result, aim }]
  }))

/** One subject beside another, both sampled in the same rounds. Without a target it is there to be known. */
export const ratioResult = (
  { above, below }: { readonly above: string; readonly below: string },
  numerator: ReadonlyArray<number>,
  denominator: ReadonlyArray<number>,
  target?: number
): RatioResult => {
  const perRound = ratios(numerator, denominator)
  const ratio = median(perRound)
  return {
    unit: "ratio",
    ratio,
    spread: spread(perRound),
    ...(target === undefined ? {} : { target, reached: ratio <= target }),
    numerator: { name: above, median: median(numerator) },
    denominator: { name: below, median: median(denominator) }
  }
}

export const sideResults = (
  timings: Timings,
  rows: ReadonlyArray<Omit<Row, "target" | "aim">>
): Record<string, SideResult> =>
  Object.fromEntries(rows.map(({ denominator, name, numerator }) => {
    const perRound = ratios(samplesOf(timings, numerator), samplesOf(timings, denominator))
    return [name, { ratio: median(perRound), spread: spread(perRound) }]
  }))

export const byteResult = (weights: ReadonlyMap<string, Bytes>, subject: string, target: number): SizeResult => {
  const own = weights.get(subject)
  if (own === undefined) throw new RangeError(`nothing was weighed under ${subject}`)
  const others = [...weights].filter(([name]) => name !== subject)
  return {
    unit: "bytes",
    value: own.bytes,
    spread: own.spread,
    target,
    reached: own.bytes <= target,
    beside: Object.fromEntries(others.map(([name, { bytes }]) => [name, bytes]))
  }
}

/** Bundling gives the same bytes every time. */
export const sizeResult = (
  value: number,
  target: number,
  beside: Readonly<Record<string, number>>
): SizeResult => ({
  unit: "kB",
  value,
  spread: { p10: value, p90: value, samples: 1 },
  target,
  reached: value <= target,
  beside
})

/** What should never happen, per call: judged as it is shown, with two digits. */
export const countResult = (
  value: number,
  parts: ReadonlyArray<number>,
  beside: Readonly<Record<string, number>>
): FigureResult => ({
  unit: "per call",
  value,
  spread: spread(parts),
  target: 0,
  reached: value.toFixed(2) === "0.00",
  beside
})

/** How long the given share of the samples took at most, in milliseconds. The spread of the samples is that of the median. */
export const millisResult = (
  samples: ReadonlyArray<number>,
  share: number,
  beside: Readonly<Record<string, number>> = {}
): FigureResult => ({
  unit: "ms",
  value: quantile(samples, share),
  ...(share === 0.5 ? { spread: spread(samples) } : {}),
  beside
})
