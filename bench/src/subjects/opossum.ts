import OpossumBreaker from "opossum"
import { openMillis, type Policy, windowMillis } from "./policy.ts"

/**
 * Opossum only knows a window over time. Its timeout, its percentiles and its snapshots are off: nobody else measured
 * here does such work, and a comparison should hold against a peer at its leanest.
 */
export const opossumBreaker = (action: () => Promise<number>, { minimumCalls, threshold }: Policy) =>
  new OpossumBreaker(action, {
    timeout: false,
    errorThresholdPercentage: threshold * 100,
    volumeThreshold: minimumCalls,
    resetTimeout: openMillis,
    rollingCountTimeout: windowMillis,
    rollingCountBuckets: 10,
    rollingPercentilesEnabled: false,
    enableSnapshots: false
  })
