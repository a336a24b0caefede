/** Keeps answers as they are read, and serves the last good one where a request fails. */
import { CircuitOpen } from "@reclose/core/CircuitOpen"
import * as LastGood from "@reclose/core/LastGood"
import type { PolicyError } from "@reclose/core/PolicyError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { SpanNameGenerator, TracerDisabledWhen } from "effect/http/HttpClient"
import { type HttpClientRequest, setMethod } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import type { Classify } from "../HttpOutcome.ts"
import type { StoredAnswer } from "../StaleAnswer.ts"
import { isDecoded } from "./contentCoding.ts"
import { answerOf, discard } from "./discard.ts"
import { processSalt } from "./fingerprint.ts"
import { sourceOf } from "./ForwardingResponse.ts"
import { GuardedResponse } from "./GuardedResponse.ts"
import { guardError } from "./GuardError.ts"
import { Invalidations } from "./Invalidations.ts"
import { KeptResponse } from "./KeptResponse.ts"
import { resourceOf, type StaleKey, staleKey } from "./StaleKey.ts"
import { isMarkedStale } from "./staleMark.ts"
import {
  directives,
  isFinal,
  isRefusal,
  isStorable,
  type StoragePolicy,
  storedHeaders,
  toResponse
} from "./StoredResponse.ts"

/** A policy with every field valid and present, durations in milliseconds. */
export interface ValidStale extends StoragePolicy {
  readonly maxAge: number
  readonly when: "rejected" | "failed"
  readonly maxBytes: number
  readonly maxKeys: number
  readonly lastGood: LastGood.LastGood<StoredAnswer> | undefined
  readonly salt: string | undefined
}

export type Stale = <E, R>(
  send: Effect.Effect<HttpClientResponse, E, R>,
  request: HttpClientRequest,
  circuit: string | undefined
) => Effect.Effect<HttpClientResponse, E, R>

const nothing = new Uint8Array()

/** How many resources and keys are noted whose answers were taken back, at least. */
const maxNotes = 10_000

export const makeStale = (policy: ValidStale, classify: Classify): Effect.Effect<Stale, PolicyError> =>
  Effect.gen(function*() {
    const lastGood = policy.lastGood ?? (yield* LastGood.memory<StoredAnswer>({ maxKeys: policy.maxKeys }))
    // Answers that outlive this process have to be found by the next one.
    const salt = policy.salt ?? (policy.lastGood === undefined ? processSalt() : "")
    const clock = yield* Clock.Clock
    const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
    /** In which order answers were taken back, for responses that are under way meanwhile. */
    const order = new Invalidations(maxNotes)
    const written = new Invalidations(Math.max(policy.maxKeys, maxNotes))
    /** Resources with answers in memory: as many as there are answers, at most. A store may hold answers of any. */
    const kept = policy.lastGood === undefined ? new Set<string>() : undefined

    const isFailure = (exit: Exit.Exit<HttpClientResponse, unknown>) =>
      policy.when === "failed" && classify(exit, clock.currentTimeMillisUnsafe())._tag === "Failure"

    const forget = ({ key }: StaleKey): Effect.Effect<void> =>
      Effect.suspend(() => {
        order.add(key, now())
        return reported(lastGood.forget(key), undefined)
      })

    /** What is refused to a GET is refused to a HEAD, and the other way round. */
    const forgetRefused = (stale: StaleKey, request: HttpClientRequest): Effect.Effect<void> => {
      const other = setMethod(request, request.method === "GET" ? "HEAD" : "GET")
      return Effect.andThen(
        forget(stale),
        Effect.flatMap(
          staleKey(other, policy.ignored, salt),
          (stale) => stale === undefined ? Effect.void : forget(stale)
        )
      )
    }

    /** Keeps an answer, unless it was judged a failure, or a later response has taken its place. */
    const remember = (
      { key, resource }: StaleKey,
      response: HttpClientResponse,
      sentAt: number,
      answer: () => StoredAnswer
    ): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (speaksAgainst(response) || order.isAfter(key, sentAt) || order.isAfter(resource, sentAt)) return Effect.void
        // A response that was sent before this one, and is read later, is older.
        order.add(key, now(), sentAt)
        if (kept !== undefined) {
          // In the order of the answers, so that a resource is dropped after them.
          kept.delete(resource)
          kept.add(resource)
          const [oldest] = kept
          if (kept.size > policy.maxKeys && oldest !== undefined) kept.delete(oldest)
        }
        return reported(lastGood.remember(key, answer()), undefined)
      })

    const keep = (stale: StaleKey, response: HttpClientResponse, sentAt: number): Effect.Effect<HttpClientResponse> => {
      if (response.request.method === "HEAD") {
        const answer = () => ({ headers: storedHeaders(response.headers, undefined, false), body: nothing })
        return Effect.as(remember(stale, response, sentAt, answer), response)
      }
      return Effect.succeed(
        new KeptResponse(response, policy.maxBytes, (body) =>
          // Asked when the body is read, which may have been judged, too.
          remember(stale, response, sentAt, () => ({
            headers: storedHeaders(response.headers, body, isDecoded(sourceOf(response), body)),
            body
          })))
      )
    }

    /** The stale response, if the answer may still be served. Throws where a `LastGood` answers what is none. */
    const served = (
      resource: string,
      request: HttpClientRequest,
      { age, value }: LastGood.Remembered<StoredAnswer>
    ): { readonly age: Duration.Duration; readonly response: HttpClientResponse } | undefined => {
      const millis = Duration.toMillis(age)
      // Also what is no number.
      if (!(millis <= policy.maxAge) || written.covers(resource, now() - millis)) return undefined
      const body: unknown = value.body
      if (!(body instanceof Uint8Array) || body.byteLength > policy.maxBytes) {
        throw new TypeError(`the body of a stored answer must be a Uint8Array of at most ${policy.maxBytes} bytes`)
      }
      return { age, response: toResponse(request, value, age) }
    }

    /** The last good answer, or else what the request came to. */
    const recall = <E>(
      { key, resource }: StaleKey,
      request: HttpClientRequest,
      circuit: string | undefined,
      otherwise: Exit.Exit<HttpClientResponse, E>
    ): Effect.Effect<HttpClientResponse, E> =>
      Effect.flatMap(
        reported(
          Effect.map(lastGood.recall(key), (last) => last && served(resource, request, last)),
          undefined
        ),
        (stale) => stale === undefined ? otherwise : spanned(request, circuit, stale.age, stale.response)
      )

    /** Replaces what was known by what a response says; `undefined` where it says nothing about that. */
    const learned = (
      stale: StaleKey,
      request: HttpClientRequest,
      response: HttpClientResponse,
      sentAt: number
    ): Effect.Effect<HttpClientResponse> | undefined => {
      if (isRefusal(response.status)) return Effect.as(forgetRefused(stale, request), response)
      if (isMarkedStale(response) || speaksAgainst(response) || !isFinal(response.status)) return undefined
      return isStorable(response, request, policy)
        ? keep(stale, response, sentAt)
        : Effect.as(forget(stale), response)
    }

    const sendKeeping = <E, R>(
      send: Effect.Effect<HttpClientResponse, E, R>,
      request: HttpClientRequest,
      circuit: string | undefined,
      stale: StaleKey
    ): Effect.Effect<HttpClientResponse, E, R> =>
      Effect.suspend(() => {
        const sentAt = order.next()
        return Effect.matchEffect(send, {
          onSuccess: (response) => {
            const exit = Exit.succeed(response)
            // A refusal is no failure to get over, whatever it counts as.
            if (!isRefusal(response.status) && isFailure(exit)) {
              return standIn(recall(stale, request, circuit, exit), response)
            }
            return learned(stale, request, response, sentAt) ?? exit
          },
          onFailure: (error) => {
            const exit = Exit.fail(error)
            const answer = answerOf(error)
            if (answer !== undefined && isRefusal(answer.status)) {
              return Effect.andThen(forgetRefused(stale, request), exit)
            }
            const raised = guardError(error)
            if (raised instanceof CircuitOpen) {
              return isOfCredential(raised, circuit) ? exit : recall(stale, request, circuit, exit)
            }
            return isFailure(exit) ? standIn(recall(stale, request, circuit, exit), answer) : exit
          }
        })
      })

    /** A write changes what its resource answers, for every caller. */
    const sendInvalidating = <E, R>(
      send: Effect.Effect<HttpClientResponse, E, R>,
      resource: string
    ): Effect.Effect<HttpClientResponse, E, R> =>
      Effect.tap(send, ({ status }) =>
        Effect.sync(() => {
          if (status < 200 || status >= 400) return
          order.add(resource, now())
          // Notes of what has no answer would crowd out those of what has.
          if (kept?.has(resource) !== false) written.add(resource, now())
        }))

    return (send, request, circuit) => {
      if (!safeMethods.has(request.method)) {
        const resource = resourceOf(request)
        return resource === undefined ? send : sendInvalidating(send, resource)
      }
      return !isCandidate(request) ? send : Effect.flatMap(
        staleKey(request, policy.ignored, salt),
        (stale) => stale === undefined ? send : sendKeeping(send, request, circuit, stale)
      )
    }
  })

/** What a `LastGood` of the program does wrong fails no request. */
const reported = <A, B>(effect: Effect.Effect<A>, otherwise: B): Effect.Effect<A | B> =>
  Effect.catchDefect(
    effect,
    (defect) =>
      Effect.as(
        Effect.logWarning("stale.lastGood threw or holds no answer, and the request goes on without it", defect),
        otherwise
      )
  )

/**
 * Whether it was the circuit of the credential that rejected a request. The dependency is well, then, and has refused this
 * caller.
 */
const isOfCredential = ({ key }: CircuitOpen, circuit: string | undefined): boolean =>
  key !== circuit && key.startsWith("credential:")

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

/** Whether an answer was judged to be a failure, and so is no good one. */
const speaksAgainst = (response: HttpClientResponse): boolean =>
  response instanceof GuardedResponse && response.isFailure

const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "QUERY"])

/** A question with a body is another one for each body, which may be a stream. */
const isCandidate = ({ body, headers, method }: HttpClientRequest): boolean =>
  (method === "GET" || method === "HEAD") && body._tag === "Empty" &&
  !directives(headers["cache-control"]).includes("no-store")

const spanned = (
  request: HttpClientRequest,
  circuit: string | undefined,
  age: Duration.Duration,
  response: HttpClientResponse
): Effect.Effect<HttpClientResponse> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Context.get(context, TracerDisabledWhen)(request) ?
      Effect.succeed(response) :
      Effect.withSpan(Effect.succeed(response), Context.get(context, SpanNameGenerator)(request), {
        attributes: {
          "http.request.method": request.method,
          ...(circuit === undefined ? {} : { "circuit.key": circuit }),
          "circuit.decision": "stale",
          "circuit.stale_seconds": Math.floor(Duration.toSeconds(age))
        },
        captureStackTrace: false
      })
  )
