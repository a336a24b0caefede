import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Scope from "effect/Scope"
import type { Guard } from "./guard.ts"
import { openMillis, type Policy } from "./policy.ts"

/** Effect's own breaker on a store. It knows no window over time. */
export const effectOn = <E>(
  store: Layer.Layer<CircuitBreaker.CircuitBreakerStore, E>,
  { minimumCalls, threshold, window }: Policy
): Effect.Effect<Guard<never>, E, Scope.Scope> => {
  const layer = CircuitBreaker.layer({
    tripPolicy: CircuitBreaker.rate({ threshold, minimumCalls, size: window }),
    openDuration: openMillis
  }).pipe(Layer.provide(store))
  return Effect.map(Layer.build(layer), (services) => {
    const breaker = Context.get(services, CircuitBreaker.CircuitBreaker)
    return { context: Context.empty(), guard: (self, key) => breaker.execute(self, { key }) }
  })
}

/** Effect's own breaker with its memory store. */
export const effectBreaker = (policy: Policy): Promise<Guard<never>> =>
  Effect.runPromise(Scope.provide(effectOn(CircuitBreaker.layerStoreMemory(), policy), Scope.makeUnsafe()))
