/**
 * The state of a circuit as data that leaves the process: for an admin API, a dashboard, a file.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { CircuitState } from "./CircuitState.ts"

const phase = Schema.Literals(["Closed", "Open", "HalfOpen"])
const override = Schema.Literals(["None", "ForcedOpen", "ForcedClosed", "Disabled", "MetricsOnly"])
const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const rate = {
  rate: Schema.Finite,
  hits: count,
  calls: count,
  threshold: Schema.Finite,
  minimumCalls: count
}

const Reading = Schema.Union([
  Schema.TaggedStruct("Consecutive", { failures: count, threshold: count }),
  Schema.TaggedStruct("Failures", { failures: count, threshold: count, window: Schema.Finite }),
  Schema.TaggedStruct("FailureRate", rate),
  Schema.TaggedStruct("SlowCallRate", rate),
  Schema.TaggedStruct("InFlightAge", { calls: count, threshold: count, olderThan: Schema.Finite })
])

const TransitionReason = Schema.Union([
  Schema.TaggedStruct("Tripped", { readings: Schema.Array(Reading) }),
  Schema.TaggedStruct("OpenElapsed", {}),
  Schema.TaggedStruct("ProbesSucceeded", {}),
  Schema.TaggedStruct("ProbeFailed", {}),
  Schema.TaggedStruct("DeadlineExpired", {}),
  Schema.TaggedStruct("ForcedClosed", {}),
  Schema.TaggedStruct("Reset", {}),
  Schema.TaggedStruct("Learned", {}),
  Schema.TaggedStruct("Restored", {})
])

const Transition = Schema.TaggedStruct("Transition", {
  key: Schema.String,
  time: Schema.Finite,
  from: phase,
  to: phase,
  reason: TransitionReason,
  generation: count,
  consecutiveOpenings: count,
  openDuration: Schema.DurationFromMillis,
  override
})

const State = Schema.Struct({
  key: Schema.String,
  phase,
  override,
  generation: count,
  consecutiveOpenings: count,
  retryAfter: Schema.DurationFromMillis,
  isRejecting: Schema.Boolean,
  rejection: Schema.UndefinedOr(
    Schema.Struct({
      reason: Schema.Literals(["Tripped", "Probing", "Forced"]),
      retryAfter: Schema.DurationFromMillis
    })
  ),
  lastTransition: Schema.UndefinedOr(Transition),
  probes: count,
  readings: Schema.Array(Reading),
  counts: Schema.Struct({ succeeded: count, failed: count, ignored: count, rejected: count })
})

/**
 * The schema of `CircuitState`. Encoded, durations are numbers of milliseconds and everything is JSON.
 *
 * **Example** (All circuits as JSON)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStateSchema, TripRule, withBreaker } from "@reclose/core"
 * import { Effect, Schema } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.fail("down").pipe(withBreaker("quotes"), Effect.flip)
 *   const states = yield* CircuitBreaker.use((breaker) => breaker.list)
 *   return states.map((state) => Schema.encodeSync(CircuitStateSchema)(state))
 * })
 *
 * const Breakers = CircuitBreaker.layerLocal({ tripRule: TripRule.consecutive(1), openDuration: "5 seconds" })
 *
 * const [quotes] = await Effect.runPromise(Effect.provide(program, Breakers))
 *
 * JSON.stringify(quotes).includes('"isRejecting":true') // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const CircuitStateSchema = Schema.toCodecJson(State)

// Neither has a field that the other lacks: a field that is added to a state has to be added to its schema.
const _: [
  (state: CircuitState) => typeof State.Type,
  (state: typeof State.Type) => CircuitState
] = [(state) => state, (state) => state]
void _
