/**
 * How requests are guarded: one value for all of it.
 *
 * @since 0.1.0
 */
import type * as Outcome from "@reclose/core/Outcome"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import type { CircuitKey } from "./CircuitKey.ts"
import type * as HttpOutcome from "./HttpOutcome.ts"
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
   * than a trial may take (`halfOpen.maxDuration`). Default `"body"`.
   */
  readonly settleOn?: "headers" | "body" | undefined
  /** How long a request may take, part by part. */
  readonly timeLimits?: TimeLimits | undefined
}
