/** Where the middle eighty percent of the samples lie, and how many samples there were. */
export interface Spread {
  readonly p10: number
  readonly p90: number
  readonly samples: number
}

/** The value below which the given share of the samples lies, interpolated between neighbours. */
export const quantile = (samples: ReadonlyArray<number>, share: number): number => {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`quantile: share must be in [0, 1], got ${share}`)
  const sorted = samples.toSorted((left, right) => left - right)
  const position = share * (sorted.length - 1)
  const below = sorted[Math.floor(position)]
  const above = sorted[Math.ceil(position)]
  if (below === undefined || above === undefined) throw new RangeError("quantile: no samples")
  return below + (above - below) * (position - Math.floor(position))
}

export const median = (samples: ReadonlyArray<number>): number => quantile(samples, 0.5)

export const spread = (samples: ReadonlyArray<number>): Spread => ({
  p10: quantile(samples, 0.1),
  p90: quantile(samples, 0.9),
  samples: samples.length
})

/**
 * One ratio per round. Both sides of a round ran within the same fraction of a second, so whatever slowed the machine
 * down then slowed both: the ratio of a round holds even where the nanoseconds of that round do not.
 */
export const ratios = (
  numerators: ReadonlyArray<number>,
  denominators: ReadonlyArray<number>
): ReadonlyArray<number> => {
  if (numerators.length !== denominators.length) {
    throw new RangeError(`ratios: ${numerators.length} numerators for ${denominators.length} denominators`)
  }
  return numerators.map((numerator, round) => {
    const denominator = denominators[round]
    if (denominator === undefined || !(denominator > 0)) {
      throw new RangeError(`ratios: the denominator of round ${round} must be positive, got ${denominator}`)
    }
    return numerator / denominator
  })
}
