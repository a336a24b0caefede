/** Puts together what a policy says, in the order in which it applies. */
import type { CircuitBreaker } from "@reclose/core/CircuitBreaker"
import type { PolicyError } from "@reclose/core/PolicyError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import type * as Scope from "effect/Scope"
import { makeAdmission } from "./Admission.ts"
import type { Calls } from "./Call.ts"
import { type Failed, guard } from "./Guard.ts"
import type { ValidPolicy } from "./HttpPolicyReader.ts"
import { makeLimits } from "./Limits.ts"
import { makeRetry } from "./Retry.ts"
import { makeStale } from "./Stale.ts"

/** Sends a request under a policy; an undefined key: without a circuit. */
export type Guarded = <E, R>(
  send: Effect.Effect<HttpClientResponse, E, R>,
  request: HttpClientRequest,
  key: string | undefined
) => Effect.Effect<HttpClientResponse, Failed<E>, R>

type CallPolicy = Pick<ValidPolicy, "classify" | "classifyBody" | "settleOn" | "timeLimits">

const makeCalls = (
  { classify, classifyBody, settleOn, timeLimits }: CallPolicy
): Effect.Effect<Calls, never, Scope.Scope> =>
  Effect.zipWith(
    Clock.Clock,
    makeLimits(timeLimits),
    (clock, limits) => ({ limits, clock, classify, classifyBody, settleOn })
  )

export const makeGuarded = Effect.fnUntraced(function*(
  policy: ValidPolicy
): Effect.fn.Return<Guarded, PolicyError, CircuitBreaker | Scope.Scope> {
  const guarded = yield* makeRetried(policy)
  if (policy.stale === undefined) return guarded
  const stale = yield* makeStale(policy.stale, policy.classify)
  return (send, request, key) => stale(guarded(send, request, key), request, key)
})

const makeRetried = Effect.fnUntraced(function*(
  policy: ValidPolicy
): Effect.fn.Return<Guarded, PolicyError, CircuitBreaker | Scope.Scope> {
  const admission = yield* makeAdmission(policy)
  const { classify, retry, timeLimits } = policy
  if (retry === undefined) {
    const calls = yield* makeCalls(policy)
    return (send, request, key) => guard(calls, admission, key, send, request)
  }
  const retried = yield* makeRetry(retry, classify)
  if (retry.place === "outside") {
    const calls = yield* makeCalls(policy)
    return (send, request, key) => {
      const attempt = guard(calls, admission, key, send, request)
      return key === undefined ? attempt : retried(attempt, request, key)
    }
  }
  // Each attempt has its limits; all of them are one call, which the circuit sees from its beginning to its end.
  const attempts = yield* makeCalls({
    classify,
    classifyBody: undefined,
    settleOn: "headers",
    timeLimits: { ...timeLimits, call: undefined }
  })
  const calls = yield* makeCalls({ ...policy, timeLimits: { ...timeLimits, ...unlimited } })
  return (send, request, key) => {
    const attempt = guard(attempts, admission, undefined, send, request)
    return guard(calls, admission, key, key === undefined ? attempt : retried(attempt, request, key), request)
  }
})

const unlimited = { headers: undefined, body: undefined, bodyIdle: undefined }
