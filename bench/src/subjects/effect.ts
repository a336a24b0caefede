import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Scope from "effect/Scope"
import type { Guard } from "./guard.ts"
import { openMillis, type Policy } from "./policy.ts"

/** Effect's own breaker with its memory store. It knows no window over time. */
export const effectBreaker = async ({ minimumCalls, threshold, window }: Policy): Promise<Guard<never>> => {
  const layer = CircuitBreaker.layer({
    tripPolicy: CircuitBreaker.rate({ threshold, minimumCalls, size: window }),
    openDuration: openMillis
  }).pipe(Layer.provide(CircuitBreaker.layerStoreMemory()))
  const services = await Effect.runPromise(Layer.buildWithScope(layer, Scope.makeUnsafe()))
  const breaker = Context.get(services, CircuitBreaker.CircuitBreaker)
  return { context: Context.empty(), guard: (self, key) => breaker.execute(self, { key }) }
}
