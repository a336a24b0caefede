/** The same, guarded by us, with circuits that can be shared. */
import { CircuitBreaker, CircuitStore, TripRule, withBreaker } from "@reclose/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const Breakers = CircuitBreaker.layer({
  tripRule: TripRule.failureRate({ threshold: 0.5, window: 100, minimumCalls: 20 }),
  openDuration: "30 seconds"
}).pipe(Layer.provide(CircuitStore.layerMemory))

Effect.sync(() => console.log("hello")).pipe(
  withBreaker("greetings"),
  Effect.provide(Breakers),
  Effect.runFork
)
