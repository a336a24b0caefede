/**
 * What the end of a request means for the dependency.
 *
 * **Details**
 *
 * | end of the request | outcome |
 * | --- | --- |
 * | 1xx, 2xx, 3xx | `Success` |
 * | 408 | `Failure` |
 * | 429 | `SoftFailure`, with its `Retry-After` |
 * | any other 4xx | `Ignored`: the request was wrong, which says nothing about the dependency |
 * | 5xx, and a status that is none | `Failure`, with its `Retry-After` |
 * | no connection, reset, broken or truncated answer | `Failure` |
 * | time limit | `Failure` |
 * | URL or body of the request that can't be sent | `Ignored` |
 * | answer that can't be decoded although it is whole, or is longer than its reader takes | `Ignored` |
 * | interruption | `Ignored` |
 * | defect, and an error of another kind | `Failure` |
 *
 * `classifier` says otherwise for some of them.
 *
 * @since 0.1.0
 */
import * as Outcome from "@reclose/core/Outcome"
import * as Cause from "effect/Cause"
import type * as Exit from "effect/Exit"
import { type HttpClientError, isHttpClientError } from "effect/http/HttpClientError"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Predicate from "effect/Predicate"
import * as RetryAfter from "./RetryAfter.ts"
import { TimeLimitExceeded } from "./TimeLimits.ts"

/**
 * The outcome of a kind of end, by name. A `SoftFailure` is a failure for rules that read a rate, and none in a row.
 *
 * @category models
 * @since 0.1.0
 */
export type OutcomeName = "Success" | "Failure" | "SoftFailure" | "Ignored"

/**
 * Judges the end of a request: the response, or the error, at `now`, in milliseconds since 1970.
 *
 * **Details**
 *
 * A response is judged when its headers are there. If it is a `Success` whose body is still to come, the end of the body
 * is judged, too: a body that breaks off comes here as the error of its reader.
 *
 * **Gotchas**
 *
 * Leave the response's body alone: it belongs to the caller. `classifyBody` of `HttpPolicy` looks at bodies.
 *
 * @category models
 * @since 0.1.0
 */
export type Classify = (exit: Exit.Exit<HttpClientResponse, unknown>, now: number) => Outcome.Outcome

/**
 * What differs from the table of this module.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** By status, `"404"`, or class of status, `"4xx"`. A status says more than its class. */
  readonly statuses?: Readonly<Record<string, OutcomeName>> | undefined
  /** A request that got no answer, or a broken one. Default `Failure`. */
  readonly transport?: OutcomeName | undefined
  /** A request that took longer than its time limits, or than an `Effect.timeout` inside. Default `Failure`. */
  readonly timeLimit?: OutcomeName | undefined
}

/**
 * Builds a classifier: the table of this module, and what differs from it.
 *
 * **Example** (A 404 is a healthy answer, a 503 no outage)
 *
 * ```ts
 * import { HttpOutcome } from "@reclose/http"
 * import { Exit } from "effect"
 * import { HttpClientRequest, HttpClientResponse } from "effect/http"
 *
 * const classify = HttpOutcome.classifier({ statuses: { "404": "Success", "503": "Ignored" } })
 * const answer = (status: number) =>
 *   Exit.succeed(HttpClientResponse.fromWeb(HttpClientRequest.get("https://api.example"), new Response(null, { status })))
 *
 * classify(answer(404), 0)._tag // => "Success"
 * classify(answer(503), 0)._tag // => "Ignored"
 * classify(answer(500), 0)._tag // => "Failure"
 * ```
 *
 * @category classifiers
 * @since 0.1.0
 */
export const classifier = (options?: Options): Classify => {
  const { statuses = {}, timeLimit = "Failure", transport = "Failure" } = options ?? {}

  const ofResponse = (response: HttpClientResponse, now: number): Outcome.Outcome => {
    const { status } = response
    const name = statuses[status] ?? statuses[`${Math.floor(status / 100)}xx`] ?? ofStatus(status)
    switch (name) {
      case "Success":
        return Outcome.success
      case "Ignored":
        return Outcome.ignored
      default:
        return failed(response, now, name === "SoftFailure")
    }
  }

  const ofError = (error: unknown, now: number): Outcome.Outcome | undefined => {
    if (error instanceof TimeLimitExceeded || Cause.isTimeoutError(error)) return plain(timeLimit)
    if (!isHttpClientError(error)) return undefined
    const { reason } = error
    switch (reason._tag) {
      case "TransportError":
        return plain(transport)
      case "StatusCodeError":
        return ofResponse(reason.response, now)
      case "DecodeError":
        if (reason.cause instanceof TimeLimitExceeded) return plain(timeLimit)
        return isOfReader(error) ? Outcome.ignored : plain(transport)
      default:
        return Outcome.ignored
    }
  }

  return (exit, now) => {
    if (exit._tag === "Success") return ofResponse(exit.value, now)
    const reason = exit.cause.reasons.find(Cause.isFailReason)
    return (reason === undefined ? undefined : ofError(reason.error, now)) ?? Outcome.fromExit(exit)
  }
}

/**
 * The table of this module.
 *
 * @category classifiers
 * @since 0.1.0
 */
export const classify: Classify = classifier()

/**
 * Returns what a response says about the credential of its request. Statuses that refuse it are failures; a response that
 * says "not now" says nothing about it.
 *
 * @internal
 */
export const ofCredential = (
  response: HttpClientResponse,
  refusing: ReadonlySet<number>,
  now: number
): Outcome.Outcome => {
  const { status } = response
  if (refusing.has(status)) return failed(response, now, false)
  return status >= 500 || status === 408 || status === 429 ? Outcome.ignored : Outcome.success
}

/** A failure that asks for as much time as its response does. */
const failed = (response: HttpClientResponse, now: number, soft: boolean): Outcome.Outcome =>
  Outcome.failure({ retryAfter: RetryAfter.fromResponse(response, now), soft })

const ofStatus = (status: number): OutcomeName => {
  if (status >= 100 && status < 400) return "Success"
  if (status === 429) return "SoftFailure"
  return status >= 400 && status < 500 && status !== 408 ? "Ignored" : "Failure"
}

const plain = (name: OutcomeName): Outcome.Outcome =>
  name === "Success"
    ? Outcome.success
    : name === "Ignored"
    ? Outcome.ignored
    : Outcome.failure({ soft: name === "SoftFailure" })

/**
 * Whether a body could not be read for a reason of its reader's: it arrived, and could not be decoded, or it was more than
 * the reader takes. Parsers complain with a `SyntaxError`, and nothing else that ends a body does.
 *
 * @internal
 */
export const isOfReader = ({ reason }: HttpClientError): boolean => {
  if (reason._tag !== "DecodeError") return reason._tag === "EmptyBodyError"
  const { cause } = reason
  // What platforms fail with beyond `HttpIncomingMessage.MaxBodySize`, known by its tag: it is of no one platform.
  return cause instanceof SyntaxError || Predicate.isTagged(cause, "MaxBytesError")
}
