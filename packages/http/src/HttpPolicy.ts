/**
 * How requests are guarded: one value for all of it.
 *
 * @since 0.1.0
 */
import type * as Outcome from "@reclose/core/Outcome"
import type { PolicyError } from "@reclose/core/PolicyError"
import type * as ConfigProvider from "effect/ConfigProvider"
import type * as Effect from "effect/Effect"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import type { CircuitKey } from "./CircuitKey.ts"
import type { CredentialPolicy } from "./Credentials.ts"
import type * as HttpOutcome from "./HttpOutcome.ts"
import type { RetryPolicy } from "./HttpRetry.ts"
import * as Reader from "./internal/HttpPolicyReader.ts"
import type { StalePolicy } from "./StaleAnswer.ts"
import type { ConcurrencyPolicy, RatePolicy } from "./Throttled.ts"
import type { TimeLimits } from "./TimeLimits.ts"

/**
 * How requests are guarded. Every field has a default, so `{}` is a policy.
 *
 * @category models
 * @since 0.1.0
 */
export interface HttpPolicy {
  /**
   * Which circuit guards a request: that of its origin, of a route that is guessed or given, or what a function says. See
   * `CircuitKey`. Default `"origin"`.
   */
  readonly key?:
    | "origin"
    | "guessedRoutes"
    | { readonly routes: ReadonlyArray<string>; readonly method?: boolean | undefined }
    | CircuitKey
    | undefined
  /** What the end of a request means: differences from the table of `HttpOutcome`, or a classifier of your own. */
  readonly classify?: HttpOutcome.Options | HttpOutcome.Classify | undefined
  /**
   * Judges a successful response by its whole body, for a dependency that says "degraded" with a 200. Bodies that are read
   * as streams, or not at all, are not looked at. Default: a body that is whole is a success.
   */
  readonly classifyBody?: ((response: HttpClientResponse, body: string) => Outcome.Outcome) | undefined
  /**
   * When a successful call is over: with the end of the body, or with the headers, for endpoints that stream for longer
   * than a trial may take (`halfOpen.maxDuration`). With `"headers"`, a body that breaks off counts nowhere; its time limits
   * hold all the same. Default `"body"`.
   */
  readonly settleOn?: "headers" | "body" | undefined
  /** How long a request may take, part by part. */
  readonly timeLimits?: TimeLimits | undefined
  /** Which requests are sent again, when, and how often. Default: none is. */
  readonly retry?: RetryPolicy | undefined
  /** How many requests of a circuit's key may be under way at once. Default: as many as come. */
  readonly concurrency?: ConcurrencyPolicy | undefined
  /**
   * How many requests of a circuit's key may be sent in a time. It is the `RateLimiter` of the program if it provides one,
   * which may be shared between processes, else one of the client's own, in memory. One that fails, or that does not answer
   * within a second, limits nothing. Default: as many as come.
   */
  readonly rateLimit?: RatePolicy | undefined
  /** Circuits for credentials that are refused, see `Credentials`. Default: none. */
  readonly credentials?: CredentialPolicy | undefined
  /** The last good answer, while there is no fresh one, see `StaleAnswer`. Default: none. */
  readonly stale?: StalePolicy | undefined
}

/**
 * Reads a policy from parsed JSON, with the fields of `HttpPolicy` that are data. Durations are text such as
 * `"30 seconds"`, or milliseconds.
 *
 * **Example** (A policy file)
 *
 * ```ts
 * import { HttpPolicy } from "@reclose/http"
 * import { Effect } from "effect"
 *
 * const file = `{
 *   "key": { "routes": ["/users/:id"] },
 *   "timeLimits": { "headers": "2 seconds" },
 *   "retry": { "times": 1 }
 * }`
 *
 * const policy = await Effect.runPromise(HttpPolicy.fromJson(JSON.parse(file)))
 *
 * policy.timeLimits // => { headers: "2 seconds" }
 * ```
 *
 * **Example** (All mistakes at once)
 *
 * ```ts
 * import { HttpPolicy } from "@reclose/http"
 * import { Effect } from "effect"
 *
 * const error = await Effect.runPromise(
 *   Effect.flip(HttpPolicy.fromJson({ timeLimits: { header: "2 seconds" }, retry: { times: -1 } }))
 * )
 *
 * error.issues.map((issue) => issue.field) // => ["timeLimits.header", "retry.times"]
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const fromJson: (json: unknown) => Effect.Effect<HttpPolicy, PolicyError> = Reader.fromJson

/**
 * Reads a policy from the current `ConfigProvider`, with the fields of `HttpPolicy` that are data, below `path`.
 *
 * **Details**
 *
 * With a provider of environment variables behind `ConfigProvider.constantCase`, the time limit of the headers below
 * `http` is `HTTP_TIME_LIMITS_HEADERS`. Nothing below `path` is a policy of defaults.
 *
 * **Example** (From the environment)
 *
 * ```ts
 * import { HttpPolicy } from "@reclose/http"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const provider = ConfigProvider.fromEnv({ env: { HTTP_TIME_LIMITS_HEADERS: "2 seconds", HTTP_RETRY_TIMES: "1" } }).pipe(
 *   ConfigProvider.constantCase
 * )
 *
 * const policy = await HttpPolicy.config("http").pipe(
 *   Effect.provideService(ConfigProvider.ConfigProvider, provider),
 *   Effect.runPromise
 * )
 *
 * policy // => { timeLimits: { headers: "2 seconds" }, retry: { times: 1 } }
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const config: (path: string) => Effect.Effect<HttpPolicy, PolicyError | ConfigProvider.SourceError> =
  Reader.config
