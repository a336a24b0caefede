/** Sends a request as a call, on a fiber of its own. */
import { CircuitOpen } from "@reclose/core/CircuitOpen"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { SpanNameGenerator, TracerDisabledWhen } from "effect/http/HttpClient"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { Throttled } from "../Throttled.ts"
import type { TimeLimitExceeded } from "../TimeLimits.ts"
import { Call, type Calls } from "./Call.ts"

/** Admits a call under a key, or fails without making it. */
export type Admit = <E, R>(
  sent: Effect.Effect<HttpClientResponse, E, R>,
  call: Call,
  key: string,
  request: HttpClientRequest
) => Effect.Effect<HttpClientResponse, E | CircuitOpen | Throttled, R>

export type Failed<E> = E | CircuitOpen | Throttled | TimeLimitExceeded

/** Runs a request as a call, with its limits. It is admitted under a key, if it has one. */
export const guard = <E, R>(
  calls: Calls,
  admit: Admit,
  key: string | undefined,
  send: Effect.Effect<HttpClientResponse, E, R>,
  request: HttpClientRequest
): Effect.Effect<HttpClientResponse, Failed<E>, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.callback<HttpClientResponse, Failed<E>>((resume) => {
      const call = new Call(calls, request)
      const sent = call.run(send, resume)
      const fiber = key === undefined
        ? Effect.runForkWith(context)(sent, { uninterruptible: true })
        : Effect.runForkWith(annotated(context, key))(admit(sent, call, key, request), { uninterruptible: true })
      call.start(fiber)
      // If the response was handed over before, nobody listens.
      fiber.addObserver((exit) => resume(exit._tag === "Failure" ? rejected(exit.cause, context, request) : exit))
      return Fiber.interrupt(fiber)
    })
  )

/** Effect's own tracer, whose spans nobody sees. */
const untraced = Context.get(Context.empty(), Tracer.Tracer)

/** What is spanned and logged on behalf of the call names its circuit. */
const annotated = <R>(context: Context.Context<R>, key: string): Context.Context<R> => {
  const attributes = { "circuit.key": key, "circuit.decision": "admitted" }
  const logged = Context.add(context, References.CurrentLogAnnotations, {
    ...Context.get(context, References.CurrentLogAnnotations),
    ...attributes
  })
  return Context.get(context, Tracer.Tracer) === untraced ?
    logged :
    Context.add(logged, References.TracerSpanAnnotations, {
      ...Context.get(context, References.TracerSpanAnnotations),
      ...attributes
    })
}

/** A request that was not sent has a span that says so, in the place of the one that its client would have drawn. */
const rejected = <E, R>(
  cause: Cause.Cause<E>,
  context: Context.Context<R>,
  request: HttpClientRequest
): Effect.Effect<never, E> => {
  const error = cause.reasons.find(Cause.isFailReason)?.error
  const failed = Effect.failCause(cause)
  if (!(error instanceof CircuitOpen) || Context.get(context, TracerDisabledWhen)(request)) return failed
  return Effect.withSpan(failed, Context.get(context, SpanNameGenerator)(request), {
    kind: "client",
    attributes: {
      "http.request.method": request.method,
      "circuit.key": error.key,
      "circuit.decision": "rejected",
      "circuit.reason": error.reason
    },
    captureStackTrace: false
  })
}
