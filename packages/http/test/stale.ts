/** What the tests of stale responses share. */
import { CircuitBreaker } from "@reclose/core"
import { GuardedHttpClient } from "@reclose/http"
import { Effect } from "effect"
import { HttpClientRequest } from "effect/http"
import { type Answer, status, type Upstream } from "./Upstream.ts"

export const policy = { stale: { maxAge: "10 minutes" } } as const

export const get = (url: string, headers: Record<string, string> = {}) =>
  HttpClientRequest.get(url).pipe(HttpClientRequest.setHeaders(headers))

export const send = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(GuardedHttpClient, (client) => client.execute(request))

const textOf = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(send(request), (response) => response.text)

/** The text that a request comes to, or what it fails with. */
export const endOf = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.catch(textOf(request), ({ _tag }) => Effect.succeed(_tag))

const originOf = (upstream: Upstream) => new URL(upstream.url("/")).origin

export const trip = (upstream: Upstream) =>
  Effect.flatMap(CircuitBreaker, ({ forceOpen }) => forceOpen(originOf(upstream)))

export const mend = (upstream: Upstream) => Effect.flatMap(CircuitBreaker, ({ release }) => release(originOf(upstream)))

export const ok = (body: string, headers: Record<string, string | Array<string>> = {}): Answer =>
  status(200, headers, body)

/** Sends a request once, and again while the circuit is open: the second end. */
export const again = (upstream: Upstream, first: HttpClientRequest.HttpClientRequest, second = first) =>
  Effect.gen(function*() {
    yield* endOf(first)
    yield* trip(upstream)
    return yield* endOf(second)
  })
