/**
 * The error of a call that a circuit did not let through.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"

/**
 * Why a call was rejected.
 *
 * **Details**
 *
 * - `Tripped`: the circuit is open and its time is not up.
 * - `Probing`: the circuit is half-open and all its probes are out.
 * - `Forced`: an operator forced the circuit open, or isolated it.
 *
 * @category models
 * @since 0.1.0
 */
export type RejectionReason = "Tripped" | "Probing" | "Forced"

/**
 * Raised by `withBreaker` instead of making the call.
 *
 * **Details**
 *
 * - `key`: the circuit that rejected the call.
 * - `phase`: `"Open"`, or `"HalfOpen"` while its probes are out.
 * - `reason`: why, see `RejectionReason`.
 * - `retryAfter`: when trying again makes sense. For an open circuit, the time until its next probe. For a half-open
 *   one, the time by which its trial ends at the latest. For one forced open, which only an operator ends, the time
 *   its first opening would last.
 * - `consecutiveOpenings`: how often in a row the circuit has opened, 0 for one that never did.
 *
 * **Gotchas**
 *
 * A rejection must cost little when there are many, so this error captures no stack trace: the span or the log line
 * around the guarded call says where it was.
 *
 * **Example** (Answering later)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore, withBreaker } from "@reclose/core"
 * import { Duration, Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker
 *   yield* breaker.forceOpen("quotes")
 *   return yield* Effect.succeed("42").pipe(
 *     withBreaker("quotes"),
 *     Effect.catchTag("CircuitOpen", (open) => Effect.succeed(`${open.key}: again in ${Duration.format(open.retryAfter)}`))
 *   )
 * })
 *
 * const Breakers = CircuitBreaker.layer({ openDuration: "5 seconds" }).pipe(Layer.provide(CircuitStore.layerMemory))
 *
 * await Effect.runPromise(Effect.provide(program, Breakers)) // => "quotes: again in 5s"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class CircuitOpen extends Data.TaggedError("CircuitOpen")<{
  readonly key: string
  readonly phase: "Open" | "HalfOpen"
  readonly reason: RejectionReason
  readonly retryAfter: Duration.Duration
  readonly consecutiveOpenings: number
}> {
  /** What tells an error apart for tools that don't ask `instanceof`: rejections are built without `Error`'s slot. */
  get [Symbol.toStringTag](): string {
    return "Error"
  }

  override get message(): string {
    const why = this.reason === "Forced"
      ? "was forced open by an operator"
      : this.reason === "Probing"
      ? "is half-open and all its probes are out"
      : "is open"
    return `Circuit ${JSON.stringify(this.key)} ${why}; try again in ${Duration.format(this.retryAfter)}`
  }
}

/**
 * Builds the error without running `Error`'s constructor, whose stack trace costs ten times the rest of a rejection.
 * The instance stands on the class's own prototype, so it is the same error in every way but that it has no stack.
 *
 * @internal
 */
export const make = (() => {
  const Bare = function(
    this: {
      -readonly [K in "_tag" | "key" | "phase" | "reason" | "retryAfter" | "consecutiveOpenings"]: CircuitOpen[K]
    },
    key: string,
    phase: CircuitOpen["phase"],
    reason: RejectionReason,
    retryAfter: Duration.Duration,
    consecutiveOpenings: number
  ) {
    this._tag = "CircuitOpen"
    this.key = key
    this.phase = phase
    this.reason = reason
    this.retryAfter = retryAfter
    this.consecutiveOpenings = consecutiveOpenings
  }
  Bare.prototype = CircuitOpen.prototype
  // A function with this prototype constructs this class; TypeScript has no type for that.
  const Constructor = Bare as unknown as new(...fields: Parameters<typeof Bare>) => CircuitOpen
  return (...fields: Parameters<typeof Bare>): CircuitOpen => new Constructor(...fields)
})()
