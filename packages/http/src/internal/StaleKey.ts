/** What makes a difference to an answer, and what never does. */
import * as Effect from "effect/Effect"
import { type HttpClientRequest, toUrl } from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import { fingerprint } from "./fingerprint.ts"

/**
 * Headers that tell requests apart and not their answers. All others count: a header that is not known may hold a credential
 * or name a tenant.
 */
export const harmlessHeaders: ReadonlyArray<string> = [
  // The trace that a request belongs to.
  "traceparent",
  "tracestate",
  "b3",
  "x-b3-traceid",
  "x-b3-spanid",
  "x-b3-parentspanid",
  "x-b3-sampled",
  "x-b3-flags",
  "x-amzn-trace-id",
  "x-cloud-trace-context",
  "x-datadog-trace-id",
  "x-datadog-parent-id",
  "x-datadog-sampling-priority",
  "uber-trace-id",
  "sentry-trace",
  // The request itself.
  "request-id",
  "x-request-id",
  "correlation-id",
  "x-correlation-id",
  "x-ms-client-request-id",
  "amz-sdk-invocation-id",
  "amz-sdk-request",
  "date",
  // What caches on the way may answer, and what the caller has already.
  "cache-control",
  "pragma",
  "if-none-match",
  "if-modified-since",
  // The connection.
  "connection",
  "keep-alive",
  "content-length",
  "te"
]

/** What an answer belongs to. */
export interface StaleKey {
  /** A hash of all that makes a difference. */
  readonly key: string
  /** What its resource is called, without the fragment, which is never sent. */
  readonly resource: string
}

/** Returns the resource of a request; `undefined` for a URL that can't be sent. */
export const resourceOf = (request: HttpClientRequest): string | undefined => {
  const url = Option.getOrUndefined(toUrl(request))
  if (url === undefined) return undefined
  url.hash = ""
  return url.href
}

export const staleKey = (
  request: HttpClientRequest,
  ignored: ReadonlySet<string>,
  salt: string
): Effect.Effect<StaleKey | undefined> => {
  const resource = resourceOf(request)
  if (resource === undefined) return Effect.succeed(undefined)
  const headers = Object.entries(request.headers)
    .filter(([name]) => !ignored.has(name))
    .sort(([one], [other]) => one < other ? -1 : 1)
  const text = JSON.stringify([request.method, resource, headers])
  return Effect.map(
    // All of the hash: a caller that could make two requests collide would read another caller's answer.
    fingerprint(text, 32, salt),
    (hash) => ({ key: `${new URL(resource).origin}/${hash}`, resource })
  )
}
