/**
 * Circuits as JSON: kept in a file, moved to another process, restored there.
 *
 * **Details**
 *
 * A snapshot holds no instants, only the time that is left, in milliseconds; so it means the same under another clock,
 * and the time between taking and restoring it does not count.
 *
 * **Example** (Across a restart)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore, Snapshot, TripRule, withBreaker } from "@reclose/core"
 * import { Effect } from "effect"
 *
 * const breaker = CircuitBreaker.make({ tripRule: TripRule.consecutive(1) })
 *
 * const program = Effect.gen(function*() {
 *   const before = yield* breaker
 *   yield* Effect.fail("down").pipe(before.withBreaker("quotes"), Effect.flip)
 *   const file = JSON.stringify(Snapshot.toJson(yield* before.snapshot))
 *
 *   const after = yield* breaker
 *   yield* after.restore(yield* Snapshot.fromJson(JSON.parse(file)))
 *   return (yield* after.state("quotes")).phase
 * })
 *
 * // A store each, so that nothing but the file connects the two.
 * await Effect.runPromise(Effect.scoped(Effect.provide(program, CircuitStore.layerMemory))) // => "Open"
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { count, findUnreadable, millis, toReadable, upToDays } from "./internal/Bounds.ts"
import type { CircuitSnapshot } from "./machine/Snapshot.ts"

const rate = Schema.Literals(["FailureRate", "SlowCallRate"])

const Measured = Schema.Union([
  Schema.TaggedStruct("Consecutive", { failures: count }),
  Schema.TaggedStruct("Calls", {
    rule: rate,
    slowerThan: millis,
    outcomes: Schema.String.check(Schema.isMaxLength(1_000_000), Schema.isPattern(/^[01]*$/))
  }),
  Schema.TaggedStruct("Time", {
    rule: Schema.Literals(["FailureRate", "SlowCallRate", "Failures"]),
    slowerThan: millis,
    buckets: Schema.Array(
      Schema.Struct({ age: millis, calls: count, hits: count }).check(
        Schema.makeFilter(({ calls, hits }) => hits <= calls || "a bucket has no more hits than calls")
      )
    )
  })
])

const CircuitRecord = Schema.Struct({
  key: Schema.String,
  phase: Schema.Literals(["Closed", "Open"]),
  generation: count,
  consecutiveOpenings: count,
  openDuration: upToDays(7),
  remaining: upToDays(7),
  warmUp: upToDays(1),
  override: Schema.Literals(["None", "ForcedOpen", "ForcedClosed", "Disabled", "MetricsOnly"]),
  measured: Schema.Array(Measured)
})

const BreakerRecord = Schema.Struct({ version: Schema.Literal(1), circuits: Schema.Array(CircuitRecord) })

/**
 * All circuits of a breaker as plain data.
 *
 * @category models
 * @since 0.1.0
 */
export interface BreakerSnapshot {
  /** The version of this form. */
  readonly version: 1
  readonly circuits: ReadonlyArray<KeyedSnapshot>
}

/**
 * One circuit as plain data, with its key.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyedSnapshot extends CircuitSnapshot {
  readonly key: string
}

/**
 * The snapshot in the form that JSON can hold.
 *
 * @category codecs
 * @since 0.1.0
 */
export const toJson = (snapshot: BreakerSnapshot): unknown => {
  const json = Schema.encodeSync(BreakerRecord)(snapshot)
  return findUnreadable(json) === undefined ? json : toReadable(json)
}

/**
 * Reads a snapshot from parsed JSON.
 *
 * **Details**
 *
 * Fails with a `SchemaError` that says where what was read is no snapshot. Nothing is restored then. Numbers go up to
 * 2^50, and lists are bounded like those of records, so that whatever can be read can be written again.
 *
 * @category codecs
 * @since 0.1.0
 */
export const fromJson = (json: unknown): Effect.Effect<BreakerSnapshot, Schema.SchemaError> =>
  Effect.flatMap(Schema.decodeUnknownEffect(Bounded)(json), Schema.decodeUnknownEffect(BreakerRecord))

/** Anything without a number or a list that is not read, looked for before any element. */
const Bounded = Schema.Unknown.check(Schema.makeFilter((json) => findUnreadable(json) ?? true))
