/** Converts what a guard raises into errors of the service `HttpClient`, and finds it there again. */
import { CircuitOpen } from "@reclose/core/CircuitOpen"
import { EncodeError, HttpClientError, isHttpClientError, TransportError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import * as Predicate from "effect/Predicate"
import { Throttled } from "../Throttled.ts"
import { TimeLimitExceeded } from "../TimeLimits.ts"

export type GuardError = CircuitOpen | TimeLimitExceeded | Throttled

/**
 * The reason of a request that the guard did not send.
 *
 * Effect retries every `TransportError`, and its own circuit breaker counts one as a failure of the dependency. An
 * `EncodeError` is the one reason of a request that was never sent which both ignore. Its own message would blame the body.
 */
class NotSent extends EncodeError {
  override get message(): string {
    return `${this.description} (${this.methodAndUrl})`
  }
}

/** Returns the error as it is, or as the cause of an `HttpClientError`. */
export const toHttpClientError = (error: HttpClientError | GuardError, request: HttpClientRequest): HttpClientError => {
  if (isHttpClientError(error)) return error
  const reason = { request, cause: error, description: error.message }
  return new HttpClientError({
    reason: error instanceof TimeLimitExceeded ? new TransportError(reason) : new NotSent(reason)
  })
}

/** How many errors may be wrapped around the one of the guard: adapters nest a few, and a cycle has no end. */
const maxDepth = 5

/** Returns what a guard raised: the error itself, or what caused it. */
export const guardError = (error: unknown, depth = maxDepth): GuardError | undefined => {
  if (error instanceof CircuitOpen || error instanceof TimeLimitExceeded || error instanceof Throttled) return error
  return depth > 0 && Predicate.hasProperty(error, "cause") ? guardError(error.cause, depth - 1) : undefined
}
