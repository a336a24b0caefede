/** What metrics are called, for all who write them or look at them. */

/**
 * The names of the metrics, as they stand in CloudWatch.
 *
 * @category constants
 * @since 0.1.0
 */
export const names = {
  circuitOpened: "CircuitOpened",
  circuitClosed: "CircuitClosed",
  circuitHalfOpened: "CircuitHalfOpened",
  recoveryFailed: "RecoveryFailed",
  callsSucceeded: "CallsSucceeded",
  callsFailed: "CallsFailed",
  callsRejected: "CallsRejected",
  callsIgnored: "CallsIgnored",
  openCircuits: "OpenCircuits",
  storeFailures: "StoreFailures"
} as const

/**
 * A metric's name.
 *
 * @category models
 * @since 0.1.0
 */
export type MetricName = typeof names[keyof typeof names]

/**
 * The names of the dimensions.
 *
 * @category constants
 * @since 0.1.0
 */
export const dimensions = { service: "service", circuit: "circuit" } as const

/**
 * The namespace, unless set otherwise.
 *
 * @category constants
 * @since 0.1.0
 */
export const namespace = "Reclose"
