/** How a machine's own clock is set by answers that tell the time to the second. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { makeServerClock, type ServerClock } from "../../src/internal/ServerClock.ts"

const hear = (clock: ServerClock, time: number, travel = 0) => clock.asking(TestClock.adjust(travel), () => time)

describe("the clock of the server", () => {
  it.effect("is that of the machine while answers don't prove it wrong", () =>
    Effect.gen(function*() {
      const clock = yield* makeServerClock
      yield* TestClock.setTime(10_250)
      assert.strictEqual(clock.now(), 10_250)
      for (const time of [10_000, 10_250, 9_251]) {
        yield* hear(clock, time)
        assert.strictEqual(clock.now(), 10_250)
      }
    }))

  it.effect("is set by no more than needed, forward and back", () =>
    Effect.gen(function*() {
      const clock = yield* makeServerClock
      yield* TestClock.setTime(10_250)
      yield* hear(clock, 20_000)
      assert.strictEqual(clock.now(), 20_000)
      yield* TestClock.adjust(500)
      assert.strictEqual(clock.now(), 20_500)
      yield* hear(clock, 5_000)
      assert.strictEqual(clock.now(), 5_999)
    }))

  it.effect("allows for the way of question and answer", () =>
    Effect.gen(function*() {
      const clock = yield* makeServerClock
      yield* TestClock.setTime(10_000)
      yield* hear(clock, 8_000, 1_500)
      // It was 8,999 at the latest when the question came, and that may be 1,500 ago.
      assert.strictEqual(clock.now(), 10_499)
    }))

  it.effect("survives a machine whose clock is set back", () =>
    Effect.gen(function*() {
      const clock = yield* makeServerClock
      yield* TestClock.setTime(100_000)
      yield* hear(clock, 100_000)
      yield* clock.asking(TestClock.setTime(40_000), () => 100_000)
      assert.strictEqual(clock.now(), 100_000)
    }))
})
