/**
 * The store of Effect's own circuit breaker (`CircuitBreaker` of `effect/persistence`) in DynamoDB: for programs that
 * stay with that breaker.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EffectBreaker from "effect/persistence/CircuitBreaker"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import type { DynamoClient } from "./DynamoClient.ts"
import { DynamoFailure } from "./internal/DynamoFailure.ts"
import {
  admit,
  type Admitted,
  type Moved,
  type Operation,
  record,
  remembered,
  renew,
  type Timing
} from "./internal/EffectCircuit.ts"
import { makeCircuits } from "./internal/EffectCircuits.ts"

/** 2^50 milliseconds, so that every time stays a whole number. */
const maxDuration = 2 ** 50

/**
 * Where circuits are kept, and for how long.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The name of the table, or its ARN. */
  readonly tableName: string
  /** Stands before each key: `circuitbreaker:` unless set, so that `DynamoStore` may use the same table. */
  readonly prefix?: string | undefined
  /** For how long a probe has a circuit to itself without a sign of life: 10 seconds unless set, at least 1 millisecond. */
  readonly probeLease?: Duration.Input | undefined
  /** After how long without a call a circuit is forgotten: 1 hour unless set, at least 1 millisecond. */
  readonly idleTimeToLive?: Duration.Input | undefined
  /** For how long DynamoDB is tried for one operation on a key, conflicts included: 1 second unless set. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Keeps the circuits of Effect's own breaker in DynamoDB: a program switches by changing one layer.
 *
 * **Details**
 *
 * It does what Effect's Redis store does: generations that are never used again, one probe with a lease that is renewed
 * each third of it, openings in a row that are counted over a close, circuits that are forgotten when idle. The table is
 * that of `DynamoStore`, and may be the same. It needs `dynamodb:GetItem` and `dynamodb:UpdateItem`.
 *
 * A call costs two consistent reads, and a write where it changes something: a first call, a failure, a success after
 * one, every call under a rate policy. What the calls of one process do to a key at the same time is one read and one
 * write; what other processes did between is seen and taken into account. Whoever can't get a word in within `timeout`
 * fails with a `CircuitBreakerStoreError`, as does anything else that goes wrong here; `onStoreError` of the breaker
 * says what then becomes of the call.
 *
 * The time is that of DynamoDB's answers, to the second; a machine whose clock is right goes by that, to the
 * millisecond.
 *
 * **Gotchas**
 *
 * - An idle circuit is forgotten up to a tenth later than `idleTimeToLive`: so a healthy one is seldom written.
 * - If renewals can't reach DynamoDB, the lease lapses and a second probe can start.
 * - Every call waits for DynamoDB. The breaker of `@reclose/core` with `DynamoStore` does not.
 * - The layer dies with a `RangeError` of durations that are not finite or longer than 2^50 milliseconds; an opening
 *   as long fails with a `CircuitBreakerStoreError`.
 *
 * **Example** (One layer changed)
 *
 * ```ts no-run
 * import { DynamoClient, EffectCircuitBreakerStore } from "@reclose/dynamodb"
 * import { Layer } from "effect"
 * import { CircuitBreaker } from "effect/persistence"
 *
 * const Breaker = CircuitBreaker.layer({
 *   tripPolicy: CircuitBreaker.consecutive(5),
 *   openDuration: "30 seconds"
 * }).pipe(
 *   // instead of CircuitBreaker.layerStoreMemory()
 *   Layer.provide(EffectCircuitBreakerStore.layer({ tableName: "circuits" })),
 *   Layer.provide(DynamoClient.layer({ region: "eu-central-1" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<EffectBreaker.CircuitBreakerStore, never, DynamoClient> =>
  Layer.effect(EffectBreaker.CircuitBreakerStore, make(options))

/**
 * The same, with the options of `layer` from configuration.
 *
 * **Example** (The table's name from the environment)
 *
 * ```ts no-run
 * import { EffectCircuitBreakerStore } from "@reclose/dynamodb"
 * import { Config } from "effect"
 *
 * const Store = EffectCircuitBreakerStore.layerConfig({ tableName: Config.String("CIRCUITS_TABLE") })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<EffectBreaker.CircuitBreakerStore, Config.ConfigError, DynamoClient> =>
  Layer.effect(EffectBreaker.CircuitBreakerStore, Effect.flatMap(Config.unwrap(options), make))

const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<EffectBreaker.CircuitBreakerStore["Service"], never, DynamoClient | Scope.Scope> {
  const timing: Timing = {
    lease: yield* toMillis("probeLease", options.probeLease ?? "10 seconds"),
    idle: yield* toMillis("idleTimeToLive", options.idleTimeToLive ?? "1 hour")
  }
  const circuits = yield* makeCircuits({
    tableName: options.tableName,
    prefix: options.prefix ?? "circuitbreaker:",
    timeout: yield* toMillis("timeout", options.timeout ?? "1 second")
  })

  const attempt = <A>(key: string, doing: string, operation: Operation<A>) =>
    Effect.mapError(circuits.apply(key, operation), toError(doing, key))

  // Stops once the lease is gone, because no renewal wins it back.
  const renewing = (key: string, generation: number): Effect.Effect<void> =>
    attempt(key, "renew the lease of a probe", renew(timing, generation)).pipe(
      Effect.catch((error) => Effect.as(report(error), true)),
      Effect.delay(timing.lease / 3),
      Effect.flatMap((renewed) => renewed ? renewing(key, generation) : Effect.void)
    )

  return EffectBreaker.CircuitBreakerStore.of({
    admit: Effect.fnUntraced(function*(key) {
      const admitted = yield* attempt(key, "admit a call", admit(timing))
      if (admitted._tag !== "Admitted") return yield* rejection(key, admitted)
      const { circuit: { _tag, generation, openings }, from } = admitted
      if (_tag === "HalfOpen") yield* Effect.forkScoped(Effect.interruptible(renewing(key, generation)))
      return {
        generation,
        probe: _tag === "HalfOpen",
        consecutiveOpenings: openings,
        transition: from === "Open" ? { key, from, to: "HalfOpen" } : undefined
      }
    }),
    record: ({ generation, key, openFor, outcome, tripPolicy }) => {
      const millis = Math.max(0, Math.ceil(Duration.toMillis(openFor)))
      const settle = attempt(
        key,
        "record an outcome",
        record(timing, { generation, outcome, tripPolicy, openFor: millis })
      )
      return millis <= maxDuration
        ? Effect.map(settle, (moved) => moved && toTransition(key, openFor, moved))
        : Effect.fail(toError("record an outcome", key)(tooLong(millis)))
    },
    state: (key) =>
      Effect.map(
        Effect.mapError(circuits.look(key), toError("read the circuit", key)),
        ({ held, now }): EffectBreaker.State => {
          const circuit = remembered(held, now)
          switch (circuit?._tag) {
            case undefined:
            case "Closed":
              return { _tag: "Closed", key }
            case "Open": {
              const retryAfter = Duration.millis(Math.max(0, circuit.openUntil - now))
              return { _tag: "Open", key, retryAfter, consecutiveOpenings: circuit.openings }
            }
            case "HalfOpen":
              return {
                _tag: "HalfOpen",
                key,
                probing: circuit.leaseUntil > now,
                consecutiveOpenings: circuit.openings
              }
          }
        }
      )
  })
})

const toMillis = (name: string, input: Duration.Input): Effect.Effect<number> => {
  const millis = Math.max(1, Math.ceil(Duration.toMillis(Duration.fromInputUnsafe(input))))
  return millis <= maxDuration
    ? Effect.succeed(millis)
    : Effect.die(new RangeError(`${name} must be at most 2^50 milliseconds, and is ${millis}`))
}

const tooLong = (millis: number) =>
  new DynamoFailure({
    reason: "Oversized",
    message:
      `an opening may last at most 2^50 milliseconds, and this one would last ${millis}: use a shorter openDuration`
  })

const toError = (doing: string, key: string) => ({ cause, message }: DynamoFailure) =>
  new EffectBreaker.CircuitBreakerError({
    reason: new EffectBreaker.CircuitBreakerStoreError({
      message: `Failed to ${doing} of circuit "${key}": ${message}`,
      ...(cause === undefined ? {} : { cause })
    })
  })

const rejection = (key: string, rejected: Exclude<Admitted, { readonly _tag: "Admitted" }>) =>
  new EffectBreaker.CircuitBreakerError({
    reason: rejected._tag === "Open"
      ? new EffectBreaker.CircuitOpen({ key, retryAfter: Duration.millis(rejected.remaining) })
      : new EffectBreaker.CircuitHalfOpen({ key })
  })

const toTransition = (key: string, openFor: Duration.Duration, moved: Moved): EffectBreaker.Transition =>
  moved.to === "Open"
    ? { key, from: moved.from, to: moved.to, retryAfter: openFor, consecutiveOpenings: moved.openings }
    : { key, ...moved }

/** An error that no caller waits for, told where Effect's own stores tell it. */
const report = (error: EffectBreaker.CircuitBreakerError): Effect.Effect<void> =>
  Effect.flatMap(References.UnhandledLogLevel, (level) =>
    level === undefined
      ? Effect.void
      : Effect.logWithLevel(level)("CircuitBreaker failed to renew a probe lease, retrying", error))
