/**
 * Circuit breakers around an `HttpClient`.
 *
 * @since 0.1.0
 */
import type { CircuitBreaker } from "@reclose/core/CircuitBreaker"
import type { CircuitOpen } from "@reclose/core/CircuitOpen"
import type { PolicyError } from "@reclose/core/PolicyError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import { HttpClientError, isHttpClientError, TransportError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { HttpPolicy } from "./HttpPolicy.ts"
import { makeGuarded } from "./internal/Guarded.ts"
import { readPolicy } from "./internal/HttpPolicyReader.ts"
import { safeKey } from "./internal/SafeKey.ts"
import type { Throttled } from "./Throttled.ts"
import type { TimeLimitExceeded } from "./TimeLimits.ts"

/**
 * What a guarded request may fail with beside the errors of its client.
 *
 * @category errors
 * @since 0.1.0
 */
export type GuardError = CircuitOpen | TimeLimitExceeded | Throttled

/**
 * A guarded client, whose requests say exactly what they may fail with.
 *
 * @category services
 * @since 0.1.0
 */
export class GuardedHttpClient
  extends Context.Service<GuardedHttpClient, HttpClient.HttpClient.With<HttpClientError | GuardError>>()(
    "@reclose/http/GuardedHttpClient"
  )
{}

/**
 * Guards a client that a program holds, for as long as the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: <E, R>(
  client: HttpClient.HttpClient.With<E, R>,
  policy?: HttpPolicy
) => Effect.Effect<HttpClient.HttpClient.With<E | GuardError, R>, PolicyError, CircuitBreaker | Scope.Scope> = Effect
  .fnUntraced(function*<E, R>(client: HttpClient.HttpClient.With<E, R>, policy: HttpPolicy = {}) {
    const valid = yield* readPolicy(policy)
    const guarded = yield* makeGuarded(valid)
    return HttpClient.transform(client, (send, request) => {
      const key = valid.key(request) ?? ""
      return guarded(send, request, key === "" ? undefined : safeKey(key))
    })
  })

/**
 * Guards the `HttpClient` below it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  policy?: HttpPolicy
): Layer.Layer<HttpClient.HttpClient | GuardedHttpClient, PolicyError, HttpClient.HttpClient | CircuitBreaker> =>
  Layer.effectContext(
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const guarded = yield* make(client, policy)
      return Context.make(GuardedHttpClient, guarded).pipe(
        Context.add(HttpClient.HttpClient, toHttpClient(guarded, client.preprocess))
      )
    })
  )

/** The service has one type of error, so what the guard raises becomes the cause of one. */
const toHttpClient = (
  guarded: GuardedHttpClient["Service"],
  preprocess: HttpClient.HttpClient["preprocess"]
): HttpClient.HttpClient =>
  HttpClient.makeWith(
    Effect.flatMap((request: HttpClientRequest) =>
      Effect.mapError(guarded.postprocess(Effect.succeed(request)), (error) => toHttpClientError(error, request))
    ),
    preprocess
  )

const toHttpClientError = (error: HttpClientError | GuardError, request: HttpClientRequest): HttpClientError =>
  isHttpClientError(error)
    ? error
    : new HttpClientError({ reason: new TransportError({ request, cause: error, description: error.message }) })
