/**
 * Effect's own circuit breaker interface, `CircuitBreaker` of `effect/persistence`, on top of ours: a program that uses
 * it, through `HttpClient.withCircuitBreaker` or inside an `ExecutionPlan` too, switches by changing one import.
 *
 * **Details**
 *
 * Service, errors, outcomes and models are Effect's own, so `catchReason`, `instanceof` and annotations go on working.
 *
 * **Gotchas**
 *
 * What differs from Effect's breaker:
 *
 * - Calls never wait for the store once their circuit is known and never fail because of it, whatever `onStoreError`
 *   says.
 * - Breakers of one store share their circuits if their `tripPolicy` and `openDuration` are equal (a `Schedule`: if it
 *   is the same value). Their `transitions` then show what any of them did, and end with the store's scope.
 * - An opening lasts at most 7 days, a schedule of `openDuration` has to recur at least once, and `idleTimeToLive` is
 *   1 second to 30 days. `make` and `layer` die with a `PolicyError` otherwise.
 * - `consecutive` and the `size` of `rate` are at most 1,000,000, or `make` and `layer` die likewise.
 * - A key is 1 to 512 characters, none of them a control character. A call with another one dies with a `PolicyError`.
 * - There is no `layerStoreRedis`: provide a store of this toolkit to `layerStore`.
 *
 * **Example** (One import changed)
 *
 * ```ts
 * import * as CircuitBreaker from "@reclose/core/EffectCircuitBreaker"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker.make({
 *     tripPolicy: CircuitBreaker.consecutive(1),
 *     openDuration: "30 seconds"
 *   })
 *   const call = Effect.fail("down").pipe(breaker.execute({ key: "quotes" }))
 *   yield* Effect.ignore(call)
 *   return yield* Effect.catchReason(call, "CircuitBreakerError", "CircuitOpen", (open) => Effect.succeed(open.key))
 * }).pipe(Effect.scoped, Effect.provide(CircuitBreaker.layerStoreMemory()))
 *
 * await Effect.runPromise(program) // => "quotes"
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as EffectBreaker from "effect/persistence/CircuitBreaker"
import * as RcMap from "effect/RcMap"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Breaker, CircuitBreaker as Reclose } from "./CircuitBreaker.ts"
import type { Transition } from "./CircuitEvent.ts"
import { CircuitOpen as Rejected } from "./CircuitOpen.ts"
import type { CircuitState } from "./CircuitState.ts"
import { CircuitStore } from "./CircuitStore.ts"
import { ExpiresIdle } from "./internal/ExpiresIdle.ts"
import * as Outcome from "./Outcome.ts"
import type { Policy } from "./Policy.ts"
import { readDuration } from "./PolicyError.ts"

export {
  CircuitBreaker,
  CircuitBreakerError,
  CircuitBreakerErrorReason,
  CircuitBreakerStoreError,
  CircuitHalfOpen,
  CircuitOpen,
  consecutive,
  ErrorTypeId,
  failure,
  ignored,
  type Outcome,
  rate,
  type State,
  success,
  type Transition,
  type TripPolicy,
  TypeId
} from "effect/persistence/CircuitBreaker"

/** What makes two breakers of one store the same breaker. */
interface Sharing {
  readonly tripPolicy: EffectBreaker.TripPolicy
  readonly openDuration: Duration.Duration | Schedule.Schedule<unknown, number>
}

/**
 * Holds the circuits of breakers, in place of the service of this name in Effect.
 *
 * @category services
 * @since 0.1.0
 */
export class CircuitBreakerStore extends Context.Service<CircuitBreakerStore, {
  readonly breaker: (sharing: Sharing) => Effect.Effect<Breaker, never, Scope.Scope>
}>()("@reclose/core/EffectCircuitBreaker/CircuitBreakerStore") {}

/**
 * Keeps circuits in a store of this toolkit.
 *
 * **Details**
 *
 * `idleTimeToLive` (default one hour) is after how long without a call a circuit is forgotten, as in Effect's store: a
 * closed one after its last call, an open one after the end of its opening, a half-open one whose probe has not ended never.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStore = (options?: {
  readonly idleTimeToLive?: Duration.Input | undefined
}): Layer.Layer<CircuitBreakerStore, never, CircuitStore> =>
  Layer.effect(
    CircuitBreakerStore,
    Effect.gen(function*() {
      const idleTimeToLive = options?.idleTimeToLive ?? "1 hour"
      const breakers = yield* RcMap.make({
        lookup: (sharing: Sharing) =>
          Reclose.make(toPolicy(sharing, idleTimeToLive)).pipe(
            Effect.provideService(ExpiresIdle, true),
            Effect.orDie
          ),
        idleTimeToLive
      })
      return CircuitBreakerStore.of({ breaker: (sharing) => RcMap.get(breakers, sharing) })
    })
  )

/**
 * Keeps circuits in this process, for as long as the layer lives. Takes the same options as `layerStore`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStoreMemory = (options?: {
  readonly idleTimeToLive?: Duration.Input | undefined
}): Layer.Layer<CircuitBreakerStore> =>
  // Fresh, because each of Effect's memory stores is one of its own.
  layerStore(options).pipe(Layer.provide(Layer.fresh(CircuitStore.layerMemory)))

type Options = Parameters<typeof EffectBreaker.make>[0]

/**
 * Makes a breaker with the options of Effect's `make`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<EffectBreaker.CircuitBreaker, never, CircuitBreakerStore | Scope.Scope> {
  const store = yield* CircuitBreakerStore
  const breaker = yield* store.breaker({
    tripPolicy: options.tripPolicy,
    openDuration: Schedule.isSchedule(options.openDuration)
      ? options.openDuration
      : readDuration("openDuration", options.openDuration)
  })
  const cap = capRetryAfter(readDuration("maxOpenDuration", options.maxOpenDuration ?? "1 hour"))

  const execute = <A, E, R, R2>(
    self: Effect.Effect<A, E, R>,
    { classify, key }: {
      readonly key: string
      readonly classify?: Classify<A, E, R2> | undefined
    }
  ): Effect.Effect<A, E | EffectBreaker.CircuitBreakerError, R | R2> =>
    Effect.suspend(() => {
      let called = false
      const call = Effect.suspend(() => {
        called = true
        return self
      })
      return Effect.mapError(
        breaker.withBreaker(call, { key, classify: classify && capped(classify, cap) }),
        // The call may fail with a rejection of its own, by a breaker inside it. Ours comes in place of the call.
        (error) => error instanceof Rejected && !called ? toError(error) : error as E
      )
    })

  return EffectBreaker.CircuitBreaker.of({
    [EffectBreaker.TypeId]: EffectBreaker.TypeId,
    execute: dual(2, execute),
    state: (key) => Effect.map(Effect.orDie(breaker.state(key)), toState),
    transitions: Stream.map(breaker.transitions, toTransition)
  })
})

/**
 * Provides a breaker with the options of Effect's `layer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<EffectBreaker.CircuitBreaker, never, CircuitBreakerStore> =>
  Layer.effect(EffectBreaker.CircuitBreaker, make(options))

const toPolicy = ({ openDuration, tripPolicy }: Sharing, idleTimeToLive: Duration.Input): Policy => ({
  tripRule: tripPolicy._tag === "Consecutive" ? tripPolicy : {
    _tag: "FailureRate",
    // Neither of the two ever opens without a failure, so any share above zero is Effect's zero.
    threshold: Math.max(tripPolicy.threshold, Number.MIN_VALUE),
    window: tripPolicy.size,
    minimumCalls: tripPolicy.minimumCalls
  },
  // As a schedule, a duration may be longer than a day, or zero.
  openDuration: Schedule.isSchedule(openDuration) ? openDuration : Schedule.spaced(openDuration),
  // Effect's cap is for what a call asks for, and never for `openDuration`.
  maxOpenDuration: "7 days",
  // In Effect a probe may take as long as its call does.
  halfOpen: { maxDuration: "1 day" },
  maxKeys: 10_000_000,
  idleTimeToLive
})

type Classify<A, E, R> = (
  exit: Exit.Exit<A, E>
) => EffectBreaker.Outcome | Effect.Effect<EffectBreaker.Outcome, never, R>

type Cap = (outcome: EffectBreaker.Outcome) => Outcome.Outcome

const capRetryAfter = (most: Duration.Duration): Cap => (outcome) =>
  outcome._tag === "Failure"
    ? Outcome.failure({ retryAfter: outcome.retryAfter && Duration.min(outcome.retryAfter, most) })
    : outcome

const capped = <A, E, R>(classify: Classify<A, E, R>, cap: Cap) => (exit: Exit.Exit<A, E>) => {
  const outcome = classify(exit)
  return Effect.isEffect(outcome) ? Effect.map(outcome, cap) : cap(outcome)
}

const toError = ({ key, phase, retryAfter }: Rejected) =>
  new EffectBreaker.CircuitBreakerError({
    reason: phase === "Open"
      ? new EffectBreaker.CircuitOpen({ key, retryAfter })
      : new EffectBreaker.CircuitHalfOpen({ key })
  })

const toState = ({ consecutiveOpenings, key, phase, probes, retryAfter }: CircuitState): EffectBreaker.State => {
  switch (phase) {
    case "Closed":
      return { _tag: phase, key }
    case "Open":
      return { _tag: phase, key, retryAfter, consecutiveOpenings }
    case "HalfOpen":
      return { _tag: phase, key, probing: probes > 0, consecutiveOpenings }
  }
}

/** Of the edges, those that no operator makes: this interface has none. */
const toTransition = ({ consecutiveOpenings, from, key, openDuration, to }: Transition): EffectBreaker.Transition => {
  switch (to) {
    case "Closed":
      return { key, from: "HalfOpen", to }
    case "Open":
      return { key, from: from === "HalfOpen" ? from : "Closed", to, retryAfter: openDuration, consecutiveOpenings }
    case "HalfOpen":
      return { key, from: "Open", to }
  }
}
