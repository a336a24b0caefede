/**
 * Requests on a schedule, sent with a breaker or without one, and how each of them ended for its caller.
 */
import { CircuitBreaker, Outcome, withBreaker } from "@reclose/core"
import { Chunk, type Duration, Effect, Exit, FiberSet, Predicate, Ref } from "effect"
import { HttpClient, type HttpClientError, type HttpClientRequest } from "effect/http"
import type { Stopwatch } from "./Stopwatch.ts"

export interface Request {
  /** The circuit that guards it. */
  readonly key: string
  /** When it is sent, in milliseconds from the start of the run. */
  readonly at: number
  readonly http: HttpClientRequest.HttpClientRequest
}

/**
 * How a call ended for its caller: with an answer, with one that says that the request was wrong (4xx), with none that
 * helps, or turned away by an open circuit.
 */
export type End =
  | { readonly _tag: "Answered" }
  | { readonly _tag: "Refused" }
  | { readonly _tag: "Failed"; readonly why: string }
  | { readonly _tag: "Rejected" }

/** A call that is over. Times are in milliseconds from the start of the run. */
export interface Call {
  readonly key: string
  readonly from: number
  readonly to: number
  readonly end: End
}

/** The calls that are over, in the order in which they ended. */
export type Journal = Ref.Ref<Chunk.Chunk<Call>>

export const makeJournal: Effect.Effect<Journal> = Ref.make(Chunk.empty())

/** Sends one request and reads how it went. */
export type Send = (request: Request) => Effect.Effect<End>

/** The status is all the demo wants to know, but the call is over only when the body has arrived. */
const exchange = (http: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(HttpClient.execute(http), (response) => Effect.as(response.arrayBuffer, response.status))

/** A 5xx speaks against the upstream as much as no answer at all; a 4xx speaks against the request. */
export const classify = (exit: Exit.Exit<number, unknown>): Outcome.Outcome => {
  if (Exit.isSuccess(exit) && exit.value >= 500) return Outcome.failure()
  if (Exit.isSuccess(exit) && exit.value >= 400) return Outcome.ignored
  return Outcome.fromExit(exit)
}

const endOf = (status: number): End =>
  status >= 500
    ? { _tag: "Failed", why: `answered ${status}` }
    : { _tag: status >= 400 ? "Refused" : "Answered" }

const whyOf = ({ message, reason }: HttpClientError.HttpClientError): string => {
  const cause = "cause" in reason ? reason.cause : undefined
  return Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : message
}

const timedOut: End = { _tag: "Failed", why: "no answer in time" }

/** Sends requests as they are. */
export const unguarded = Effect.fnUntraced(function*(timeout: Duration.Duration): Effect.fn.Return<
  Send,
  never,
  HttpClient.HttpClient
> {
  const client = yield* HttpClient.HttpClient
  return ({ http }) =>
    exchange(http).pipe(
      Effect.timeout(timeout),
      Effect.map(endOf),
      Effect.catchTag("TimeoutError", () => Effect.succeed(timedOut)),
      Effect.catchTag("HttpClientError", (error) => Effect.succeed<End>({ _tag: "Failed", why: whyOf(error) })),
      Effect.provideService(HttpClient.HttpClient, client)
    )
})

/** The same with one line more: `withBreaker`, around the timeout, so that a hanging upstream counts as a failing one. */
export const guarded = Effect.fnUntraced(function*(timeout: Duration.Duration): Effect.fn.Return<
  Send,
  never,
  HttpClient.HttpClient | CircuitBreaker
> {
  const client = yield* HttpClient.HttpClient
  const breaker = yield* CircuitBreaker
  return ({ http, key }) =>
    exchange(http).pipe(
      Effect.timeout(timeout),
      withBreaker({ key, classify }),
      Effect.map(endOf),
      Effect.catchTag("CircuitOpen", () => Effect.succeed<End>({ _tag: "Rejected" })),
      Effect.catchTag("TimeoutError", () => Effect.succeed(timedOut)),
      Effect.catchTag("HttpClientError", (error) => Effect.succeed<End>({ _tag: "Failed", why: whyOf(error) })),
      Effect.provideService(HttpClient.HttpClient, client),
      Effect.provideService(CircuitBreaker, breaker)
    )
})

/**
 * Sends every request at its time, however the ones before it fare: callers in the real world don't wait for each other
 * either. Ends when the last call has.
 */
export const run = Effect.fnUntraced(function*(options: {
  /** In the order of their times. */
  readonly requests: ReadonlyArray<Request>
  readonly send: Send
  readonly stopwatch: Stopwatch
  readonly journal: Journal
}) {
  const { journal, requests, send, stopwatch } = options
  const call = Effect.fnUntraced(function*(request: Request) {
    const from = yield* stopwatch.elapsed
    const end = yield* send(request)
    const to = yield* stopwatch.elapsed
    yield* Ref.update(journal, Chunk.append<Call>({ key: request.key, from, to, end }))
  })
  const calls = yield* FiberSet.make<void>()
  for (const request of requests) {
    yield* stopwatch.until(request.at)
    yield* FiberSet.run(calls, call(request))
  }
  yield* FiberSet.awaitEmpty(calls)
}, Effect.scoped)
