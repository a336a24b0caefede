/**
 * What a store keeps of a circuit, and its form as text.
 *
 * **Details**
 *
 * A record is made and read by breakers; a store only keeps it. Its durations are milliseconds that count from `time`,
 * the store's own clock, so they mean the same to every process, whatever its clock says.
 *
 * Stores that keep text use `toText` and `fromText`, so that every store holds the same.
 *
 * **Example** (There and back)
 *
 * ```ts
 * import { CircuitRecord } from "@reclose/core"
 * import { Effect } from "effect"
 *
 * const record: CircuitRecord.CircuitRecord = {
 *   version: 1,
 *   time: 1_790_000_000_000,
 *   timeToLive: 3_600_000,
 *   generation: 0,
 *   phase: { _tag: "Closed", openings: 0, remaining: 0 },
 *   override: "None",
 *   policy: "1x2y3z",
 *   evidence: [{ _tag: "Consecutive", failures: 2 }],
 *   failing: [["k3f9", 1_790_000_000_000]],
 *   writers: [["k3f9", 1]]
 * }
 *
 * const again = await Effect.runPromise(CircuitRecord.fromText("quotes", CircuitRecord.toText(record)))
 *
 * again // => record
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Change, CircuitStoreError } from "./CircuitStore.ts"
import { count, millis } from "./internal/Bounds.ts"
import type { Override } from "./machine/Circuit.ts"
import { revisionOf } from "./sync/overrideAct.ts"

/**
 * What a store keeps of one circuit.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitRecord {
  /** Names this state of the record, for whoever replaces it: larger with each write, by one while the record lives. */
  readonly version: number
  /** When it was written, by the store's clock, in milliseconds since 1970. */
  readonly time: number
  /** For how many milliseconds after `time` it matters. Undefined: until it is replaced. */
  readonly timeToLive: number | undefined
  /** Counts the phases of the circuit, over all processes: larger with each change of phase. */
  readonly generation: number
  readonly phase: RecordPhase
  readonly override: Override
  /** The operator's act that set or ended `override`. Undefined in a record of a release that knew none. */
  readonly act?: OverrideAct
  /** Tells trip rules apart: counts under one rule mean nothing to another. */
  readonly policy: string
  /** What all processes have counted, one entry for each part of the trip rule that can be shared, in its order. */
  readonly evidence: ReadonlyArray<SharedCount>
  /** The processes that saw failures lately, each with the time at which it last did; at most 32. */
  readonly failing: ReadonlyArray<readonly [process: string, time: number]>
  /** Since when some process has been failing, with no longer pause than the rule looks back. */
  readonly failingSince?: number
  /** Who wrote the latest versions, oldest first, each with its own number for the write; at most 32. */
  readonly writers: ReadonlyArray<readonly [process: string, write: number]>
}

/**
 * An operator's act on a circuit: one that set an override, or ended it (`None`).
 *
 * **Details**
 *
 * `stamp` orders acts and phases of a circuit: it is larger than every earlier stamp and generation, and at least the
 * store's time in milliseconds since 1970. It measures no time. `by` is the instance of the operator; it decides between
 * equal stamps.
 *
 * @category models
 * @since 0.1.0
 */
export interface OverrideAct {
  readonly kind: Override
  readonly stamp: number
  readonly by: string
}

/**
 * The phase of a recorded circuit. `remaining` is what is left at the record's `time`, in milliseconds: of the openings
 * in a row before they are forgotten (`Closed`), of the opening (`Open`), of the trial (`HalfOpen`).
 *
 * @category models
 * @since 0.1.0
 */
export type RecordPhase =
  | { readonly _tag: "Closed"; readonly openings: number; readonly remaining: number }
  | { readonly _tag: "Open"; readonly openings: number; readonly duration: number; readonly remaining: number }
  | {
    readonly _tag: "HalfOpen"
    readonly openings: number
    readonly openDuration: number
    readonly probes: ReadonlyArray<number>
    readonly nextProbe: number
    readonly successes: number
    readonly failures: number
    readonly remaining: number
  }

/**
 * What all processes have counted for one part of a trip rule: the streak of failures; the latest calls, in blocks of a
 * tenth of the window; the calls of a window of time, in buckets of a tenth of it, numbered by the store's clock.
 *
 * @category models
 * @since 0.1.0
 */
export type SharedCount =
  | { readonly _tag: "Consecutive"; readonly failures: number }
  | { readonly _tag: "Calls"; readonly blocks: ReadonlyArray<readonly [calls: number, hits: number]> }
  | { readonly _tag: "Time"; readonly buckets: ReadonlyArray<readonly [bucket: number, calls: number, hits: number]> }

const Phase = Schema.Union([
  Schema.TaggedStruct("Closed", { openings: count, remaining: millis }),
  Schema.TaggedStruct("Open", { openings: count, duration: millis, remaining: millis }),
  Schema.TaggedStruct("HalfOpen", {
    openings: count,
    openDuration: millis,
    probes: Schema.Array(count),
    nextProbe: count,
    successes: count,
    failures: count,
    remaining: millis
  })
])

const Counts = Schema.Union([
  Schema.TaggedStruct("Consecutive", { failures: count }),
  Schema.TaggedStruct("Calls", { blocks: Schema.Array(Schema.Tuple([count, count])) }),
  Schema.TaggedStruct("Time", { buckets: Schema.Array(Schema.Tuple([count, count, count])) })
])

const override = Schema.Literals(["None", "ForcedOpen", "ForcedClosed", "Disabled", "MetricsOnly"])

/** The version of the form, not of a record: another one is not read, and not overwritten. */
const form = 1

const Form = Schema.fromJsonString(Schema.Struct({ form: Schema.Int }))

/** In characters. A breaker writes half a kilobyte to two, and a third of this for the largest rule that a policy may have. */
const maxTextLength = 65_536

const Document = Schema.fromJsonString(Schema.Struct({
  form: Schema.Literal(form),
  version: count,
  time: millis,
  timeToLive: Schema.optional(millis),
  generation: count,
  phase: Phase,
  override,
  act: Schema.optionalKey(Schema.Struct({ kind: override, stamp: count, by: Schema.String })),
  policy: Schema.String,
  evidence: Schema.Array(Counts),
  failing: Schema.Array(Schema.Tuple([Schema.String, millis])),
  failingSince: Schema.optionalKey(millis),
  writers: Schema.Array(Schema.Tuple([Schema.String, count]))
}))

const encode = Schema.encodeSync(Document)
const decode = Schema.decodeUnknownEffect(Document)

/**
 * Returns the record as text, half a kilobyte to two.
 *
 * @category codecs
 * @since 0.1.0
 */
export const toText = (record: CircuitRecord): string => encode({ form, ...record })

/**
 * Reads a record that was held for a key.
 *
 * **Details**
 *
 * Fails with a `CircuitStoreError` of the operation `read`: with the reason `ForeignVersion` for a record of another
 * release, with `Corrupt` for what is no record. A breaker leaves either alone and goes on by local judgement.
 *
 * What is read is bounded, so that nothing that stands in a store can hold up a process, or be counted on from until it
 * can't be written any more: 65,536 characters, numbers up to 2^52, 1,024 entries in a list.
 *
 * **Example** (What is no record)
 *
 * ```ts
 * import { CircuitRecord } from "@reclose/core"
 * import { Effect } from "effect"
 *
 * const error = await Effect.runPromise(Effect.flip(CircuitRecord.fromText("quotes", "42")))
 *
 * error.reason // => "Corrupt"
 * ```
 *
 * @category codecs
 * @since 0.1.0
 */
export const fromText = (key: string, text: string): Effect.Effect<CircuitRecord, CircuitStoreError> =>
  text.length > maxTextLength ? Effect.fail(tooLong(key, text.length)) : decode(text).pipe(
    Effect.map((
      { evidence, failing, generation, override, phase, policy, time, timeToLive, version, writers, ...more }
    ) => ({
      version,
      time,
      timeToLive,
      generation,
      phase,
      override,
      ...(more.act === undefined ? {} : { act: more.act }),
      policy,
      evidence,
      failing,
      ...(more.failingSince === undefined ? {} : { failingSince: more.failingSince }),
      writers
    })),
    Effect.catch((cause) =>
      Effect.flatMap(Effect.option(Schema.decodeUnknownEffect(Form)(text)), (other) =>
        Effect.fail(
          other._tag === "Some" && other.value.form !== form
            ? new CircuitStoreError({
              key,
              operation: "read",
              reason: "ForeignVersion",
              message: `the record has form ${other.value.form} and this release reads form ${form}; ` +
                "it is left alone: bring all processes to one release, or give this one a prefix or table of its own",
              cause
            })
            : new CircuitStoreError({
              key,
              operation: "read",
              reason: "Corrupt",
              message: "what is held is no record of a circuit; it is left alone: delete it to share the circuit again",
              cause
            })
        ))
    )
  )

const tooLong = (key: string, length: number): CircuitStoreError =>
  new CircuitStoreError({
    key,
    operation: "read",
    reason: "Corrupt",
    message: `what is held has ${length} characters, and a record of a circuit ${maxTextLength} at most; ` +
      "it is left alone: delete it to share the circuit again"
  })

/**
 * Returns what a store that announces its changes has to say of a record that was written for a key.
 *
 * **Details**
 *
 * `generation` is the larger of the record's generation and the stamp of its act, so that it grows with an operator's
 * act, too. An instance reads a record of another generation at once, and a record of the same one within `flushEvery`.
 *
 * **Example** (An act is news)
 *
 * ```ts
 * import { CircuitRecord } from "@reclose/core"
 *
 * const record: CircuitRecord.CircuitRecord = {
 *   version: 5,
 *   time: 1_790_000_000_000,
 *   timeToLive: undefined,
 *   generation: 1_790_000_000_000,
 *   phase: { _tag: "Closed", openings: 0, remaining: 0 },
 *   override: "ForcedOpen",
 *   act: { kind: "ForcedOpen", stamp: 1_790_000_000_001, by: "k3f9" },
 *   policy: "1x2y3z",
 *   evidence: [],
 *   failing: [],
 *   writers: [["k3f9", 1]]
 * }
 *
 * CircuitRecord.changeOf("quotes", record).generation // => 1790000000001
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const changeOf = (key: string, record: CircuitRecord): Extract<Change, { readonly _tag: "Changed" }> => ({
  _tag: "Changed",
  key,
  version: record.version,
  generation: revisionOf(record)
})
