/** How a fleet judges together: soon enough in a dense one and in a sparse one, and not where there is no reason to. */
import { assert, describe, it } from "@effect/vitest"
import { cost, detect, isPoisoned, staysClosed } from "./measure.ts"

const consecutive = "consecutive(5)"
const rate = "failureRate(50 % of 20 or more in 30 seconds)"
const dense = { processes: 20, rate: 100 }
/** As dense as it has to be for each process to see enough by itself. */
const busy = { processes: 20, rate: 20 }
const sparse = { processes: 300, rate: 1 / 60 }
const inBetween = { processes: 200, rate: 0.5 }

describe("a dependency that goes down", () => {
  it("is noticed by a dense fleet as soon as by each of its processes", () => {
    assert.isAtMost(detect({ ...dense, rule: consecutive, store: "push" }, 7).nearlyAll, 500)
    assert.isAtMost(detect({ ...dense, rule: rate, store: "poll" }, 7).nearlyAll, 10_000)
  }, 120_000)

  it("is noticed by a sparse fleet, none of whose processes sees enough", () => {
    assert.isAtMost(detect({ ...sparse, rule: consecutive, store: "push" }, 7).nearlyAll, 8_000)
    assert.isAtMost(detect({ ...sparse, rule: rate, store: "push" }, 7).nearlyAll, 30_000)
  }, 120_000)

  it("is noticed by processes that are frozen between their calls", () => {
    assert.isAtMost(detect({ ...sparse, rule: consecutive, store: "poll, frozen" }, 7).opened, 15_000)
  }, 120_000)
})

describe("calls that fail now and then", () => {
  it("open no circuit, whether processes see many calls or few", () => {
    for (const fleet of [busy, inBetween, sparse]) {
      assert.isTrue(staysClosed({ ...fleet, rule: rate, store: "push" }, 0.1, 7), JSON.stringify(fleet))
    }
    // Named for a bug: a process that learnt on its first use that others fail did not tell of its own success.
    assert.isTrue(
      staysClosed({ ...sparse, rule: rate, store: "poll, frozen" }, 0.1, 7),
      "frozen, used for the first time"
    )
    for (const fleet of [busy, inBetween]) {
      assert.isTrue(staysClosed({ ...fleet, rule: consecutive, store: "poll" }, 0.02, 7), JSON.stringify(fleet))
    }
  }, 120_000)
})

describe("one bad process", () => {
  it("opens the circuit of all where the policy asks for no more, and its own alone where it asks for two", () => {
    assert.isTrue(isPoisoned(1, 7))
    assert.isFalse(isPoisoned(2, 7))
  }, 120_000)
})

describe("the store", () => {
  it("is written to by a failing fleet once a flush of each process at most, and by a healthy one never", () => {
    const fleet = { processes: 50, rate: 1, rule: consecutive, store: "push" } as const
    assert.strictEqual(cost(fleet, "healthy", 7).writes, 0)
    assert.isAtMost(cost(fleet, "flapping", 7).writes, 50 * 3600)
    assert.isAtMost(cost(fleet, "down", 7).writes, 50 * 3600)
  }, 120_000)
})
