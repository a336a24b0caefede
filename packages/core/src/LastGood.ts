/**
 * The last good answer of each key, remembered for when the next one fails to come.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Answers } from "./internal/Answers.ts"
import { AnswerStore } from "./internal/AnswerStore.ts"
import { publish } from "./internal/FallbackBus.ts"
import * as Reader from "./internal/Reader.ts"
import { CircuitTime } from "./machine/CircuitTime.ts"
import { PolicyError } from "./PolicyError.ts"

/**
 * An answer that was good once, and how long ago that was.
 *
 * @category models
 * @since 0.1.0
 */
export interface Remembered<out A> {
  readonly value: A
  readonly age: Duration.Duration
}

/**
 * Remembers the last good answer of each key.
 *
 * @category models
 * @since 0.1.0
 */
export interface LastGood<in out A> {
  /** Takes an answer as the latest of its key. It waits for no store. */
  readonly remember: (key: string, answer: A) => Effect.Effect<void>
  /** The latest answer of a key, however old. */
  readonly recall: (key: string) => Effect.Effect<Remembered<A> | undefined>
  /**
   * Answers when all that was remembered is in the store, after `storeTimeout` at the latest. For processes that are about
   * to be frozen or to end without closing their scopes; all others needn't call it.
   */
  readonly flush: Effect.Effect<void>
}

/**
 * How much is remembered.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemoryOptions {
  /**
   * How many keys are remembered in memory, 1 to 10,000,000; beyond it, the answer that was remembered longest ago makes
   * room. Default 1,000: answers may be large.
   */
  readonly maxKeys?: number | undefined
}

/**
 * How answers are kept in a store.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoredOptions<A> extends MemoryOptions {
  /** Where answers outlive the process, such as `yield* KeyValueStore.KeyValueStore`. */
  readonly store: KeyValueStore.KeyValueStore
  /** What an answer is, in JSON. Text of the store that doesn't fit is treated as absent. */
  readonly schema: Schema.Codec<A, unknown>
  /** Stands before each key in the store. Answers of another schema need another one. Default `"reclose/lastGood/"`. */
  readonly prefix?: string | undefined
  /** How long a degraded answer waits for the store, and a write may take, 1 millisecond to 1 minute. Default 500 milliseconds. */
  readonly storeTimeout?: Duration.Input | undefined
}

const maxKeys = Reader.field(Reader.integer(1, 10_000_000), 1000)
const memoryFields = { maxKeys }
const storedFields = { maxKeys, storeTimeout: Reader.field(Reader.duration("1 millis", "1 minute"), "500 millis") }

/** Reads the options that have bounds, or all mistakes in them. */
const readOptions = <A extends object>(
  read: (reading: Reader.Reading) => Reader.Read<A>
): Effect.Effect<A, PolicyError> =>
  Effect.suspend(() => {
    const reading: Reader.Reading = { issues: [] }
    const options = Reader.complete<A>(read(reading))
    return options === undefined ? Effect.fail(new PolicyError({ issues: reading.issues })) : Effect.succeed(options)
  })

/**
 * Remembers answers in memory, for as long as the program lives.
 *
 * **Details**
 *
 * Ages are monotonic: no step of the wall clock makes an answer younger or older. Fails with a `PolicyError` for a
 * `maxKeys` out of bounds.
 *
 * **Example** (The latest, with its age)
 *
 * ```ts
 * import { LastGood } from "@reclose/core"
 * import { Duration, Effect } from "effect"
 * import { TestClock } from "effect/testing"
 *
 * const program = Effect.gen(function*() {
 *   const quotes = yield* LastGood.memory<string>()
 *   yield* quotes.remember("ACME", "41")
 *   yield* quotes.remember("ACME", "42")
 *   yield* TestClock.adjust("90 seconds")
 *   const last = yield* quotes.recall("ACME")
 *   return last && `${last.value}, ${Duration.format(last.age)} ago`
 * })
 *
 * await Effect.runPromise(Effect.provide(program, TestClock.layer())) // => "42, 1m 30s ago"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const memory = Effect.fnUntraced(function*<A>(
  options: MemoryOptions = {}
): Effect.fn.Return<LastGood<A>, PolicyError> {
  const { maxKeys } = yield* readOptions((reading) => ({
    maxKeys: Reader.option({ ...options }, memoryFields, "maxKeys", "", reading)
  }))
  const { at, answers } = yield* makeAnswers<A>(maxKeys)
  return {
    remember: (key, value) => Effect.sync(() => void answers.set(key, { value, at: at() })),
    recall: (key) =>
      Effect.sync(() => {
        const held = answers.get(key)
        return held && { value: held.value, age: Duration.millis(at() - held.at) }
      }),
    flush: Effect.void
  }
})

const makeAnswers = <A>(maxKeys: number) =>
  Effect.map(Clock.Clock, (clock) => {
    const time = new CircuitTime()
    return {
      answers: new Answers<A>(maxKeys),
      at: () => time.at(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)
    }
  })

/**
 * By how much the clocks of two processes may differ. A record from further in the future tells nothing of its age, and
 * could be served for as long as the clocks are apart.
 */
const clockTolerance = 60_000

/**
 * Remembers answers in memory and in a store, so that they outlive the process and reach others.
 *
 * **Details**
 *
 * - Writes go beside the calls: `remember` never waits. One write of a key follows another, so an answer is never replaced
 *   by an older one of the same process, and of many that come during a write only the latest is written. What is not
 *   written yet when the scope closes is, within `storeTimeout`.
 * - `recall` answers the younger of what this process remembers and what another one has written, and waits for the store
 *   for `storeTimeout` at most. A store that fails, hangs, or holds something else never fails a call: `Fallback.events`
 *   tells.
 * - The age of what this process remembers is monotonic. The age of what another one has written, or this one before it
 *   was started anew, is by the wall clocks of both; a record from the future is new if that is by less than a minute, and
 *   else treated as absent.
 *
 * **Gotchas**
 *
 * A `KeyValueStore` has no expiry: it keeps a record for each key until somebody removes it. It has no compare-and-set
 * either: if two processes write at the same moment, the answer that stays may be the older one by as long as a write takes.
 *
 * **Example** (An answer that outlives its process)
 *
 * ```ts
 * import { LastGood } from "@reclose/core"
 * import { Effect, Schema } from "effect"
 * import { KeyValueStore } from "effect/persistence"
 *
 * const quotes = Effect.gen(function*() {
 *   return yield* LastGood.stored({
 *     store: yield* KeyValueStore.KeyValueStore,
 *     schema: Schema.Struct({ price: Schema.Finite })
 *   })
 * })
 *
 * const before = Effect.flatMap(quotes, (quotes) => quotes.remember("ACME", { price: 42 }))
 * const after = Effect.flatMap(quotes, (quotes) => quotes.recall("ACME"))
 *
 * const program = Effect.andThen(Effect.scoped(before), Effect.scoped(after))
 *
 * const last = await Effect.runPromise(Effect.provide(program, KeyValueStore.layerMemory))
 *
 * last?.value // => { price: 42 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const stored = Effect.fnUntraced(function*<A>(
  options: StoredOptions<A>
): Effect.fn.Return<LastGood<A>, PolicyError, Scope.Scope> {
  const { maxKeys, storeTimeout } = yield* readOptions((reading) => ({
    maxKeys: Reader.option({ ...options }, storedFields, "maxKeys", "", reading),
    storeTimeout: Reader.option({ ...options }, storedFields, "storeTimeout", "", reading)
  }))
  const { at, answers } = yield* makeAnswers<A>(maxKeys)
  const { prefix = "reclose/lastGood/", store } = options
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  // Tells this process's own records from those of others, of which only the wall clock knows the age.
  const writer = Math.floor((yield* Random.next) * 36 ** 8).toString(36)
  const record = Schema.fromJsonString(Schema.Struct({
    form: Schema.Literal(1),
    time: Schema.Finite,
    writer: Schema.String,
    value: Schema.toCodecJson(options.schema)
  }))
  const encode = Schema.encodeEffect(record)
  const decode = Schema.decodeUnknownEffect(record)

  const corrupt = (key: string, cause: Cause.Cause<unknown>) =>
    Effect.as(publish({ _tag: "AnswerCorrupt", key, cause }), undefined)

  const answerStore = new AnswerStore<{ readonly value: A; readonly age: number; readonly isOwn: boolean }>({
    read: (key) =>
      Effect.flatMap(store.get(prefix + key), (text) =>
        text === undefined ? Effect.undefined : decode(text).pipe(
          Effect.flatMap(({ time, value, writer: by }) => {
            const age = now() - time
            return age >= -clockTolerance
              ? Effect.succeed({ value, age: Math.max(age, 0), isOwn: by === writer })
              : Effect.fail(`an answer of ${-age} millis in the future: the clocks of processes have to agree`)
          }),
          Effect.catchCause((cause) => corrupt(key, cause))
        )),
    write: (key) =>
      Effect.suspend(() => {
        const held = answers.get(key)
        if (held === undefined) return Effect.void
        const time = now() - (at() - held.at)
        return Effect.flatMap(encode({ form: 1, time, writer, value: held.value }), (text) =>
          store.set(prefix + key, text))
      }),
    timeout: storeTimeout,
    context: yield* Effect.context<never>()
  })
  yield* Effect.addFinalizer(() => Effect.andThen(answerStore.flush, answerStore.end))

  return {
    remember: (key, value) =>
      Effect.sync(() => {
        const forgotten = answers.set(key, { value, at: at() })
        if (forgotten !== undefined) answerStore.drop(forgotten)
        answerStore.save(key)
      }),
    recall: (key) =>
      Effect.map(answerStore.find(key), (found) => {
        const held = answers.get(key)
        if (held === undefined) return found && { value: found.value, age: Duration.millis(found.age) }
        const age = at() - held.at
        // What the store holds before this process's own answer reaches it is older, whatever the clocks say.
        const isOlder = found === undefined || found.isOwn || age <= found.age || answerStore.isSaving(key)
        return isOlder
          ? { value: held.value, age: Duration.millis(age) }
          : { value: found.value, age: Duration.millis(found.age) }
      }),
    flush: answerStore.flush
  }
})
