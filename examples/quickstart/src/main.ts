import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { CircuitBreaker, CircuitStore, TripRule, withBreaker } from "@reclose/core"
import { Console, Effect, Layer, Schedule } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"

// Nothing listens on this port, so the circuit opens before your eyes. Try a URL of your own as an argument.
const url = process.argv[2] ?? "http://127.0.0.1:9/quotes/latest"

const quote = HttpClient.get(url).pipe(
  Effect.flatMap(HttpClientResponse.filterStatusOk),
  Effect.flatMap((response) => response.text),
  Effect.timeout("2 seconds"), // inside the breaker, so that a hanging server counts as a failing one
  withBreaker("quotes"),
  Effect.catchTag("CircuitOpen", (open) => Effect.succeed(`rejected: ${open.message}`)),
  Effect.catch((error) => Effect.succeed(`failed: ${error.message}`))
)

const Breakers = CircuitBreaker.layer({ tripRule: TripRule.consecutive(3), openDuration: "1 second" }).pipe(
  Layer.provide(CircuitStore.layerMemory)
)

quote.pipe(
  Effect.flatMap(Console.log),
  Effect.repeat(Schedule.spaced("300 millis").pipe(Schedule.upTo({ times: 11 }))),
  Effect.provide([Breakers, NodeHttpClient.layerUndici]),
  NodeRuntime.runMain
)
