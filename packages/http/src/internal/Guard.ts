/** Sends a request as a call, once it is admitted. */
import type { Admission } from "@reclose/core/Admission"
import { CircuitOpen } from "@reclose/core/CircuitOpen"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { SpanNameGenerator, TracerDisabledWhen } from "effect/http/HttpClient"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { Throttled } from "../Throttled.ts"
import type { TimeLimitExceeded } from "../TimeLimits.ts"
import type { Admit } from "./Admission.ts"
import { Call, type Calls, type Restore } from "./Call.ts"

export type Failed<E> = E | CircuitOpen | Throttled | TimeLimitExceeded

/** Sends a request under a policy; an undefined key: without a circuit. */
export type Guarded = <E, R>(
  send: Effect.Effect<HttpClientResponse, E, R>,
  request: HttpClientRequest,
  key: string | undefined
) => Effect.Effect<HttpClientResponse, Failed<E>, R>

/** Runs requests as calls, with their limits. */
export const makeGuard = (calls: Calls, admit: Admit): Guarded => {
  const annotated = makeAnnotated()
  return <E, R>(send: Effect.Effect<HttpClientResponse, E, R>, request: HttpClientRequest, key: string | undefined) =>
    Effect.contextWith((context: Context.Context<R>): Effect.Effect<HttpClientResponse, Failed<E>> => {
      const call = new Call(calls, request, key)
      if (key === undefined) return call.send(send, context, undefined)
      const admitted = admit(call, key, request)
      if (isAtOnce(admitted)) {
        return admitted._tag === "Success"
          ? call.send(send, annotated(context, key), admitted.value)
          : rejected(admitted.cause, context, request)
      }
      return Effect.uninterruptibleMask((restore) =>
        Effect.matchCauseEffect(admittedUnlessGone(admitted, context, restore), {
          onSuccess: (admission) => call.sendHolding(send, annotated(context, key), admission, restore),
          onFailure: (cause) => rejected(cause, context, request)
        })
      )
    })
}

/** `Exit.isExit` forgets what the effect is of. */
const isAtOnce = <A, E>(effect: Effect.Effect<A, E>): effect is Exit.Exit<A, E> => Exit.isExit(effect)

/**
 * Waits to be admitted: for a place, a turn, or the store. Who goes meanwhile need not wait for that, and what is granted
 * from then on is for nobody.
 */
const admittedUnlessGone = <E>(
  admitted: Effect.Effect<Admission, E>,
  context: Context.Context<never>,
  restore: Restore
): Effect.Effect<Admission, E> =>
  Effect.suspend(() => {
    const fiber = Effect.runForkWith(context)(admitted, { uninterruptible: true })
    return Effect.onExitPrimitive(restore(Fiber.join(fiber)), (exit) => {
      if (exit._tag === "Success") return undefined
      fiber.interruptUnsafe()
      fiber.addObserver((exit) => exit._tag === "Success" && exit.value.release())
      return undefined
    })
  })

/** Effect's own tracer, whose spans nobody sees. */
const untraced = Context.get(Context.empty(), Tracer.Tracer)

/** What is spanned and logged on behalf of a call names its circuit. */
const annotate = <R>(context: Context.Context<R>, key: string): Context.Context<R> => {
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

/** The same again for a caller that calls the same again, as in a loop: it is a sixth of what a guarded request adds. */
const makeAnnotated = () => {
  let last:
    | { readonly from: Context.Context<never>; readonly key: string; readonly to: Context.Context<never> }
    | undefined
  return <R>(context: Context.Context<R>, key: string): Context.Context<R> => {
    if (last === undefined || last.from !== context || last.key !== key) {
      last = { from: context, key, to: annotate(context, key) }
    }
    // Made of this very context.
    return last.to as Context.Context<R>
  }
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
