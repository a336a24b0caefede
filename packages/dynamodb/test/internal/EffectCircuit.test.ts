/** What the store of Effect's breaker does where time and generations matter, without a store. */
import { assert, describe, it } from "@effect/vitest"
import { consecutive } from "effect/persistence/CircuitBreaker"
import { admit, type EffectCircuit, record, renew } from "../../src/internal/EffectCircuit.ts"

const timing = { lease: 10_000, idle: 1_000 }

const settlement = { generation: 0, tripPolicy: consecutive(1), openFor: 5_000 } as const

const outcome = (circuit: EffectCircuit | undefined, outcome: "Success" | "Failure" | "Ignored", now: number) =>
  record(timing, { ...settlement, outcome, generation: circuit?.generation ?? 0 })(circuit, now)

const start = 4_000_000_000_000

const opened = outcome(admit(timing)(undefined, start).next, "Failure", start).next
const probing = admit(timing)(opened, start + 5_000).next

describe("a circuit of Effect's breaker", () => {
  it("begins with a generation that no dropped circuit can have had: the time in microseconds", () => {
    const first = admit(timing)(undefined, start).next
    assert.strictEqual(first?.generation, start * 1_000)
    assert.strictEqual(admit(timing)(undefined, start + 1).next?.generation, start * 1_000 + 1_000)
    assert.strictEqual(admit(timing)(first, start + 3_600_000).next?.generation, (start + 3_600_000) * 1_000)
  })

  it("goes on counting generations when the clock is behind", () => {
    assert.strictEqual(opened?.generation, start * 1_000 + 1)
  })

  it("lets a renewal that comes too late, or an outcome told twice, change nothing", () => {
    const left = outcome(probing, "Ignored", start + 6_000).next
    assert.deepStrictEqual(renew(timing, probing?.generation ?? 0)(left, start + 6_001), { next: left, answer: false })
    const again = record(timing, { ...settlement, outcome: "Failure", generation: probing?.generation ?? 0 })
    assert.deepStrictEqual(again(left, start + 6_002), { next: left, answer: undefined })
  })

  it("is remembered for as long as its probe has a lease, however short the idle time is", () => {
    const late = start + 5_000 + timing.lease - 1
    assert.strictEqual(admit(timing)(probing, late).answer._tag, "HalfOpen")
    const renewed = renew(timing, probing?.generation ?? 0)(probing, late).next
    assert.strictEqual(admit(timing)(renewed, late + timing.lease - 1).answer._tag, "HalfOpen")
    assert.strictEqual(admit(timing)(renewed, late + timing.lease).answer._tag, "Admitted")
  })

  it("is the same, and so is not written, if nothing about it changed", () => {
    const first = admit(timing)(undefined, start).next
    assert.strictEqual(admit(timing)(first, start + 1).next, first)
    assert.strictEqual(outcome(first, "Success", start + 2).next, first)
    assert.strictEqual(outcome(first, "Ignored", start + 3).next, first)
    assert.strictEqual(admit(timing)(opened, start + 4).next, opened)
    assert.notStrictEqual(admit(timing)(first, start + timing.idle / 2).next, first)
  })
})
