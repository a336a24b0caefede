/** Remembers answers as they are read, and serves the last good one where a request fails. */
import { CircuitOpen } from "@reclose/core/CircuitOpen"
import * as LastGood from "@reclose/core/LastGood"
import type { PolicyError } from "@reclose/core/PolicyError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { SpanNameGenerator, TracerDisabledWhen } from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import { type HttpClientRequest, toUrl } from "effect/http/HttpClientRequest"
import { fromWeb, type HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { fingerprint } from "../Credentials.ts"
import type { Classify } from "../HttpOutcome.ts"
import type { StoredAnswer } from "../StaleAnswer.ts"
import { answerOf, discard } from "./discard.ts"
import { ForwardingResponse } from "./ForwardingResponse.ts"
import { GuardedResponse } from "./GuardedResponse.ts"

/** A policy with every field valid and present, durations in milliseconds. */
export interface ValidStale {
  readonly maxAge: number
  readonly when: "rejected" | "failed"
  readonly maxBytes: number
  readonly maxKeys: number
  readonly vary: ReadonlyArray<string>
  readonly lastGood: LastGood.LastGood<StoredAnswer> | undefined
}

export const defaultVary: ReadonlyArray<string> = [
  "accept",
  "accept-language",
  "authorization",
  "proxy-authorization",
  "cookie",
  "x-api-key",
  "api-key"
]

export type Stale = <E, R>(
  send: Effect.Effect<HttpClientResponse, E, R>,
  request: HttpClientRequest,
  circuit: string | undefined
) => Effect.Effect<HttpClientResponse, E, R>

type Keep = (body: Uint8Array) => Effect.Effect<void>

export const makeStale = (policy: ValidStale, classify: Classify): Effect.Effect<Stale, PolicyError> =>
  Effect.gen(function*() {
    const lastGood = policy.lastGood ?? (yield* LastGood.memory<StoredAnswer>({ maxKeys: policy.maxKeys }))
    const clock = yield* Clock.Clock

    const isFailure = (exit: Exit.Exit<HttpClientResponse, unknown>) =>
      policy.when === "failed" && classify(exit, clock.currentTimeMillisUnsafe())._tag === "Failure"

    /** The last good answer, or else what the request came to. */
    const recall = <E>(
      key: string,
      request: HttpClientRequest,
      circuit: string | undefined,
      otherwise: Exit.Exit<HttpClientResponse, E>
    ): Effect.Effect<HttpClientResponse, E> =>
      Effect.flatMap(lastGood.recall(key), (last) =>
        last === undefined || Duration.toMillis(last.age) > policy.maxAge
          ? otherwise
          : told(request, circuit, last.age, Effect.sync(() => toResponse(request, last))))

    return (send, request, circuit) =>
      !isSafe(request) ?
        send :
        Effect.flatMap(keyOf(request, policy.vary), (key) =>
          key === undefined ? send : Effect.matchEffect(send, {
            onSuccess: (response) => {
              const exit = Exit.succeed(response)
              if (isFailure(exit)) return standIn(recall(key, request, circuit, exit), response)
              if (!isStorable(response, policy.vary)) return exit
              const headers = storedHeaders(response.headers)
              return Effect.succeed(
                new KeptResponse(
                  response,
                  policy.maxBytes,
                  // Asked when the body is read, which may have been judged, too.
                  (body) => speaksAgainst(response) ? Effect.void : lastGood.remember(key, { headers, body })
                )
              )
            },
            onFailure: (error) => {
              const exit = Exit.fail(error)
              return error instanceof CircuitOpen || isFailure(exit)
                ? standIn(recall(key, request, circuit, exit), answerOf(error))
                : exit
            }
          }))
  })

/**
 * Frees the connection of an answer that another one stands in for, or that nobody waits for any more: beside the caller,
 * who has one or is gone. It ends by itself.
 */
const standIn = <E>(
  recalled: Effect.Effect<HttpClientResponse, E>,
  unwanted: HttpClientResponse | undefined
): Effect.Effect<HttpClientResponse, E> => {
  if (unwanted === undefined) return recalled
  const free = Effect.asVoid(Effect.forkDetach(discard(unwanted)))
  return Effect.tap(
    Effect.onInterrupt(recalled, () => free),
    (served) => served === unwanted ? Effect.void : free
  )
}

/** A response whose body is remembered when it has been read to its end. */
class KeptResponse extends ForwardingResponse {
  private readonly maxBytes: number
  private readonly keep: Keep
  /** A body is there once: who streams it after somebody else did, or after that one went, may be told that it is empty. */
  private body: "unread" | "whole" | "gone" = "unread"

  constructor(original: HttpClientResponse, maxBytes: number, keep: Keep) {
    super(original)
    this.maxBytes = maxBytes
    this.keep = keep
  }

  protected whole<A>(read: Effect.Effect<A, HttpClientError>): Effect.Effect<A, HttpClientError> {
    // Clients keep a body that was read at once. If one doesn't, there is nothing to be remembered.
    const kept = Effect.flatMap(
      this.original.arrayBuffer,
      (buffer) => buffer.byteLength > this.maxBytes ? Effect.void : this.keep(new Uint8Array(buffer))
    )
    return Effect.suspend(() => {
      if (this.body === "gone") return read
      this.body = "whole"
      const gone = Effect.sync(() => void (this.body = "gone"))
      return Effect.tap(Effect.onInterrupt(read, () => gone), Effect.exit(kept))
    })
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError> {
    return Stream.suspend(() => {
      const isFirst = this.body === "unread"
      this.body = "gone"
      if (!isFirst) return this.original.stream
      const chunks: Array<Uint8Array> = []
      let length = 0
      const noted = Stream.tap(this.original.stream, (chunk) =>
        Effect.sync(() => {
          length += chunk.length
          if (length <= this.maxBytes) chunks.push(chunk)
          else chunks.length = 0
        }))
      return Stream.concat(
        noted,
        Stream.fromEffectDrain(
          Effect.suspend(() => length > this.maxBytes ? Effect.void : this.keep(joined(chunks, length)))
        )
      )
    })
  }
}

/** Whether an answer was judged to be a failure, and so is no good one. */
const speaksAgainst = (response: HttpClientResponse): boolean =>
  response instanceof GuardedResponse && response.isFailure

const joined = (chunks: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  const body = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk, at)
    at += chunk.length
  }
  return body
}

const directives = (value: string | undefined): ReadonlyArray<string> =>
  (value ?? "").split(",").map((directive) => directive.trim().toLowerCase())

/** A question with a body is another one for each body, which may be a stream. */
const isSafe = ({ body, headers, method }: HttpClientRequest): boolean =>
  (method === "GET" || method === "HEAD") && body._tag === "Empty" &&
  !directives(headers["cache-control"]).includes("no-store")

const isStorable = ({ headers, status }: HttpClientResponse, vary: ReadonlyArray<string>): boolean =>
  status === 200 && !directives(headers["cache-control"]).includes("no-store") &&
  // Bodies come decoded, whatever they were encoded as.
  directives(headers["vary"]).every((name) => name === "" || name === "accept-encoding" || vary.includes(name))

/** All that makes a difference to an answer. */
const keyOf = (request: HttpClientRequest, vary: ReadonlyArray<string>): Effect.Effect<string | undefined> => {
  const url = Option.getOrUndefined(toUrl(request))
  if (url === undefined) return Effect.succeed(undefined)
  const parts = [request.method, url.href, ...vary.map((name) => request.headers[name] ?? null)]
  // All of the hash: whoever could make two requests collide would read what another one was answered.
  return Effect.map(fingerprint(JSON.stringify(parts), 32), (hash) => `${url.origin}/${hash}`)
}

/** Headers of the connection, of an encoding that is undone, and what is meant for one recipient at one time. */
const passing = new Set([
  "age",
  "connection",
  "content-encoding",
  "content-length",
  "keep-alive",
  "set-cookie",
  "transfer-encoding",
  "reclose-stale"
])

const storedHeaders = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries([
    ...Object.entries(headers).filter(([name]) => !passing.has(name)),
    // What it was old before it came.
    ...(headers["age"] === undefined ? [] : [["age", headers["age"]]])
  ])

const toResponse = (
  request: HttpClientRequest,
  { age, value }: LastGood.Remembered<StoredAnswer>
): HttpClientResponse => {
  const seconds = Math.floor(Duration.toSeconds(age))
  const before = Number(value.headers["age"] ?? 0)
  return fromWeb(
    request,
    // A copy, which nobody else can change. Its buffer is no shared one.
    new Response(request.method === "HEAD" ? null : new Uint8Array(value.body), {
      headers: {
        ...value.headers,
        age: String(seconds + (Number.isFinite(before) ? before : 0)),
        "reclose-stale": String(seconds)
      }
    })
  )
}

const told = <A>(
  request: HttpClientRequest,
  circuit: string | undefined,
  age: Duration.Duration,
  served: Effect.Effect<A>
): Effect.Effect<A> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Context.get(context, TracerDisabledWhen)(request) ?
      served :
      Effect.withSpan(served, Context.get(context, SpanNameGenerator)(request), {
        attributes: {
          "http.request.method": request.method,
          ...(circuit === undefined ? {} : { "circuit.key": circuit }),
          "circuit.decision": "stale",
          "circuit.stale_seconds": Math.floor(Duration.toSeconds(age))
        },
        captureStackTrace: false
      })
  )
