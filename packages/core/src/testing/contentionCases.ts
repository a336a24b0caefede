/** Many at once: one wins, no update is lost, nobody's interruption or number is another's business. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { CircuitRecord } from "../CircuitRecord.ts"
import { advance, after, create, expectHeld, numbers, put, recordAt, type StoreCase, storeCase } from "./Stage.ts"

const all = { concurrency: "unbounded" } as const

const failuresOf = (record: CircuitRecord | undefined): number => {
  const count = record?.evidence[0]
  return count?._tag === "Consecutive" ? count.failures : 0
}

export const contentionCases: ReadonlyArray<StoreCase> = [
  storeCase("lets exactly one of many win that have seen the same, and answers its record to all others", function*({
    here,
    key,
    there
  }) {
    const { time } = yield* here.read(key)
    let seen: CircuitRecord | undefined
    for (const round of numbers(5)) {
      const answers = yield* Effect.forEach(numbers(40), (i) => {
        const next = recordAt(time, { version: round + 1, policy: `${round}-${i}` })
        return Effect.map((i % 2 === 0 ? here : there).replace(key, seen, next), (answer) => ({ answer, next }))
      }, all)
      const winners = answers.filter(({ answer }) => answer._tag === "Replaced")
      assert.strictEqual(winners.length, 1, "winners of 40 replaces of one version")
      const winner = winners[0]?.next
      for (const { answer } of answers) {
        if (answer._tag === "Conflict") assert.deepStrictEqual(answer.seen.record, winner, "as a loser was told")
      }
      yield* expectHeld(key, winner)
      seen = winner
    }
  }),

  storeCase("loses no update of 8 writers that add 10 times each", function*({ here, key, there }) {
    const first = yield* create(here, key, { evidence: [{ _tag: "Consecutive", failures: 0 }] })
    yield* Effect.forEach(numbers(8), (writer) =>
      Effect.forEach(numbers(10), (turn) => {
        const store = (writer + turn) % 2 === 0 ? here : there
        // With a turn for others in between, also in a store that answers at once.
        return Effect.flatMap(Effect.tap(store.read(key), () => Effect.yieldNow), (seen) =>
          advance(store, key, seen, ({ record = first }) =>
            after(record, {
              evidence: [{ _tag: "Consecutive", failures: failuresOf(record) + 1 }]
            }), 81))
      }), all)
    const { record } = yield* there.read(key)
    assert.strictEqual(failuresOf(record), 80, "additions")
    assert.strictEqual(record?.version, first.version + 80, "versions")
  }),

  storeCase("lets writers of different keys all win", function*({ here, key, there }) {
    const { time } = yield* here.read(key)
    const answers = yield* Effect.forEach(
      numbers(100),
      (i) => (i % 2 === 0 ? here : there).replace(`${key}-${i}`, undefined, recordAt(time, { policy: `${i}` })),
      all
    )
    assert.isTrue(answers.every(({ _tag }) => _tag === "Replaced"), "nobody else writes these keys")
    const held = yield* Effect.forEach(numbers(100), (i) => here.read(`${key}-${i}`), all)
    assert.deepStrictEqual(held.map(({ record }) => record?.policy), numbers(100).map(String))
  }),

  storeCase("answers 1,000 reads at once, each with its own key's record", function*({ here, key }) {
    const { time } = yield* here.read(key)
    // Every key is asked for twice, and every other one holds something.
    const keyOf = (i: number) => `${key}-${i % 500}`
    yield* Effect.forEach(
      numbers(250),
      (i) => put(here, keyOf(2 * i), undefined, recordAt(time, { policy: `${2 * i}` })),
      {
        concurrency: 25
      }
    )
    const answers = yield* Effect.forEach(numbers(1000), (i) => here.read(keyOf(i)), all)
    assert.deepStrictEqual(
      answers.map(({ record }) => record?.policy),
      numbers(1000).map((i) => i % 2 === 0 ? `${i % 500}` : undefined)
    )
  }),

  storeCase("is no worse for writes that are interrupted in the middle", function*({ here, key }) {
    const first = yield* create(here, key)
    for (const i of numbers(60)) {
      const { record } = yield* here.read(key)
      const next = after(record ?? first, { policy: `${i}` })
      yield* interruptLater(here.replace(key, record, next), i)
    }
    // An interrupted write may still arrive, also late: then, and only then, there is a conflict.
    const last = yield* advance(
      here,
      key,
      yield* here.read(key),
      ({ record = first }) => after(record, { policy: "last" }),
      61
    )
    assert.isAtMost(last.version, first.version + 61, "versions of 61 writes")
    const { record } = yield* here.read(key)
    assert.strictEqual(record?.policy, "last")
  }),

  storeCase("answers reads beside which others are interrupted", function*({ here, key, there }) {
    const record = yield* create(there, key)
    for (const round of numbers(10)) {
      const [, answers] = yield* Effect.all([
        Effect.forEach(numbers(20), (i) => interruptLater(here.read(key), round + i), all),
        Effect.forEach(numbers(20), () => here.read(key), all)
      ], all)
      for (const answer of answers) assert.deepStrictEqual(answer.record, record)
    }
  })
]

/** Starts an operation and interrupts it: at once, after some turns of the scheduler, or after some milliseconds. */
const interruptLater = <A, E>(operation: Effect.Effect<A, E>, when: number): Effect.Effect<void> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(operation, { startImmediately: true })
    yield* when % 4 === 3 ? Effect.sleep(when % 3) : Effect.replicateEffect(Effect.yieldNow, when % 4)
    yield* Fiber.interrupt(fiber)
  })
