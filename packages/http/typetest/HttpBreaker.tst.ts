import { CircuitBreaker, type CircuitOpen, type PolicyError } from "@reclose/core"
import { GuardedHttpClient, HttpBreaker, type Throttled, type TimeLimits } from "@reclose/http"
import { Effect, type Layer, type Scope } from "effect"
import { HttpClient, type HttpClientError, type HttpClientResponse } from "effect/http"
import { describe, expect, it } from "tstyche"

type Raised = CircuitOpen | TimeLimits.TimeLimitExceeded | Throttled

declare const client: HttpClient.HttpClient.With<"down", "needed">

describe("HttpBreaker", () => {
  it("a guarded client has its own errors and needs, and what the guard raises", () => {
    expect(HttpBreaker.make(client)).type.toBe<
      Effect.Effect<
        HttpClient.HttpClient.With<"down" | Raised, "needed">,
        PolicyError,
        CircuitBreaker | Scope.Scope
      >
    >()
  })

  it("the service says what its requests may fail with", () => {
    expect(Effect.flatMap(GuardedHttpClient, (client) => client.get("http://a/"))).type.toBe<
      Effect.Effect<
        HttpClientResponse.HttpClientResponse,
        HttpClientError.HttpClientError | Raised,
        GuardedHttpClient
      >
    >()
  })

  it("the layer provides both services, and needs a client and a breaker", () => {
    expect(HttpBreaker.layer()).type.toBe<
      Layer.Layer<
        HttpClient.HttpClient | GuardedHttpClient,
        PolicyError,
        HttpClient.HttpClient | CircuitBreaker
      >
    >()
  })

  it("a stale answer has to say how old it may be", () => {
    expect(HttpBreaker.layer).type.not.toBeCallableWith({ stale: {} })
    expect(HttpBreaker.layer).type.toBeCallableWith({ stale: { maxAge: "1 minute" } })
  })

  it("a limit has to have a number", () => {
    expect(HttpBreaker.layer).type.not.toBeCallableWith({ concurrency: {} })
    expect(HttpBreaker.layer).type.not.toBeCallableWith({ rateLimit: { window: "1 second" } })
  })
})
