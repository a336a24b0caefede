import { assert, describe, it } from "vitest"
import { countResult, millisResult } from "../src/results.ts"

describe("a count for each call", () => {
  const reached = (value: number) => countResult(value, [value], {}).reached

  it("is zero as long as it shows as 0.00", () => {
    assert.isTrue(reached(0))
    assert.isTrue(reached(0.004))
  })

  it("is not zero from one command in two hundred calls on", () => {
    assert.isFalse(reached(0.0051))
    assert.isFalse(reached(2))
  })
})

describe("a time that nobody promised", () => {
  const samples = Array.from({ length: 101 }, (_, index) => index)

  it("is what the given share of the samples did not exceed", () => {
    assert.strictEqual(millisResult(samples, 0.5).value, 50)
    assert.strictEqual(millisResult(samples, 0.99).value, 99)
  })

  it("comes with the spread of its samples where it is their median, and is not judged", () => {
    const { reached, spread, target } = millisResult(samples, 0.5)
    assert.deepStrictEqual({ reached, spread, target }, {
      reached: undefined,
      spread: { p10: 10, p90: 90, samples: 101 },
      target: undefined
    })
  })

  it("comes without a spread where it is a high percentile, which lies outside of it", () => {
    assert.notProperty(millisResult(samples, 0.99), "spread")
  })
})
