import { CircuitBreaker, CircuitStore, TripRule, withBreaker } from "@reclose/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { Guard } from "./guard.ts"
import { openMillis, type Policy, windowMillis } from "./policy.ts"

const build = async (tripRule: TripRule.TripRule): Promise<Guard<CircuitBreaker>> => {
  const layer = CircuitBreaker.layer({
    tripRule,
    openDuration: openMillis,
    halfOpen: { permits: 1, successThreshold: 1, failureThreshold: 1, maxDuration: "30 seconds" },
    maxKeys: 200_000
  }).pipe(Layer.provide(CircuitStore.layerMemory))
  const context = await Effect.runPromise(Layer.buildWithScope(layer, Scope.makeUnsafe()))
  return { context, guard: (self, key) => withBreaker(self, key) }
}

export const recloseOverCalls = ({ minimumCalls, threshold, window }: Policy) =>
  build(TripRule.failureRate({ threshold, window, minimumCalls }))

// A bare number would be a number of calls.
const overTime = Duration.millis(windowMillis)

/** A window over time, and calls that count as slow: two readings of the clock per call. */
export const recloseOverTime = ({ minimumCalls, threshold }: Policy) =>
  build(TripRule.any([
    TripRule.failureRate({ threshold, window: overTime, minimumCalls }),
    TripRule.slowCallRate({ threshold, slowerThan: "1 second", window: overTime, minimumCalls })
  ]))
