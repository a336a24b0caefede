/** Which keys a store holds something for. It may be late, and may say a key twice. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { create, eventually, numbers, put, recordAt, type Store, type StoreCase, storeCase } from "./Stage.ts"

const listed = (store: Store, prefix: string) =>
  Effect.map(Stream.runCollect(store.list(prefix)), (keys) => [...new Set(keys)].sort())

const expectListed = Effect.fnUntraced(function*(store: Store, prefix: string, expected: ReadonlyArray<string>) {
  const sorted = [...expected].sort()
  const keys = yield* eventually(listed(store, prefix), (keys) => JSON.stringify(keys) === JSON.stringify(sorted))
  assert.deepStrictEqual(keys, sorted, `keys that begin with ${JSON.stringify(prefix)}`)
})

/** Names of which some begin like others, and characters that mean something in patterns. */
const names: ReadonlyArray<string> = [
  "quotes",
  "quotes/a",
  "quotes/a/b",
  "quotes/b",
  "Quotes/a",
  "quote",
  "q*",
  "q*s",
  "q?otes",
  "[q]uotes",
  "[^a]x",
  "q.otes",
  "^quotes",
  "quotes$",
  "q%",
  "q_otes",
  "q\\*",
  "q\\",
  "{q}x",
  "(q|r)s",
  "+q",
  "日本語",
  "日本",
  "😀x",
  "😁x"
]

export const listCases: ReadonlyArray<StoreCase> = [
  storeCase("lists the keys with a prefix for which something is held, and no others", function*(stage) {
    const { here, prefix, there } = stage
    const { time } = yield* here.read(prefix)
    for (const name of names) yield* put(here, `${prefix}${name}`, undefined, recordAt(time))
    const keys = names.map((name) => `${prefix}${name}`)
    for (
      const begin of ["", "q", "quotes", "quotes/", ...names.filter((name) => !name.startsWith("quote")), "q[", "*"]
    ) {
      const whole = `${prefix}${begin}`
      yield* expectListed(there, whole, keys.filter((key) => key.startsWith(whole)))
    }
  }),

  storeCase("lists nothing where nothing is held", function*({ here, key }) {
    yield* here.read(key)
    yield* expectListed(here, key, [])
  }),

  storeCase("lists all of 250 keys", function*({ here, key, prefix, there }) {
    const { time } = yield* here.read(key)
    const keys = numbers(250).map((i) => `${prefix}many-${i}`)
    yield* Effect.forEach(keys, (key) => put(here, key, undefined, recordAt(time)), { concurrency: 25 })
    yield* expectListed(there, `${prefix}many-`, keys)
  }),

  storeCase("lists everything for an empty prefix", function*({ here, key }) {
    yield* create(here, key)
    const find = here.list("").pipe(Stream.filter((found) => found === key), Stream.take(1), Stream.runCollect)
    assert.deepStrictEqual(yield* eventually(find, (found) => found.length > 0), [key])
  }),

  storeCase("stops listing when nobody wants more", function*({ here, prefix }) {
    const { time } = yield* here.read(prefix)
    const keys = numbers(150).map((i) => `${prefix}more-${i}`)
    yield* Effect.forEach(keys, (key) => put(here, key, undefined, recordAt(time)), { concurrency: 25 })
    const first = yield* eventually(
      here.list(`${prefix}more-`).pipe(Stream.take(1), Stream.runCollect),
      (found) => found.length > 0
    )
    assert.strictEqual(first.length, 1)
    assert.include(keys, first[0])
    yield* expectListed(here, `${prefix}more-`, keys)
  })
]
