/**
 * How many requests a dependency is sent at once, and in a time.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"

/**
 * How many requests of a circuit's key may be under way at once.
 *
 * **Details**
 *
 * A request has its place until its call is over: that is mostly the end of its body, also of a stream of events. It is sooner
 * with `settleOn: "headers"`, and where the caller does not read on for longer than `timeLimits.unread`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConcurrencyPolicy {
  /** How many, 1 to 10,000. */
  readonly limit: number
  /** How long a request may wait for a place, 0 to 1 hour. Default 1 second. */
  readonly maxWait?: Duration.Input | undefined
  /** How many may wait at once, 0 to 100,000. Default 1,000. */
  readonly maxWaiting?: number | undefined
}

/**
 * How many requests of a circuit's key may be sent in a time.
 *
 * **Details**
 *
 * If the dependency answers 429 with `Retry-After`, requests of the same key wait for that time, up to 1 hour, whatever
 * `classify` says. A request that would wait for longer than `maxWait` fails at once.
 *
 * **Gotchas**
 *
 * - Where more than `maxKeys` keys are in use within a window, the one that was used longest ago is forgotten, and may send a
 *   whole `limit` again.
 * - Effect's `RateLimiter.layerStoreMemory` keeps every key for as long as it lives. Where keys come from outside, as origins
 *   of webhooks do, provide no `RateLimiter`, or one whose store forgets, such as that in Redis.
 *
 * @category models
 * @since 0.1.0
 */
export interface RatePolicy {
  /** How many in a window, 1 to 1,000,000. */
  readonly limit: number
  /** How long a window is, 1 millisecond to 1 day. Default 1 second. */
  readonly window?: Duration.Input | undefined
  /** How they are spread over it, see Effect's `RateLimiter`. Default `"token-bucket"`. */
  readonly algorithm?: "token-bucket" | "fixed-window" | undefined
  /** How long a request may wait for its turn, 0 to 1 hour. Default 1 second. */
  readonly maxWait?: Duration.Input | undefined
  /** How many may wait at once, 0 to 100,000. Default 1,000. */
  readonly maxWaiting?: number | undefined
  /**
   * How many keys the client's own limiter counts at once, 1 to 10,000,000. Default 10,000. A `RateLimiter` that the program
   * provides has bounds of its own.
   */
  readonly maxKeys?: number | undefined
}

/**
 * Raised when a request is not sent, because too many others are.
 *
 * **Details**
 *
 * - `key`: the circuit's key, whose requests they are.
 * - `by`: the limit that it met: of what is under way at once, or in a time.
 * - `limit`: how many there may be.
 * - `waited`: how long the request has waited: `maxWait`, or zero if it made no sense to, because that would not have been
 *   enough, or too many waited already.
 * - `retryAfter`: how long the dependency asks to be sent nothing, if it has answered a request with 429 and `Retry-After`;
 *   up to 1 hour. Otherwise `undefined`.
 *
 * It says nothing about the dependency: no circuit counts it, and it is not retried.
 *
 * **Example** (One at a time, and nobody waits)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore } from "@reclose/core"
 * import { HttpBreaker } from "@reclose/http"
 * import { Effect, Layer } from "effect"
 * import { HttpClient } from "effect/http"
 *
 * const quotes = HttpClient.make(() => Effect.never)
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* HttpBreaker.make(quotes, { concurrency: { limit: 1, maxWait: 0 } })
 *   yield* Effect.forkChild(client.get("https://quotes.example/ACME"), { startImmediately: true })
 *   const error = yield* Effect.flip(client.get("https://quotes.example/INIT"))
 *   return error._tag === "Throttled" && error.by
 * })
 *
 * const Breakers = CircuitBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory))
 *
 * await Effect.runPromise(Effect.scoped(Effect.provide(program, Breakers))) // => "concurrency"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class Throttled extends Data.TaggedError("Throttled")<{
  readonly key: string
  readonly by: "concurrency" | "rateLimit"
  readonly limit: number
  readonly waited: Duration.Duration
  readonly retryAfter?: Duration.Duration | undefined
}> {
  override get message(): string {
    const { by, key, limit, retryAfter } = this
    if (retryAfter !== undefined) {
      return `A request to ${JSON.stringify(key)} was not sent: the dependency answered 429 and asked to wait, ${
        Duration.format(retryAfter)
      } from now; send it later, or raise ${by}.maxWait`
    }
    const what = by === "concurrency" ? `place: ${limit} at once` : `turn: ${limit} in a window`
    const waited = Duration.isZero(this.waited) ? "" : `, and that was so for ${Duration.format(this.waited)}`
    return `A request to ${
      JSON.stringify(key)
    } found no ${what} is the limit${waited}; send fewer, or raise ${by}.limit or ${by}.maxWait`
  }
}
