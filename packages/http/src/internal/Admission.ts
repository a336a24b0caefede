/** Lets a call through: a place, a turn, the circuit of its credential, the circuit of its dependency, in this order. */
import type { Admission } from "@reclose/core/Admission"
import { type Breaker, CircuitBreaker } from "@reclose/core/CircuitBreaker"
import type { CircuitOpen } from "@reclose/core/CircuitOpen"
import type * as Outcome from "@reclose/core/Outcome"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { circuitKey } from "../Credentials.ts"
import type { Throttled } from "../Throttled.ts"
import type { Call } from "./Call.ts"
import { CredentialTable } from "./CredentialTable.ts"
import type { ValidPolicy } from "./HttpPolicyReader.ts"
import type { Pauses } from "./Pauses.ts"
import { makePlaces } from "./Places.ts"
import { makeRate } from "./Rate.ts"

type Policy = Pick<ValidPolicy, "concurrency" | "rateLimit" | "credentials">

/**
 * Admits a call under a key, or fails. It is to be run next, and where nothing interrupts it: an `Exit` is a call that holds
 * nothing yet.
 */
export type Admit = (
  call: Call,
  key: string,
  request: HttpClientRequest
) => Effect.Effect<Admission, CircuitOpen | Throttled>

export const makeAdmit = (
  { concurrency, credentials, rateLimit }: Policy,
  pauses: Pauses | undefined
): Effect.Effect<Admit, never, CircuitBreaker | Scope.Scope> =>
  Effect.gen(function*() {
    const breaker = yield* CircuitBreaker
    const places = concurrency === undefined ? undefined : yield* makePlaces(concurrency)
    const rate = rateLimit === undefined ? undefined : yield* makeRate(rateLimit, pauses)

    /** Has a call wait for a place and a turn, unless one of its circuits rejects it anyway. */
    const throttled = <E>(
      admitted: Effect.Effect<Admission, E>,
      key: string,
      circuits: ReadonlyArray<string>
    ): Effect.Effect<Admission, E | Throttled> => {
      const inTurn = rate === undefined ? admitted : Effect.andThen(Effect.interruptible(rate(key)), admitted)
      const inPlace = places === undefined ? inTurn : Effect.flatMap(
        places(key),
        (giveBack) => within(inTurn, { settle: giveBack, release: giveBack })
      )
      return Effect.flatMap(
        Effect.findFirst(circuits, (circuit) => isClosedOff(breaker, circuit)),
        (closed) => closed._tag === "Some" ? admitted : inPlace
      )
    }

    const isThrottled = places !== undefined || rate !== undefined

    const admittedBy = (key: string) => isThrottled ? throttled(breaker.admit(key), key, [key]) : breaker.admit(key)

    if (credentials === undefined) {
      return (_, key) => isThrottled ? admittedBy(key) : breaker.admitUnsafe(key)
    }

    const table = new CredentialTable(credentials.maxKeys, yield* Clock.Clock)
    // An operator's override holds for a credential that was never used here. Its circuit may be there already.
    yield* Effect.forkScoped(
      Stream.runForEach(breaker.events, (event) =>
        Effect.sync(() => {
          if (event._tag === "Overridden" && isOfCredential(event.key)) table.add(event.key)
        })),
      { startImmediately: true }
    )
    for (const { key } of yield* breaker.list) if (isOfCredential(key)) table.add(key)

    /** Has a circuit count the refusals of before it was there. */
    const learn = (credential: string, refusals: ReadonlyArray<Outcome.Outcome>) =>
      Effect.forEach(
        refusals,
        (refusal) => Effect.map(breaker.admit(credential), (admission) => admission.settle(refusal)),
        { discard: true }
      )

    return (call, key, request) =>
      Effect.flatMap(circuitKey(request, credentials.headers, credentials.salt), (credential) => {
        if (credential === undefined) return admittedBy(key)
        const outcome = (): Outcome.Outcome => call.credentialOutcome(credentials.statuses)
        const refusals = table.use(credential)
        if (refusals === undefined) {
          return within(admittedBy(key), { settle: () => table.settle(credential, outcome()), release: () => {} })
        }
        const admitted = Effect.flatMap(
          refusals.length === 0
            ? breaker.admit(credential)
            : Effect.andThen(learn(credential, refusals), breaker.admit(credential)),
          (outer) =>
            within(breaker.admit(key), {
              settle: () => {
                table.settle(credential, outcome())
                outer.settle(outcome())
              },
              release: () => outer.release()
            })
        )
        return isThrottled ? throttled(admitted, key, [key, credential]) : admitted
      })
  })

const isOfCredential = (key: string): boolean => key.startsWith("credential:")

/** What holds something for as long as a call goes on, and what it does when that ends. */
interface Holding {
  readonly settle: () => void
  readonly release: () => void
}

/** Admits a call within something else, which ends with it. */
const within = <E>(admitted: Effect.Effect<Admission, E>, outer: Holding): Effect.Effect<Admission, E> =>
  Effect.onExitPrimitive(
    Effect.map(admitted, (inner): Admission => ({
      settle: (outcome) => {
        inner.settle(outcome)
        outer.settle()
      },
      release: () => {
        inner.release()
        outer.release()
      },
      unclassified: (cause) => {
        inner.unclassified(cause)
        outer.settle()
      }
    })),
    (exit) => {
      if (exit._tag === "Failure") outer.release()
      return undefined
    }
  )

/** Whether a circuit rejects its calls for now. Where that is open to question, the call itself asks. */
const isClosedOff = (breaker: Breaker, key: string): Effect.Effect<boolean> =>
  breaker.state(key).pipe(
    Effect.map(({ override, phase, retryAfter }) =>
      override === "ForcedOpen" || override === "None" && phase === "Open" && !Duration.isZero(retryAfter)
    ),
    // It fails for what is no key, which this is.
    Effect.orElseSucceed(() => false)
  )
