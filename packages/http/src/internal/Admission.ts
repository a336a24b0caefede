/** Lets a call through: a place, a turn, the circuit of its credential, the circuit of its dependency, in this order. */
import { type Breaker, CircuitBreaker } from "@reclose/core/CircuitBreaker"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { circuitKey } from "../Credentials.ts"
import type { Throttled } from "../Throttled.ts"
import type { Admit } from "./Guard.ts"
import type { ValidPolicy } from "./HttpPolicyReader.ts"
import { makePlaces } from "./Places.ts"
import { makeRate } from "./Rate.ts"

type Policy = Pick<ValidPolicy, "concurrency" | "rateLimit" | "credentials">

export const makeAdmission = ({
  concurrency,
  credentials,
  rateLimit
}: Policy): Effect.Effect<Admit, never, CircuitBreaker | Scope.Scope> =>
  Effect.gen(function*() {
    const breaker = yield* CircuitBreaker
    const places = concurrency === undefined ? undefined : yield* makePlaces(concurrency)
    const rate = rateLimit === undefined ? undefined : yield* makeRate(rateLimit)

    /** Has a guarded call wait for a place and a turn, unless one of its circuits rejects it anyway. */
    const throttled = <A, E, R>(
      guarded: Effect.Effect<A, E, R>,
      key: string,
      circuits: ReadonlyArray<string>
    ): Effect.Effect<A, E | Throttled, R> => {
      if (places === undefined && rate === undefined) return guarded
      const inTurn = rate === undefined ? guarded : Effect.andThen(Effect.interruptible(rate(key)), guarded)
      const inPlace = places === undefined ? inTurn : places(inTurn, key)
      return Effect.flatMap(
        Effect.findFirst(circuits, (circuit) => isClosedOff(breaker, circuit)),
        (closed) => closed._tag === "Some" ? guarded : inPlace
      )
    }

    return (sent, call, key, request) => {
      const guarded = breaker.withBreaker(sent, { key, classify: call.verdict })
      if (credentials === undefined) return throttled(guarded, key, [key])
      return Effect.flatMap(circuitKey(request, credentials.headers), (credential) =>
        credential === undefined ? throttled(guarded, key, [key]) : throttled(
          breaker.withBreaker(guarded, {
            key: credential,
            classify: () =>
              call.credentialVerdict(credentials.statuses)
          }),
          key,
          [key, credential]
        ))
    }
  })

/** Whether a circuit rejects its calls for now. Where that is open to question, the call itself asks. */
const isClosedOff = (breaker: Breaker, key: string): Effect.Effect<boolean> =>
  breaker.state(key).pipe(
    Effect.map(({ override, phase, retryAfter }) =>
      override === "ForcedOpen" || override === "None" && phase === "Open" && !Duration.isZero(retryAfter)
    ),
    // It fails for what is no key, which this is.
    Effect.orElseSucceed(() => false)
  )
