/** What a store says of its own clock, and how long it holds a record. */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { CircuitRecord } from "../CircuitRecord.ts"
import type { Replaced, Seen } from "../CircuitStore.ts"
import {
  advance,
  after,
  create,
  expectHeld,
  leave,
  numbers,
  put,
  recordAt,
  type Store,
  type StoreCase,
  storeCase
} from "./Stage.ts"

interface Reading {
  readonly time: number
  readonly precision: number
}

const readingOf = (answer: Seen | Replaced): Reading =>
  "_tag" in answer && answer._tag === "Conflict" ? answer.seen : answer

const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

/** A reading, and when it was asked for and heard by the clock of this process. */
const timed = Effect.fnUntraced(function*(store: Store, key: string) {
  const asked = yield* monotonicMillis
  const { precision, time } = yield* store.read(key)
  return { time, precision, asked, heard: yield* monotonicMillis }
})

/** What a store says of the time when it reads, creates, refuses and replaces. */
const readings = Effect.fnUntraced(function*(store: Store, key: string) {
  const read = yield* store.read(key)
  const record = recordAt(read.time)
  const created = yield* store.replace(key, undefined, record)
  const refused = yield* store.replace(key, undefined, record)
  const replaced = yield* store.replace(key, record, after(record))
  assert.deepStrictEqual(
    [created, refused, replaced].map(({ _tag }) => _tag),
    ["Replaced", "Conflict", "Replaced"]
  )
  return [read, created, refused, replaced].map(readingOf)
})

/** From the year 2020 to the year 2100: seconds and microseconds lie far outside. */
const earliest = 1_577_836_800_000
const latest = 4_102_444_800_000

export const timeCases: ReadonlyArray<StoreCase> = [
  storeCase("says in every answer what time it is, in milliseconds since 1970", function*({ here, key }) {
    for (const { time } of yield* readings(here, key)) {
      assert.isAtLeast(time, earliest, "is it in seconds?")
      assert.isAtMost(time, latest, "is it in microseconds?")
    }
  }),

  storeCase("says in every answer how precise its time is: more than nothing, at most 5 seconds", function*(stage) {
    for (const { precision } of yield* readings(stage.here, stage.key)) {
      assert.isAbove(precision, 0)
      assert.isAtMost(precision, 5000, "an opening can't be timed by a clock that is less precise")
    }
  }),

  storeCase("never goes back in time by more than its precision", function*({ here, key }) {
    const all: Array<Reading> = []
    for (const i of numbers(10)) {
      all.push(...yield* readings(here, `${key}-${i}`))
    }
    for (const [i, { time }] of all.entries()) {
      for (const later of all.slice(i + 1)) assert.isAbove(later.time + later.precision, time)
    }
  }),

  storeCase("has a clock that goes as fast as this process's", function*({ here, key }) {
    const first = yield* timed(here, key)
    yield* Effect.sleep(first.precision + 500)
    const second = yield* timed(here, key)
    // Clocks that are being set right may differ by a little.
    const allowance = 200
    const least = second.asked - first.heard - allowance
    const most = second.heard - first.asked + allowance
    assert.isAbove(second.time + second.precision - first.time, least, "milliseconds that passed by the store's clock")
    assert.isBelow(second.time - first.precision - first.time, most, "milliseconds that passed by the store's clock")
  }),

  storeCase("says the same time on both connections, to a second", function*({ here, key, there }) {
    const [one, other] = yield* Effect.all([timed(here, key), timed(there, key)])
    const least = other.asked - one.heard - 1000
    const most = other.heard - one.asked + 1000
    assert.isAbove(other.time + other.precision - one.time, least, "milliseconds between the connections' answers")
    assert.isBelow(other.time - one.precision - one.time, most, "milliseconds between the connections' answers")
  }),

  storeCase("holds a record for as long as its time to live is not over", function*({ here, key }) {
    const { time } = yield* here.read(key)
    const records = [
      recordAt(time, { timeToLive: 600_000 }),
      recordAt(time - 3_500_000, { timeToLive: 3_600_000 }),
      recordAt(time, { timeToLive: 7 * 86_400_000 }),
      recordAt(time, { timeToLive: Number.MAX_SAFE_INTEGER })
    ]
    for (const [i, record] of records.entries()) yield* put(here, `${key}-${i}`, undefined, record)
    yield* Effect.sleep("1500 millis")
    for (const [i, record] of records.entries()) {
      yield* expectHeld(`${key}-${i}`, record)
      yield* leave(here, `${key}-${i}`, record)
    }
  }),

  storeCase("holds a record without a time to live until it is replaced", function*({ here, key }) {
    const first = yield* create(here, key, { timeToLive: undefined })
    yield* Effect.sleep("1500 millis")
    yield* expectHeld(key, first)
    yield* leave(here, key, first)
  }),

  storeCase("goes by the time to live of the latest record, not of the one before", function*({ here, key }) {
    const { time } = yield* here.read(key)
    const written: Array<readonly [key: string, record: CircuitRecord]> = []
    for (const [i, timeToLive] of [600_000, undefined].entries()) {
      const name = `${key}-${i}`
      yield* put(here, name, undefined, recordAt(time, { timeToLive: 1000 }))
      const seen = yield* here.read(name)
      // It may be gone by now, on a machine that is slow enough.
      const change = ({ record, time }: Seen) => after(record ?? recordAt(time), { timeToLive })
      written.push([name, yield* advance(here, name, seen, change, 3)])
    }
    yield* Effect.sleep("1500 millis")
    for (const [name, record] of written) {
      yield* expectHeld(name, record)
      yield* leave(here, name, record)
    }
  }),

  storeCase("lets a record be replaced whose time to live is over, whether or not it still holds it", function*(stage) {
    const { here, key } = stage
    const { time } = yield* here.read(key)
    const old = [
      recordAt(time, { timeToLive: 0 }),
      recordAt(time, { timeToLive: 0.5 }),
      recordAt(time, { timeToLive: 20 }),
      recordAt(time - 100_000, { timeToLive: 1000 })
    ]
    for (const [i, record] of old.entries()) yield* put(here, `${key}-${i}`, undefined, record)
    yield* Effect.sleep("1200 millis")
    for (const i of old.keys()) {
      const seen = yield* here.read(`${key}-${i}`)
      const next = yield* advance(
        here,
        `${key}-${i}`,
        seen,
        ({ record, time }) => ({ ...recordAt(time), version: (record?.version ?? 0) + 1 }),
        3
      )
      yield* expectHeld(`${key}-${i}`, next)
    }
  })
]
