/** The same, guarded by us. */
import { CircuitBreaker, TripRule, withBreaker } from "@reclose/core"
import * as Effect from "effect/Effect"

const Breakers = CircuitBreaker.layerLocal({
  tripRule: TripRule.failureRate({ threshold: 0.5, window: 100, minimumCalls: 20 }),
  openDuration: "30 seconds"
})

Effect.sync(() => console.log("hello")).pipe(
  withBreaker("greetings"),
  Effect.provide(Breakers),
  Effect.runFork
)
