/** The same, guarded by Effect's own breaker. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"

const Breakers = CircuitBreaker.layer({
  tripPolicy: CircuitBreaker.rate({ threshold: 0.5, size: 100, minimumCalls: 20 }),
  openDuration: "30 seconds"
}).pipe(Layer.provide(CircuitBreaker.layerStoreMemory()))

const program = Effect.flatMap(
  CircuitBreaker.CircuitBreaker,
  (breaker) => breaker.execute(Effect.sync(() => console.log("hello")), { key: "greetings" })
)

program.pipe(Effect.provide(Breakers), Effect.runFork)
