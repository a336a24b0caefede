/** Puts together what a policy says, in the order in which it applies. */
import { CircuitBreaker } from "@reclose/core/CircuitBreaker"
import type { PolicyError } from "@reclose/core/PolicyError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Admit, makeAdmit } from "./Admission.ts"
import type { Calls } from "./Call.ts"
import { type Guarded, makeGuard } from "./Guard.ts"
import type { ValidPolicy } from "./HttpPolicyReader.ts"
import { makeLimits } from "./Limits.ts"
import { Pauses } from "./Pauses.ts"
import { makeRetry } from "./Retry.ts"
import { makeStale } from "./Stale.ts"

type CallPolicy = Pick<ValidPolicy, "classify" | "classifyBody" | "settleOn" | "timeLimits">

const makeCalls = (
  { classify, classifyBody, settleOn, timeLimits }: CallPolicy
): Effect.Effect<Calls, never, CircuitBreaker | Scope.Scope> =>
  Effect.gen(function*() {
    const breaker = yield* CircuitBreaker
    const clock = yield* Clock.Clock
    const limits = yield* makeLimits(timeLimits)
    const isHalfOpen = (key: string) =>
      Effect.map(Effect.orDie(breaker.state(key)), ({ phase }) => phase === "HalfOpen")
    return { limits, clock, classify, classifyBody, settleOn, isHalfOpen }
  })

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
  const pauses = policy.rateLimit === undefined ? undefined : yield* Pauses.make
  const admit = yield* makeAdmit(policy, pauses)
  const guarded = yield* makeWithRetry(policy, admit)
  return pauses === undefined
    ? guarded
    : (send, request, key) => guarded(key === undefined ? send : pauses.observe(key, send), request, key)
})

const makeWithRetry = Effect.fnUntraced(function*(
  policy: ValidPolicy,
  admit: Admit
): Effect.fn.Return<Guarded, PolicyError, CircuitBreaker | Scope.Scope> {
  const { classify, retry, timeLimits } = policy
  if (retry === undefined) return makeGuard(yield* makeCalls(policy), admit)
  const retried = yield* makeRetry(retry, classify)
  if (retry.place === "outside") {
    const guarded = makeGuard(yield* makeCalls(policy), admit)
    return (send, request, key) => {
      const attempt = guarded(send, request, key)
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
  const attempted = makeGuard(attempts, admit)
  const guarded = makeGuard(calls, admit)
  return (send, request, key) => {
    const attempt = attempted(send, request, undefined)
    return guarded(key === undefined ? attempt : retried(attempt, request, key), request, key)
  }
})

const unlimited = {
  headers: undefined,
  body: undefined,
  bodyIdle: undefined,
  events: { body: undefined, bodyIdle: undefined }
}
