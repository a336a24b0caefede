/** What a case of the conformance kit plays on: two connections to one store, and helpers to write on them. */
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { CircuitRecord } from "../CircuitRecord.ts"
import type { CircuitRegister, CircuitStoreError, Replaced, Seen } from "../CircuitStore.ts"

export type Store = CircuitRegister

/**
 * Two connections to one store, and the beginning of all keys of one case, which nobody else uses.
 *
 * @category services
 * @since 0.1.0
 */
export class Stage extends Context.Service<Stage, {
  readonly here: Store
  readonly there: Store
  readonly prefix: string
}>()("@reclose/core/testing/Stage") {}

/**
 * A store does not offer what a case is about, as it may: there is nothing to prove.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotOffered extends Data.TaggedError("NotOffered")<{ readonly message: string }> {}

/**
 * One thing that holds of every store: a sentence that begins with the store, and its proof. It dies with vitest's
 * assertion error where it does not hold.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreCase {
  readonly name: string
  readonly run: Effect.Effect<void, CircuitStoreError | NotOffered, Stage>
}

/** A case, on a key of its own. */
export const storeCase = (
  name: string,
  run: (
    stage: Stage["Service"] & { readonly key: string }
  ) => Generator<
    Effect.Effect<unknown, CircuitStoreError | NotOffered, Stage | Scope.Scope>,
    void,
    never
  >
): StoreCase => ({
  name,
  run: Effect.scoped(
    Effect.flatMap(Stage, (stage) => Effect.gen(() => run({ ...stage, key: `${stage.prefix}quotes` })))
  )
})

/** The numbers from 0, so many of them. */
export const numbers = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

/** Long enough for any case, and short enough that a shared server forgets what a case leaves behind. */
const tenMinutes = 600_000

/** A record as a store may hold it. */
export const recordAt = (time: number, fields: Partial<CircuitRecord> = {}): CircuitRecord => ({
  version: 1,
  time,
  timeToLive: tenMinutes,
  generation: 7,
  phase: { _tag: "Closed", openings: 0, remaining: 0 },
  override: "None",
  policy: "1x2y3z",
  evidence: [{ _tag: "Consecutive", failures: 2 }],
  failing: [["k3f9", time]],
  writers: [["k3f9", 1]],
  ...fields
})

/** The same circuit one write later. */
export const after = (record: CircuitRecord, fields: Partial<CircuitRecord> = {}): CircuitRecord => ({
  ...record,
  version: record.version + 1,
  generation: record.generation + 1,
  ...fields
})

/** Replaces where it must be possible. */
export const put = Effect.fnUntraced(function*(
  store: Store,
  key: string,
  seen: CircuitRecord | undefined,
  next: CircuitRecord
) {
  const answer = yield* store.replace(key, seen, next)
  assert.strictEqual(
    answer._tag,
    "Replaced",
    `version ${seen?.version ?? "none"} was held for ${JSON.stringify(key)}, so whoever has seen it may replace it`
  )
  return next
})

/** Puts a record where nothing is held, at the store's own time. */
export const create = Effect.fnUntraced(function*(store: Store, key: string, fields?: Partial<CircuitRecord>) {
  const { time } = yield* store.read(key)
  return yield* put(store, key, undefined, recordAt(time, fields))
})

/** Lets the store forget what it would otherwise hold for long, since others may use the same server. */
export const leave = (store: Store, key: string, record: CircuitRecord) =>
  put(store, key, record, { ...record, timeToLive: 1 })

/** What is held for a key, on both connections. */
export const expectHeld = Effect.fnUntraced(function*(key: string, expected: CircuitRecord | undefined) {
  const { here, there } = yield* Stage
  assert.deepStrictEqual((yield* here.read(key)).record, expected, `held for ${JSON.stringify(key)}`)
  assert.deepStrictEqual((yield* there.read(key)).record, expected, `held for ${JSON.stringify(key)}, from elsewhere`)
})

export const expectConflict = (answer: Replaced, winner: CircuitRecord | undefined): void => {
  if (answer._tag !== "Conflict") return assert.fail("somebody else has written, so nothing may be replaced")
  assert.deepStrictEqual(answer.seen.record, winner, "a conflict answers what is held")
}

/** Replaces whatever is held, following the store's answers. Each of them has to be news, or nobody gets through. */
export const advance = Effect.fnUntraced(function*(
  store: Store,
  key: string,
  begin: Seen,
  change: (seen: Seen) => CircuitRecord,
  attempts: number
) {
  let seen = begin
  for (let attempt = 0; attempt < attempts; attempt++) {
    const next = change(seen)
    const answer = yield* store.replace(key, seen.record, next)
    if (answer._tag === "Replaced") return next
    assert.notStrictEqual(
      answer.seen.record?.version,
      seen.record?.version,
      "a conflict is answered only if what is held has another version than what was seen"
    )
    seen = answer.seen
  }
  return assert.fail(`${attempts} replaces in a row were conflicts, though fewer writers were about`)
})

/** Asks again for a while, where a store may be late. */
export const eventually = Effect.fnUntraced(function*<A>(
  ask: Effect.Effect<A, CircuitStoreError>,
  isRight: (answer: A) => boolean
) {
  let answer = yield* ask
  for (let again = 0; again < 30 && !isRight(answer); again++) {
    yield* Effect.sleep("100 millis")
    answer = yield* ask
  }
  return answer
})
