/** Sends requests again, with leave of a budget. */
import { CircuitOpen } from "@reclose/core/CircuitOpen"
import type * as Outcome from "@reclose/core/Outcome"
import type { PolicyError } from "@reclose/core/PolicyError"
import { type Budget, RetryBudget } from "@reclose/core/RetryBudget"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { Classify } from "../HttpOutcome.ts"
import { isRepeatable, type RetryPolicy } from "../HttpRetry.ts"
import { Throttled } from "../Throttled.ts"
import { answerOf, discard } from "./discard.ts"
import { guardError } from "./GuardError.ts"

/** A policy with every field valid and present, durations in milliseconds. */
export interface ValidRetry {
  readonly times: number
  readonly delay: number
  readonly factor: number
  readonly maxDelay: number
  readonly jitter: number
  readonly maxRetryAfter: number
  readonly waitForCircuit: number | undefined
  readonly place: "outside" | "inside"
  readonly unsafe: boolean
  readonly budget: RetryPolicy["budget"]
}

export type Retry = <E, R>(
  attempt: Effect.Effect<HttpClientResponse, E, R>,
  request: HttpClientRequest,
  key: string
) => Effect.Effect<HttpClientResponse, E, R>

/** A response that is a failure, while it is retried. */
class FailedAnswer {
  readonly response: HttpClientResponse
  readonly outcome: Outcome.Outcome

  constructor(response: HttpClientResponse, outcome: Outcome.Outcome) {
    this.response = response
    this.outcome = outcome
  }
}

const budgetOf = (policy: RetryPolicy["budget"]): Effect.Effect<Budget, PolicyError> =>
  Effect.flatMap(
    Effect.serviceOption(RetryBudget),
    (ambient) =>
      policy === undefined && Option.isSome(ambient) ? Effect.succeed(ambient.value) : RetryBudget.make(policy)
  )

export const makeRetry = (policy: ValidRetry, classify: Classify): Effect.Effect<Retry, PolicyError> =>
  Effect.zipWith(budgetOf(policy.budget), Clock.Clock, (budget, clock): Retry => (attempt, request, key) => {
    if (!isRepeatable(request, policy)) return attempt
    const judge = (exit: Exit.Exit<HttpClientResponse, unknown>) => classify(exit, clock.currentTimeMillisUnsafe())
    return retrying(policy, budget, judge, attempt, key)
  })

const retrying = <E, R>(
  policy: ValidRetry,
  budget: Budget,
  judge: (exit: Exit.Exit<HttpClientResponse, unknown>) => Outcome.Outcome,
  attempt: Effect.Effect<HttpClientResponse, E, R>,
  key: string
): Effect.Effect<HttpClientResponse, E, R> =>
  Effect.suspend(() => {
    let last: HttpClientResponse | undefined
    // A guard below may have raised it, in an error of the service `HttpClient`.
    let wrapped: { readonly error: E; readonly rejection: CircuitOpen } | undefined
    const unwrapped = Effect.mapError(attempt, (error): E | CircuitOpen => {
      const rejection = guardError(error)
      if (!(rejection instanceof CircuitOpen)) return error
      wrapped = { error, rejection }
      return rejection
    })
    const tried = Effect.tapError(unwrapped, (error) => Effect.sync(() => void (last = answerOf(error))))
    const sent = Effect.flatMap(
      Effect.suspend(() => {
        const unwanted = last
        last = undefined
        return unwanted === undefined ? tried : Effect.andThen(discard(unwanted), tried)
      }),
      (response): Effect.Effect<HttpClientResponse, FailedAnswer> => {
        last = response
        const outcome = judge(Exit.succeed(response))
        if (outcome._tag !== "Failure") return Effect.succeed(response)
        return Effect.fail(new FailedAnswer(response, outcome))
      }
    )
    const outcomeOf = (error: unknown) => error instanceof FailedAnswer ? error.outcome : judge(Exit.fail(error))
    const wish = (outcome: Outcome.Outcome): number =>
      outcome._tag === "Failure" && outcome.retryAfter !== undefined ? Duration.toMillis(outcome.retryAfter) : 0

    const schedule = Schedule.exponential(Duration.millis(policy.delay), policy.factor).pipe(
      Schedule.setInputType<Exclude<E | FailedAnswer, CircuitOpen>>(),
      Schedule.modifyDelay(({ duration, input }) =>
        Effect.map(Random.next, (random) => {
          const grown = Math.min(Duration.toMillis(duration), policy.maxDelay) * (1 - policy.jitter * random)
          return Duration.millis(Math.max(grown, wish(outcomeOf(input))))
        })
      )
    )
    return budget.withRetryBudget(sent, {
      key,
      schedule,
      times: policy.times,
      while: (error) => {
        // It has waited for its place and its turn, and never got as far as the dependency.
        if (error instanceof Throttled) return false
        const outcome = outcomeOf(error)
        return outcome._tag === "Failure" && wish(outcome) <= policy.maxRetryAfter
      },
      waitForCircuit: policy.waitForCircuit
    }).pipe(
      // A caller that is interrupted while it waits, or gets a defect, cannot close the connection of the last response.
      Effect.onError((cause) =>
        last === undefined || Cause.hasFails(cause) ? Effect.void : Effect.forkDetach(discard(last))
      ),
      Effect.catch((error): Effect.Effect<HttpClientResponse, E> =>
        // What is no failed answer is one of the attempt's own errors; `instanceof` doesn't say so for a type parameter.
        error instanceof FailedAnswer
          ? Effect.succeed(error.response)
          : Effect.fail(wrapped?.rejection === error ? wrapped.error : error as E)
      )
    )
  })
