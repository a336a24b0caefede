/** A store is a register for each key: read, and replaced by whoever has seen its latest version. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { after, create, expectConflict, expectHeld, put, recordAt, type StoreCase, storeCase } from "./Stage.ts"

const largest = Number.MAX_SAFE_INTEGER

export const registerCases: ReadonlyArray<StoreCase> = [
  storeCase("holds nothing of a key that was never written", function*({ key }) {
    yield* expectHeld(key, undefined)
  }),

  storeCase("creates a record where nothing is held, and everybody reads it at once", function*({ here, key }) {
    const record = yield* create(here, key)
    yield* expectHeld(key, record)
  }),

  storeCase("replaces a record for whoever has seen its version, wherever they write", function*({ here, key, there }) {
    const first = yield* create(here, key)
    const second = yield* put(there, key, first, after(first, { override: "ForcedOpen" }))
    yield* expectHeld(key, second)
    const third = yield* put(here, key, second, after(second, { override: "None" }))
    yield* expectHeld(key, third)
  }),

  storeCase("goes by the version that was seen, and by nothing else of the record", function*({ here, key }) {
    const first = yield* create(here, key)
    const second = after(first)
    yield* put(here, key, { ...first, policy: "other", generation: 99, evidence: [] }, second)
    yield* expectHeld(key, second)
  }),

  storeCase("holds what it is given, also with a version that is not the next", function*({ here, key }) {
    const first = yield* create(here, key, { version: 7 })
    const ahead = yield* put(here, key, first, after(first, { version: 4711 }))
    const behind = yield* put(here, key, ahead, after(ahead, { version: 3 }))
    yield* expectHeld(key, behind)
  }),

  storeCase("takes a version of zero for a version", function*({ here, key }) {
    const zero = yield* create(here, key, { version: 0 })
    yield* expectHeld(key, zero)
    expectConflict(yield* here.replace(key, undefined, after(zero)), zero)
    yield* expectHeld(key, yield* put(here, key, zero, after(zero)))
  }),

  storeCase("tells versions apart up to 2^53 - 1", function*({ here, key }) {
    const held = yield* create(here, key, { version: largest - 1 })
    const last = { ...held, version: largest }
    expectConflict(yield* here.replace(key, last, held), held)
    expectConflict(yield* here.replace(key, { ...held, version: largest - 2 }, last), held)
    yield* expectHeld(key, yield* put(here, key, held, last))
  }),

  storeCase("answers the winner to whoever has seen another version, and changes nothing", function*(stage) {
    const { here, key, there } = stage
    const first = yield* create(here, key)
    const winner = yield* put(here, key, first, after(first))
    const late = after(first, { override: "Disabled", policy: "of the loser" })
    expectConflict(yield* there.replace(key, first, late), winner)
    yield* expectHeld(key, winner)
    expectConflict(yield* there.replace(key, after(winner), late), winner)
    yield* expectHeld(key, winner)
  }),

  storeCase("answers the winner to whoever has seen nothing, and changes nothing", function*({ here, key, there }) {
    const winner = yield* create(here, key)
    expectConflict(yield* there.replace(key, undefined, { ...winner, policy: "of the loser" }), winner)
    yield* expectHeld(key, winner)
  }),

  storeCase("answers that nothing is held to whoever has seen something, and creates nothing", function*(stage) {
    const { here, key } = stage
    const { time } = yield* here.read(key)
    expectConflict(yield* here.replace(key, recordAt(time), after(recordAt(time))), undefined)
    yield* expectHeld(key, undefined)
  }),

  storeCase("acts when an operation is run, each time anew, and not when it is made", function*({ here, key }) {
    const read = here.read(key)
    const { time } = yield* read
    const record = recordAt(time)
    const replace = here.replace(key, undefined, record)
    yield* Effect.sleep("20 millis")
    assert.isUndefined((yield* read).record, "nothing was written before the replace was run")
    assert.strictEqual((yield* replace)._tag, "Replaced")
    assert.deepStrictEqual((yield* read).record, record, "the same read, run again")
    expectConflict(yield* replace, record)
  })
]
