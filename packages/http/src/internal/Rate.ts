/** Turns for requests, in a time, by key. Whoever is too early waits, for a bounded time. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { Throttled } from "../Throttled.ts"
import { boundedLimiterStore } from "./boundedLimiterStore.ts"
import type { Pauses } from "./Pauses.ts"

export interface ValidRate {
  readonly limit: number
  readonly window: number
  readonly algorithm: "token-bucket" | "fixed-window"
  readonly maxWait: number
  readonly maxWaiting: number
  readonly maxKeys: number
}

/** Waits for the turn of a request. */
export type Rate = (key: string) => Effect.Effect<void, Throttled>

/** How long a program's own limiter may take to answer, in milliseconds. */
const patience = 1_000

type Consume = RateLimiter.RateLimiter["consume"]

/** That of the program may ask a store, which may hang; the one in memory answers at once. */
const consumeOf = (maxKeys: number): Effect.Effect<Consume> =>
  Effect.flatMap(
    Effect.serviceOption(RateLimiter.RateLimiter),
    (ambient) =>
      Option.isSome(ambient)
        ? Effect.succeed((options) =>
          Effect.timeoutOrElse(ambient.value.consume(options), { duration: patience, orElse: silent })
        )
        : Effect.zipWith(
          Effect.provideService(RateLimiter.make, RateLimiter.RateLimiterStore, boundedLimiterStore(maxKeys)),
          Clock.Clock,
          ({ consume }, clock) => {
            const steady = steadied(clock)
            return (options) => Effect.provideService(consume(options), Clock.Clock, steady)
          }
        )
  )

/** A clock whose wall time is no wall time: where that is set back, turns would not come until it is there again. */
const steadied = (clock: Clock.Clock): Clock.Clock => {
  const millis = () => Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    currentTimeNanos: clock.monotonicTimeNanos,
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
}

/** Made when it is needed: a program may well start without a limiter. */
const silent = () =>
  Effect.fail(RateLimiter.RateLimiterError.make({
    reason: RateLimiter.RateLimitStoreError.make({
      message: `the limiter did not answer within ${patience} milliseconds`
    })
  }))

/** A limiter may be shared with others, who have keys of their own. */
const prefix = "reclose/http/"

export const makeRate = (
  { algorithm, limit, maxKeys, maxWait, maxWaiting, window }: ValidRate,
  pauses: Pauses | undefined
): Effect.Effect<Rate> =>
  Effect.map(consumeOf(maxKeys), (consume) => {
    /** How many wait for a turn, by key; there as long as somebody does. */
    const waiting = new Map<string, number>()
    const throttled = (key: string, waited: number) => {
      const pause = Math.ceil(pauses?.remaining(key) ?? 0)
      return Effect.fail(
        new Throttled({
          key,
          by: "rateLimit",
          limit,
          waited: Duration.millis(waited),
          retryAfter: pause === 0 ? undefined : Duration.millis(pause)
        })
      )
    }

    /** Tries until it has waited for as long as it may: others who wait may be quicker. */
    const turn = (key: string, waited: number): Effect.Effect<void, Throttled> => {
      const pause = pauses?.remaining(key) ?? 0
      return pause > 0 ?
        retry(key, waited, Math.ceil(pause)) :
        consume({ key: prefix + key, limit, window: Duration.millis(window), algorithm, onExceeded: "fail" })
          .pipe(
            Effect.asVoid,
            Effect.catch(({ reason }) => {
              if (reason._tag === "RateLimitStoreError") {
                // Fails open: the limiter's store is not the dependency.
                return Effect.logWarning(`A request for ${key} is not limited: ${reason.message}`)
              }
              return retry(key, waited, Math.max(1, Duration.toMillis(reason.retryAfter)))
            })
          )
    }

    /** Tries again after a wait, in milliseconds, if it may wait for that long. */
    const retry = (key: string, waited: number, wait: number): Effect.Effect<void, Throttled> => {
      if (waited + wait > maxWait) return throttled(key, waited)
      const next = Effect.delay(Effect.suspend(() => turn(key, waited + wait)), Duration.millis(wait))
      return waited === 0 ? inLine(key, next) : next
    }

    /** Waits, if there is room. Who gets a turn at once waits for nothing, and takes none. */
    const inLine = (key: string, next: Effect.Effect<void, Throttled>): Effect.Effect<void, Throttled> =>
      Effect.suspend(() => {
        const others = waiting.get(key) ?? 0
        if (others >= maxWaiting) return throttled(key, 0)
        waiting.set(key, others + 1)
        return Effect.ensuring(next, Effect.sync(() => leave(key)))
      })

    const leave = (key: string): void => {
      const others = (waiting.get(key) ?? 1) - 1
      if (others === 0) waiting.delete(key)
      else waiting.set(key, others)
    }

    return (key) => Effect.suspend(() => turn(key, 0))
  })
