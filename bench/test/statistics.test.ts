import { assert, describe, it } from "vitest"
import { median, quantile, ratios, spread } from "../src/statistics.ts"

describe("quantile", () => {
  it("interpolates between the neighbours of its position", () => {
    assert.strictEqual(quantile([0, 10], 0.25), 2.5)
    assert.strictEqual(quantile([0, 10, 20, 30, 40], 0.1), 4)
  })

  it("reaches the smallest and the largest sample", () => {
    assert.strictEqual(quantile([3, 1, 2], 0), 1)
    assert.strictEqual(quantile([3, 1, 2], 1), 3)
  })

  it("compares numbers as numbers, not as text", () => {
    assert.strictEqual(quantile([9, 10, 100], 0), 9)
  })

  it("refuses what has no answer", () => {
    assert.throws(() => quantile([], 0.5), /no samples/)
    assert.throws(() => quantile([1], 1.5), /share/)
    assert.throws(() => quantile([1], Number.NaN), /share/)
  })
})

describe("median", () => {
  it("is the sample in the middle, in whatever order they come", () => {
    assert.strictEqual(median([5, 1, 3]), 3)
    assert.strictEqual(median([7]), 7)
  })

  it("is halfway between the two in the middle", () => {
    assert.strictEqual(median([4, 1, 3, 2]), 2.5)
  })

  it("is not moved by one round in which the machine was busy elsewhere", () => {
    assert.strictEqual(median([10, 11, 12, 13, 1_000_000]), 12)
  })

  it("leaves the samples in the order of their rounds", () => {
    const samples = [3, 1, 2]
    median(samples)
    assert.deepStrictEqual(samples, [3, 1, 2])
  })
})

describe("spread", () => {
  it("spans the middle eighty percent", () => {
    const samples = Array.from({ length: 101 }, (_, index) => 100 - index)
    assert.deepStrictEqual(spread(samples), { p10: 10, p90: 90, samples: 101 })
  })

  it("is a point when every round agrees", () => {
    assert.deepStrictEqual(spread([2, 2, 2]), { p10: 2, p90: 2, samples: 3 })
  })
})

describe("ratios", () => {
  it("divides round by round, so that a slow round changes nothing when it was slow for both", () => {
    const perRound = ratios([200, 2_000, 240], [50, 500, 60])
    assert.deepStrictEqual(perRound, [4, 4, 4])
  })

  it("is not the ratio of the medians", () => {
    // Medians are 20 and 2, which would give 10; two rounds out of three say 5.
    assert.strictEqual(median(ratios([5, 20, 50], [1, 2, 10])), 5)
  })

  it("refuses rounds that do not match and denominators that cannot be divided by", () => {
    assert.throws(() => ratios([1, 2], [1]), /2 numerators for 1/)
    assert.throws(() => ratios([1, 2], [1, 0]), /round 1/)
    assert.throws(() => ratios([1], [Number.NaN]), /round 0/)
  })
})
