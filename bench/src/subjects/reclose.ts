import { CircuitBreaker, CircuitStore, TripRule, withBreaker } from "@reclose/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { Guard } from "./guard.ts"
import { openMillis, type Policy, windowMillis } from "./policy.ts"

const build = <E>(
  store: Layer.Layer<CircuitStore, E>,
  tripRule: TripRule.TripRule
): Effect.Effect<Guard<CircuitBreaker>, unknown, Scope.Scope> => {
  const layer = CircuitBreaker.layer({
    tripRule,
    openDuration: openMillis,
    halfOpen: { permits: 1, successThreshold: 1, failureThreshold: 1, maxDuration: "30 seconds" },
    maxKeys: 200_000
  }).pipe(Layer.provide(store))
  return Effect.map(Layer.build(layer), (context) => ({ context, guard: (self, key) => withBreaker(self, key) }))
}

const buildInMemory = (tripRule: TripRule.TripRule): Promise<Guard<CircuitBreaker>> =>
  Effect.runPromise(Scope.provide(build(CircuitStore.layerMemory, tripRule), Scope.makeUnsafe()))

const overCalls = ({ minimumCalls, threshold, window }: Policy) =>
  TripRule.failureRate({ threshold, window, minimumCalls })

export const recloseOverCalls = (policy: Policy) => buildInMemory(overCalls(policy))

/** The same, shared through a store. */
export const recloseOn = <E>(store: Layer.Layer<CircuitStore, E>, policy: Policy) => build(store, overCalls(policy))

// A bare number would be a number of calls.
const overTime = Duration.millis(windowMillis)

/** A window over time, and calls that count as slow: two readings of the clock per call. */
export const recloseOverTime = ({ minimumCalls, threshold }: Policy) =>
  buildInMemory(TripRule.any([
    TripRule.failureRate({ threshold, window: overTime, minimumCalls }),
    TripRule.slowCallRate({ threshold, slowerThan: "1 second", window: overTime, minimumCalls })
  ]))
