/**
 * Circuit breakers around an `HttpClient`.
 *
 * **Details**
 *
 * One request is one call for its circuit, from its admission to the end of its body. What a policy says applies in this
 * order, from the outside in:
 *
 * 1. `stale`: the last good answer, where the rest comes to nothing;
 * 2. `retry`, unless it is `"inside"`, with its budget;
 * 3. `concurrency`, then `rateLimit`: a place and a turn, unless the circuit rejects the call anyway;
 * 4. `credentials`: the circuit of the request's credential;
 * 5. the circuit of `key`;
 * 6. `retry`, if it is `"inside"`;
 * 7. `timeLimits`;
 * 8. the client.
 *
 * Spans that the client draws, and whatever is logged meanwhile, have the attributes `circuit.key` and `circuit.decision`
 * (`admitted`). A request that was rejected, and one that got a stale answer, has a span of its own that says so
 * (`rejected`, `stale`).
 *
 * @since 0.1.0
 */
import type { CircuitBreaker } from "@reclose/core/CircuitBreaker"
import type { CircuitOpen } from "@reclose/core/CircuitOpen"
import type { PolicyError } from "@reclose/core/PolicyError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { HttpPolicy } from "./HttpPolicy.ts"
import { makeGuarded } from "./internal/Guarded.ts"
import { guardError as findGuardError, toHttpClientError } from "./internal/GuardError.ts"
import { readPolicy } from "./internal/HttpPolicyReader.ts"
import { safeKey } from "./internal/SafeKey.ts"
import { observeBody } from "./internal/Upload.ts"
import type { Throttled } from "./Throttled.ts"
import type { TimeLimitExceeded } from "./TimeLimits.ts"

/**
 * What a guarded request may fail with beside the errors of its client.
 *
 * **Details**
 *
 * - `CircuitOpen`: its circuit, or that of its credential, did not let it through.
 * - `TimeLimitExceeded`: it took longer than its limits until its response was there.
 * - `Throttled`: it found no place, or no turn.
 *
 * What goes wrong in the body after that comes to whoever reads the body.
 *
 * @category errors
 * @since 0.1.0
 */
export type GuardError = CircuitOpen | TimeLimitExceeded | Throttled

/**
 * A guarded client, whose requests say exactly what they may fail with.
 *
 * **Example** (Handling each error)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore } from "@reclose/core"
 * import { GuardedHttpClient, HttpBreaker } from "@reclose/http"
 * import { Effect, Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 *
 * const quote = Effect.gen(function*() {
 *   const client = yield* GuardedHttpClient
 *   const response = yield* client.get("https://quotes.example/latest")
 *   return yield* response.text
 * }).pipe(
 *   Effect.catchTags({
 *     CircuitOpen: () => Effect.succeed("later"),
 *     Throttled: () => Effect.succeed("too much at once"),
 *     TimeLimitExceeded: ({ limit }) => Effect.succeed(`slow ${limit}`),
 *     HttpClientError: ({ message }) => Effect.succeed(message)
 *   })
 * )
 *
 * const Http = HttpBreaker.layer().pipe(
 *   Layer.provide(FetchHttpClient.layer),
 *   Layer.provideMerge(CircuitBreaker.layer()),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker
 *   yield* breaker.forceOpen("https://quotes.example")
 *   return yield* quote
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Http)) // => "later"
 * ```
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
 * **Details**
 *
 * The guarded client has the errors and requirements of the one that it guards, and `GuardError` beside. Fails with a
 * `PolicyError` that names every mistake of the policy.
 *
 * What the client does to a request before it is sent, such as `HttpClient.mapRequest`, is done before its circuit is looked
 * for. What it does to the effect of sending it, such as `HttpClient.filterStatusOk` or `HttpClient.followRedirects`, is
 * inside the guard. With `HttpClient.followRedirects` outside, each hop is a call of its own; no time limit is on the body of
 * a redirect, which nobody reads.
 *
 * **Gotchas**
 *
 * - Calls that are under way when the scope closes are interrupted.
 * - A body that nobody begins to read counts as whole after `timeLimits.unread`, and one that is read later no longer counts.
 *   So read bodies where you get them, or leave them.
 * - The time of a call, which rules about slow calls look at, goes on while a body is read. Endpoints whose bodies take long
 *   by design want `settleOn: "headers"`, or circuits of their own.
 * - `HttpClientResponse.toWeb` gives none for a guarded response: nobody could tell how its body ends.
 *
 * **Example** (A client of one's own)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore, TripRule } from "@reclose/core"
 * import { HttpBreaker } from "@reclose/http"
 * import { Effect, Layer } from "effect"
 * import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
 *
 * // A dependency that is down.
 * const quotes = HttpClient.make((request) =>
 *   Effect.succeed(HttpClientResponse.fromWeb(request, new Response(null, { status: 503 })))
 * ).pipe(HttpClient.mapRequest(HttpClientRequest.prependUrl("https://quotes.example")))
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* HttpBreaker.make(quotes, { key: { routes: ["/quotes/:symbol"] } })
 *   const first = yield* client.get("/quotes/ACME")
 *   const second = yield* Effect.flip(client.get("/quotes/INIT"))
 *   return [first.status, second._tag, HttpBreaker.guardError(second)?.message.includes("/quotes/:symbol")]
 * })
 *
 * const Breakers = CircuitBreaker.layer({ tripRule: TripRule.consecutive(1), openDuration: "5 seconds" }).pipe(
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * await Effect.runPromise(Effect.scoped(Effect.provide(program, Breakers))) // => [503, "CircuitOpen", true]
 * ```
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
    const transformed = HttpClient.transform(client, (send, request) => {
      const key = valid.key(request) ?? ""
      const observed = observeBody(request)
      const sent = observed === request ? send : client.postprocess(Effect.succeed(observed))
      return guarded(sent, observed, key === "" ? undefined : safeKey(key))
    })
    // Before the rest of the program has seen it, since `HttpClient.withScope` knows requests by their identity.
    return HttpClient.mapRequest(transformed, observeBody)
  })

/**
 * Guards the `HttpClient` below it, for programs that use `GuardedHttpClient`, and for those that use `HttpClient` and don't
 * know that it is guarded.
 *
 * **Details**
 *
 * The service `HttpClient` has one type of error. There, what the guard raises is the `cause` of an `HttpClientError`, and
 * `guardError` finds it. The `reason` of a `TimeLimitExceeded` is a `TransportError`, as of any request that got no answer.
 * The `reason` of a `CircuitOpen` and of a `Throttled` is an `EncodeError`, as of a request that was not sent:
 * `HttpClient.retryTransient` retries the first and not the second. `GuardedHttpClient` has the errors as they are.
 *
 * Needs an `HttpClient` and a `CircuitBreaker`. Fails with a `PolicyError` that names every mistake of the policy.
 *
 * **Example** (Around the clients of Node)
 *
 * ```ts no-run
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { CircuitBreaker, CircuitStore } from "@reclose/core"
 * import { HttpBreaker } from "@reclose/http"
 * import { Effect, Layer } from "effect"
 * import { HttpClient } from "effect/http"
 *
 * const Http = HttpBreaker.layer({ timeLimits: { headers: "2 seconds" }, retry: {} }).pipe(
 *   Layer.provide(NodeHttpClient.layerUndici),
 *   Layer.provide(CircuitBreaker.layer()),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * await Effect.runPromise(Effect.provide(HttpClient.get("https://quotes.example/latest"), Http))
 * ```
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
        Context.add(
          HttpClient.HttpClient,
          toHttpClient(guarded, (request) => Effect.map(client.preprocess(request), observeBody))
        )
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

/**
 * Returns what a guard raised: the error itself, or what caused it, up to five causes deep; `undefined` for all else.
 *
 * **Example** (A circuit behind a client that doesn't know of it)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore } from "@reclose/core"
 * import { HttpBreaker } from "@reclose/http"
 * import { Effect, Layer } from "effect"
 * import { FetchHttpClient, HttpClient } from "effect/http"
 *
 * const Http = HttpBreaker.layer().pipe(
 *   Layer.provide(FetchHttpClient.layer),
 *   Layer.provideMerge(CircuitBreaker.layer()),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker
 *   yield* breaker.forceOpen("https://quotes.example")
 *   const error = yield* Effect.flip(HttpClient.get("https://quotes.example/latest"))
 *   return [error.reason._tag, HttpBreaker.guardError(error)?._tag]
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Http)) // => ["EncodeError", "CircuitOpen"]
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const guardError = (error: unknown): GuardError | undefined => findGuardError(error)
