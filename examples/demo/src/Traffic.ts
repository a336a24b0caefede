/**
 * Requests on a schedule, sent with a breaker or without one, and how each of them ended for its caller.
 */
import { type CircuitBreaker, type CircuitOpen, Outcome, withBreaker } from "@reclose/core"
import { type Cause, Chunk, type Duration, Effect, Exit, FiberSet, Predicate, Ref } from "effect"
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
export type Send<R> = (request: Request) => Effect.Effect<End, never, R>

/** The status is all the demo wants to know, but the call is over only when the body has arrived. */
const exchange = ({ http }: Request, timeout: Duration.Duration) =>
  HttpClient.execute(http).pipe(
    Effect.flatMap((response) => Effect.as(response.arrayBuffer, response.status)),
    Effect.timeout(timeout)
  )

/** Sends requests as they are. */
export const unguarded = (timeout: Duration.Duration): Send<HttpClient.HttpClient> => (request) =>
  read(exchange(request, timeout))

/** Sends them through their circuit. The timeout is inside: an upstream that hangs counts as one that fails. */
export const guarded = (timeout: Duration.Duration): Send<HttpClient.HttpClient | CircuitBreaker> => (request) =>
  read(withBreaker(exchange(request, timeout), { key: request.key, classify }))

/** A 5xx speaks against the upstream as much as no answer at all; a 4xx speaks against the request. */
export const classify = (exit: Exit.Exit<number, unknown>): Outcome.Outcome => {
  if (Exit.isSuccess(exit) && exit.value >= 500) return Outcome.failure()
  if (Exit.isSuccess(exit) && exit.value >= 400) return Outcome.ignored
  return Outcome.fromExit(exit)
}

type Problem = HttpClientError.HttpClientError | Cause.TimeoutError | CircuitOpen

const read = <R>(call: Effect.Effect<number, Problem, R>): Effect.Effect<End, never, R> =>
  Effect.match(call, { onSuccess: endOfStatus, onFailure: endOfProblem })

const endOfStatus = (status: number): End =>
  status >= 500
    ? { _tag: "Failed", why: `answered ${status}` }
    : { _tag: status >= 400 ? "Refused" : "Answered" }

const endOfProblem = (problem: Problem): End => {
  switch (problem._tag) {
    case "CircuitOpen":
      return { _tag: "Rejected" }
    case "TimeoutError":
      return { _tag: "Failed", why: "no answer in time" }
    case "HttpClientError":
      return { _tag: "Failed", why: whyOf(problem) }
  }
}

/** The system's code for what went wrong with a connection, such as ECONNREFUSED, says most in least. */
const whyOf = ({ message, reason }: HttpClientError.HttpClientError): string => {
  const cause = "cause" in reason ? reason.cause : undefined
  return Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : message
}

/**
 * Sends every request at its time, however the ones before it fare: callers in the real world don't wait for each other
 * either. Ends when the last call has.
 */
export const run = Effect.fnUntraced(function*<R>(options: {
  /** In the order of their times. */
  readonly requests: ReadonlyArray<Request>
  readonly send: Send<R>
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
