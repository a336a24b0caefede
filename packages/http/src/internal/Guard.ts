/** Sends requests under the eyes of a breaker. */
import type { Breaker } from "@reclose/core/CircuitBreaker"
import type { CircuitOpen } from "@reclose/core/CircuitOpen"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import type { TimeLimitExceeded } from "../TimeLimits.ts"
import { Call, type Calls } from "./Call.ts"

/** Runs a request as a call: with its limits, and guarded by the circuit of its key unless that is undefined. */
export const guard = <E, R>(
  breaker: Breaker,
  calls: Calls,
  key: string | undefined,
  send: Effect.Effect<HttpClientResponse, E, R>,
  request: HttpClientRequest
): Effect.Effect<HttpClientResponse, E | CircuitOpen | TimeLimitExceeded, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.callback<HttpClientResponse, E | CircuitOpen | TimeLimitExceeded>((resume) => {
      const call = new Call(calls, request)
      const sent = call.run(send, resume)
      const guarded = key === undefined ? sent : breaker.withBreaker(sent, { key, classify: call.verdict })
      const fiber = Effect.runForkWith(context)(guarded, { uninterruptible: true })
      call.start(fiber)
      // If the response was handed over before, nobody listens.
      fiber.addObserver(resume)
      return Fiber.interrupt(fiber)
    })
  )
