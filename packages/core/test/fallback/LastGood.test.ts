/** What is remembered of good answers for as long as a program lives. */
import { assert, describe, it } from "@effect/vitest"
import { LastGood, PolicyError } from "@reclose/core"
import { Clock, Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { SteppedClock } from "../SteppedClock.ts"

const key = "ACME"

const remembered = (value: number, age: Duration.Input) => ({ value, age: Duration.fromInputUnsafe(age) })

describe("answers in memory", () => {
  it.effect("are the latest of each key, with their age", () =>
    Effect.gen(function*() {
      const quotes = yield* LastGood.memory<number>()
      yield* quotes.remember("a", 1)
      yield* TestClock.adjust("1 second")
      yield* quotes.remember("a", 2)
      yield* quotes.remember("b", 3)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* quotes.recall("a"), remembered(2, "2 seconds"))
      assert.deepStrictEqual(yield* quotes.recall("b"), remembered(3, "2 seconds"))
      assert.isUndefined(yield* quotes.recall("c"))
      yield* quotes.flush
    }))

  it.effect("may be nothing at all", () =>
    Effect.gen(function*() {
      const quotes = yield* LastGood.memory<undefined>()
      yield* quotes.remember(key, undefined)
      assert.deepStrictEqual(yield* quotes.recall(key), { value: undefined, age: Duration.zero })
    }))

  it.effect("are bounded: the one that was remembered longest ago makes room", () =>
    Effect.gen(function*() {
      const quotes = yield* LastGood.memory<number>({ maxKeys: 2 })
      yield* quotes.remember("a", 1)
      yield* quotes.remember("b", 2)
      yield* quotes.remember("a", 3)
      yield* quotes.remember("c", 4)
      const held = yield* Effect.forEach(["a", "b", "c"], quotes.recall)
      assert.deepStrictEqual(held.map((last) => last?.value), [3, undefined, 4])
    }))

  it.effect("grow old by their own time, whatever happens to the wall clock", () =>
    Effect.gen(function*() {
      const clock = new SteppedClock()
      const quotes = yield* Effect.provideService(LastGood.memory<number>(), Clock.Clock, clock)
      yield* quotes.remember(key, 42)
      yield* clock.setWall(-3_600_000)
      yield* clock.step("1 minute")
      assert.deepStrictEqual(yield* quotes.recall(key), remembered(42, "1 minute"))
      yield* clock.setWall(7_200_000)
      assert.deepStrictEqual(yield* quotes.recall(key), remembered(42, "1 minute"))
    }))

  it.effect("want a bound that is one", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(LastGood.memory({ maxKeys: 0 }))
      assert.instanceOf(error, PolicyError)
      assert.deepStrictEqual(error.issues.map((issue) => issue.field), ["maxKeys"])
    }))
})
