/**
 * The last good answer of each key, remembered beyond the life of a process.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Answers, maxKeys } from "./internal/Answers.ts"
import { AnswerStore } from "./internal/AnswerStore.ts"
import { copied } from "./internal/copied.ts"
import { publish } from "./internal/FallbackBus.ts"
import { readOptions } from "./internal/Options.ts"
import * as Reader from "./internal/Reader.ts"
import type { LastGood, MemoryOptions } from "./LastGood.ts"
import type { PolicyError } from "./PolicyError.ts"

/**
 * How answers are kept in a store.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions<A> extends MemoryOptions<A> {
  /** Where answers outlive the process, such as `yield* KeyValueStore.KeyValueStore`. */
  readonly store: KeyValueStore.KeyValueStore
  /** What an answer is, in JSON. Text of the store that doesn't fit is treated as absent. */
  readonly schema: Schema.Codec<A, unknown>
  /** Stands before each key in the store. Answers of another schema need another one. Default `"reclose/lastGood/"`. */
  readonly prefix?: string | undefined
  /** How long a degraded answer waits for the store, and a write may take, 1 millisecond to 1 minute. Default 500 milliseconds. */
  readonly storeTimeout?: Duration.Input | undefined
}

const fields = { maxKeys, storeTimeout: Reader.field(Reader.duration("1 millis", "1 minute"), "500 millis") }

/** What this process or a store knows of a key: its answer, or that it was forgotten, and how many milliseconds ago. */
interface Known<A> {
  readonly answer: { readonly value: A } | undefined
  readonly age: number
}

/** What a store knows of a key. */
interface Found<A> extends Known<A> {
  /** Whether this process wrote it. */
  readonly isOwn: boolean
  /** Which answer this process held when it asked. */
  readonly mark: object | undefined
}

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
 * - `forget` replaces the record of a key by one that says when it was forgotten. A process that remembers an older answer
 *   learns of it there. Until that record is written, this process serves no answer of the store for the key.
 * - The age of what this process remembers is monotonic. The age of what another one has written, or this one before it
 *   was started anew, is by the wall clocks of both; a record from the future is new if that is by less than a minute, and
 *   else treated as absent.
 *
 * **Gotchas**
 *
 * A `KeyValueStore` has no expiry: it keeps a record for each key until somebody removes it. It has no compare-and-set
 * either: if two processes write at the same moment, the answer that stays may be the older one by as long as a write takes.
 *
 * A write that failed is not made again: the answer stays with this process, and the store keeps the one before.
 *
 * An answer is held by reference until it is encoded, so a caller that changes it changes what others recall, and what is
 * written. `copy` prevents that; what comes from the store is decoded anew for each read.
 *
 * What this process remembers grows no older while it is frozen, as in `LastGood.memory`.
 *
 * **Example** (An answer that outlives its process)
 *
 * ```ts
 * import { LastGoodStore } from "@reclose/core"
 * import { Effect, Schema } from "effect"
 * import { KeyValueStore } from "effect/persistence"
 *
 * const quotes = Effect.gen(function*() {
 *   return yield* LastGoodStore.make({
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
export const make = Effect.fnUntraced(function*<A>(
  options: StoreOptions<A>
): Effect.fn.Return<LastGood<A>, PolicyError, Scope.Scope> {
  const { maxKeys, storeTimeout } = yield* readOptions((reading) => ({
    maxKeys: Reader.option({ ...options }, fields, "maxKeys", "", reading),
    storeTimeout: Reader.option({ ...options }, fields, "storeTimeout", "", reading)
  }))
  const { prefix = "reclose/lastGood/", store } = options
  const clock = yield* Clock.Clock
  const answers = new Answers<A>(maxKeys, clock)
  const now = () => clock.currentTimeMillisUnsafe()
  // Tells this process's own records from those of others, of which only the wall clock knows the age.
  const writer = Math.floor((yield* Random.next) * 36 ** 8).toString(36)
  const record = Schema.fromJsonString(Schema.Struct({
    form: Schema.Literal(1),
    time: Schema.Finite,
    writer: Schema.String,
    value: Schema.toCodecJson(options.schema)
  }))
  const tombstone = Schema.fromJsonString(Schema.Struct({
    form: Schema.Literal(1),
    time: Schema.Finite,
    writer: Schema.String,
    forgotten: Schema.Literal(true)
  }))
  const encode = Schema.encodeEffect(record)
  const encodeTombstone = Schema.encodeEffect(tombstone)
  const isTombstone = Schema.is(Schema.toType(tombstone))
  const decode = Schema.decodeUnknownEffect(Schema.Union([tombstone, record]))

  const corrupt = (key: string, cause: Cause.Cause<unknown>) =>
    Effect.as(publish({ _tag: "AnswerCorrupt", key, cause }), undefined)

  /** Replaces the answer in the store, so that a process that remembers an older one learns of it. */
  const writeForgotten = (key: string): Effect.Effect<void, unknown> => {
    const mark = answers.mark(key)
    const age = answers.forgottenFor(key)
    if (mark === undefined || age === undefined) return Effect.void
    const written = Effect.flatMap(
      encodeTombstone({ form: 1, time: now() - age, writer, forgotten: true }),
      (text) => store.set(prefix + key, text)
    )
    return Effect.flatMap(
      store.get(prefix + key),
      // A key that the store does not know needs no record: else each unknown key would become one.
      (text) => text === undefined ? Effect.void : written
    ).pipe(Effect.andThen(Effect.sync(() => answers.settle(key, mark))))
  }

  const answerStore = new AnswerStore<Found<A>>({
    read: (key) =>
      Effect.suspend(() => {
        const mark = answers.mark(key)
        return Effect.flatMap(store.get(prefix + key), (text) =>
          text === undefined ? Effect.undefined : decode(text).pipe(
            Effect.flatMap((read) => {
              const age = now() - read.time
              const answer = isTombstone(read) ? undefined : { value: read.value }
              return age >= -clockTolerance
                ? Effect.succeed({ answer, age: Math.max(age, 0), isOwn: read.writer === writer, mark })
                : Effect.fail(`an answer of ${-age} millis in the future: the clocks of processes have to agree`)
            }),
            Effect.catchCause((cause) =>
              corrupt(key, cause)
            )
          ))
      }),
    write: (key) =>
      Effect.suspend(() => {
        const held = answers.get(key)
        if (held === undefined) return writeForgotten(key)
        return Effect.flatMap(
          encode({ form: 1, time: now() - held.age, writer, value: held.value }),
          (text) => store.set(prefix + key, text)
        )
      }),
    timeout: storeTimeout,
    context: yield* Effect.context<never>()
  })
  yield* Effect.addFinalizer(() => Effect.andThen(answerStore.flush, answerStore.end))

  /** Returns what this process knows of a key. */
  const known = (key: string): Known<A> | undefined => {
    const held = answers.get(key)
    if (held !== undefined) return { answer: { value: held.value }, age: held.age }
    const age = answers.forgottenFor(key)
    return age === undefined ? undefined : { answer: undefined, age }
  }

  /** The younger of both. */
  const latest = (held: Known<A> | undefined, found: Found<A> | undefined, key: string): Known<A> | undefined => {
    if (found === undefined || answers.mayBeForgotten(found.age)) return held
    if (held === undefined) return found
    // What the store holds before this process's own answer reaches it is older, whatever the clocks say: also where that
    // answer came, and was written, while the store was asked.
    const isOlder = found.isOwn || answers.mark(key) !== found.mark || answerStore.isSaving(key)
    if (isOlder || held.age < found.age) return held
    // At the same time: what was forgotten must not be served, so it counts as the later one.
    return held.age > found.age || found.answer === undefined ? found : held
  }

  const { copy } = options
  const save = (key: string, evicted: string | undefined) => {
    if (evicted !== undefined) answerStore.drop(evicted)
    answerStore.save(key)
  }

  return {
    remember: (key, answer) =>
      Effect.map(copied(key, answer, copy), (copied) => {
        if (copied === undefined) save(key, answers.forget(key))
        else save(key, answers.set(key, copied.value))
      }),
    forget: (key) => Effect.sync(() => save(key, answers.forget(key))),
    recall: (key) =>
      Effect.flatMap(answerStore.find(key), (found) => {
        const last = latest(known(key), found, key)
        if (last?.answer === undefined) return Effect.undefined
        const age = Duration.millis(last.age)
        return Effect.map(copied(key, last.answer.value, copy), (copied) => copied && { value: copied.value, age })
      }),
    flush: answerStore.flush
  }
})
