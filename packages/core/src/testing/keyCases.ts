/** Every key that may name a circuit has a record of its own. */
import { assert } from "@effect/vitest"
import * as Random from "effect/Random"
import { advance, after, create, expectHeld, put, recordAt, type StoreCase, storeCase } from "./Stage.ts"

/** Names that a store may take for one another, or for something else. */
const names: ReadonlyArray<string> = [
  "quotes",
  "Quotes",
  "QUOTES",
  "quotes ",
  " quotes",
  "quo tes",
  "quo+tes",
  "quo%20tes",
  "quotes:1",
  "quotes/1",
  "quotes/1/",
  "quotes//1",
  "quotes/../1",
  "quotes.1",
  "quotes-1",
  "quotes_1",
  "quotes#1",
  "quotes|1",
  "quotes\\1",
  "quotes\"1",
  "quotes'1",
  "quotes`1",
  "quotes$1",
  "quotes%",
  "quotes*",
  "quotes?",
  "quotes[s]",
  "quotes^",
  "{quotes}",
  "{quotes}1",
  "{}",
  "}{",
  "__proto__",
  "constructor",
  "0",
  "00",
  "é",
  "e\u0301",
  "日本語",
  "مرحبا",
  "😀",
  "👩‍👩‍👧‍👦",
  "\u00a0",
  "\u200b",
  "\ufeff",
  "\ufffd"
]

export const keyCases: ReadonlyArray<StoreCase> = [
  storeCase("keeps keys apart, also where they are almost the same", function*({ here, prefix }) {
    const { time } = yield* here.read(prefix)
    const recordOf = (name: string) => recordAt(time, { policy: name })
    const keyOf = (name: string) => `${prefix}${name}`
    for (const [i, name] of names.entries()) {
      assert.isUndefined(
        (yield* here.read(keyOf(name))).record,
        `${JSON.stringify(name)} was not written, only ${JSON.stringify(names.slice(0, i))}`
      )
      yield* put(here, keyOf(name), undefined, recordOf(name))
    }
    for (const name of names) yield* expectHeld(keyOf(name), recordOf(name))
  }),

  storeCase("takes keys of 512 characters, whatever they take in bytes", function*({ here, prefix }) {
    // Of an even length, since an emoji counts as two characters.
    const begin = prefix.padEnd(40, "-")
    for (const character of ["a", "é", "語", "😀", " ", "%"]) {
      const { length } = character
      const full = begin + character.repeat((512 - begin.length) / length)
      const almost = `${full.slice(0, -length)}${"b".repeat(length)}`
      const record = yield* create(here, full, { policy: character })
      yield* expectHeld(almost, undefined)
      const other = yield* create(here, almost, { policy: "almost" })
      yield* expectHeld(full, record)
      yield* expectHeld(almost, other)
    }
  }),

  storeCase("takes a key of one character", function*({ here }) {
    // One of ten thousand, so that nobody else who uses the same server is likely to have it.
    const key = String.fromCharCode(yield* Random.nextIntBetween(0xac00, 0xd7a0))
    const seen = yield* here.read(key)
    const next = yield* advance(
      here,
      key,
      seen,
      ({ record, time }) => record === undefined ? recordAt(time) : after(record),
      5
    )
    yield* expectHeld(key, next)
  })
]
