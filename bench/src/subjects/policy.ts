/** What all subjects are asked to do, in the words that all of them understand. */
export interface Policy {
  /** Share of failures that opens the circuit. */
  readonly threshold: number
  /** Calls that are looked back on. */
  readonly window: number
  readonly minimumCalls: number
}

export const ordinary: Policy = { threshold: 0.5, window: 100, minimumCalls: 20 }

export const wide: Policy = { ...ordinary, window: 100_000 }

/** Stays closed while all but a few calls fail. Not 1, which cockatiel refuses. */
export const tolerant: Policy = { threshold: 0.99, window: 100, minimumCalls: 100 }

/** Nothing may begin to probe while a rejection is being measured. */
export const openMillis = 60 * 60 * 1000

/** The time window, where one is measured. */
export const windowMillis = 10_000
