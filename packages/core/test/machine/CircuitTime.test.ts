/** The circuit's time held to a plain sum of the clock's steps forward. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitTime } from "../../src/machine/CircuitTime.ts"
import { Random, seedsUpTo } from "./model/random.ts"

/** A clock's readings: mostly forward, sometimes a little or far back. */
const readings = (random: Random): ReadonlyArray<number> => {
  let now = random.pick([0, 1_000_000, -7_000, 12_345.5])
  return random.list(60, () => {
    now += random.weighted([
      [4, () => random.pick([0, 0.5, 1, 10])],
      [2, () => random.between(0, 5_000)],
      [0.3, () => 1e9],
      [2, () => -random.pick([0.5, 1, 100, 5_000, 1e6])]
    ])
    return now
  })
}

/** "A step back counts as no time at all. A step forward is time that passed." */
const passed = (readings: ReadonlyArray<number>): number =>
  readings.reduce((sum, now, index) => sum + Math.max(0, index === 0 ? now : now - (readings[index - 1] ?? now)), 0)

describe("a circuit's time", () => {
  it("is the sum of all steps forward", () => {
    for (const seed of seedsUpTo(1_000)) {
      const time = new CircuitTime()
      const all = readings(new Random(seed)).map((now) => now + 1e7)
      all.forEach((now, index) => {
        assert.strictEqual(time.at(now), passed(all.slice(0, index + 1)), `reading ${index + 1} of seed ${seed}`)
      })
    }
  })

  it("never goes back", () => {
    for (const seed of seedsUpTo(1_000)) {
      const time = new CircuitTime()
      let latest = Number.NEGATIVE_INFINITY
      for (const now of readings(new Random(seed))) {
        const at = time.at(now)
        assert.isAtLeast(at, latest, `seed ${seed}`)
        latest = at
      }
    }
  })

  it("is the clock's own, as long as that doesn't step back", () => {
    const time = new CircuitTime()
    for (const now of [-5, 0, 0, 0.25, 7, 1e12]) assert.strictEqual(time.at(now), now)
  })

  it("goes on at once after a step back, from where it was", () => {
    const time = new CircuitTime()
    assert.deepStrictEqual([100, 40, 45, 44, 46].map((now) => time.at(now)), [100, 100, 105, 105, 107])
  })

  it("is the same whether it is read often or seldom, while the clock goes forward", () => {
    const often = new CircuitTime()
    const seldom = new CircuitTime()
    for (const now of [10, 3, 4, 5, 6, 7]) often.at(now)
    for (const now of [10, 3]) seldom.at(now)
    assert.strictEqual(often.at(20), seldom.at(20))
  })
})
