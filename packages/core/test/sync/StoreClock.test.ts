/** The store's clock as a process knows it, held to the truth that the process can't see. */
import { assert, describe, it } from "@effect/vitest"
import { StoreClock } from "../../src/sync/StoreClock.ts"
import { Random, seedsUpTo } from "../machine/model/random.ts"

/** An exchange with a store whose clock is ahead by `offset`, that says its time in whole units of `precision`. */
const exchange = (random: Random, now: number, offset: number, precision: number) => {
  const there = now + random.next() * 300
  const answered = there + random.next() * 300
  const time = Math.floor((there + offset) / precision) * precision
  return { time, asked: now, answered }
}

/** How far off a clock may be after an answer: half of what the way there and back and the store's precision leave open. */
const width = ({ answered, asked }: { readonly answered: number; readonly asked: number }, precision: number) =>
  (answered - asked + precision) / 2

describe("a store's clock", () => {
  it("is known as well as the best of its answers says, and better with each one", () => {
    for (const seed of seedsUpTo(500)) {
      const random = new Random(seed)
      const clock = new StoreClock()
      const offset = random.pick([0, -5_000, 1_790_000_000_000]) + random.between(0, 999)
      const precision = random.pick([1, 1_000])
      let now = random.between(0, 10_000)
      let best = Number.POSITIVE_INFINITY
      for (let step = 0; step < 50; step++) {
        const told = exchange(random, now, offset, precision)
        clock.learn(told.time, precision, told.asked, told.answered)
        best = Math.min(best, width(told, precision))
        const error = Math.abs(clock.at(told.answered) - told.answered - offset)
        assert.isAtMost(error, best + 1e-3, `answer ${step + 1} of seed ${seed}`)
        now = told.answered + random.between(0, 2_000)
      }
    }
  })

  it("that tells whole seconds is known to a tenth of one after many answers", () => {
    const random = new Random(7)
    const clock = new StoreClock()
    for (let now = 0; now < 500_000; now += 1_037) {
      clock.learn(Math.floor((now + 400) / 1000) * 1000, 1_000, now, now + random.between(1, 20))
    }
    assert.closeTo(clock.at(0), 400, 100)
  })

  it("that was stepped is known again from the first answer that contradicts the others", () => {
    for (const seed of seedsUpTo(200)) {
      const random = new Random(seed)
      const clock = new StoreClock()
      let now = 0
      const learn = (offset: number) => {
        const told = exchange(random, now, offset, 1)
        clock.learn(told.time, 1, told.asked, told.answered)
        now = told.answered + 1_000
        return Math.abs(clock.at(now) - now - offset)
      }
      for (let i = 0; i < 20; i++) learn(0)
      const step = random.pick([-1, 1]) * random.between(2_000, 10_000_000)
      assert.isAtMost(learn(step), 301, `seed ${seed}`)
      for (let i = 0; i < 20; i++) assert.isAtMost(learn(step), 301, `seed ${seed}`)
    }
  })

  it("that says what is just possible is not taken for stepped", () => {
    const after = (time: number, asked: number, answered: number) => {
      const clock = new StoreClock()
      clock.learn(1_000, 1, 0, 1)
      clock.learn(time, 1, asked, answered)
      return clock.at(0)
    }
    assert.strictEqual(after(1_003, 1, 2), 1_001, "the latest that the first answer left open")
    assert.strictEqual(after(1_000, 2, 3), 999, "the earliest")
  })

  it("goes on at the pace of the process's own", () => {
    const clock = new StoreClock()
    clock.learn(1_000, 1, 0, 1)
    assert.strictEqual(clock.at(500) - clock.at(100), 400)
  })
})
