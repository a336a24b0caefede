/** A window of calls held to a plain list of all that was recorded. */
import { assert, describe, it } from "@effect/vitest"
import { CountWindow } from "../../src/machine/CountWindow.ts"
import { Random, seedsUpTo } from "./model/random.ts"

// Either side of the borders of the 32-bit words that the window is kept in.
const sizes = [1, 2, 31, 32, 33, 63, 64, 65, 96, 1000]

const text = (hits: ReadonlyArray<boolean>): string => hits.map((hit) => hit ? "1" : "0").join("")

const agrees = (window: CountWindow, all: ReadonlyArray<boolean>, about: string): void => {
  const held = all.slice(-window.size)
  assert.strictEqual(window.calls, held.length, `calls ${about}`)
  assert.strictEqual(window.hits, held.filter((hit) => hit).length, `hits ${about}`)
  assert.strictEqual(window.outcomes(), text(held), `outcomes ${about}`)
}

const filled = (size: number, outcomes: string): CountWindow => {
  const window = new CountWindow(size)
  for (const outcome of outcomes) window.add(outcome === "1")
  return window
}

describe("a window of calls", () => {
  for (const size of sizes) {
    it(`of ${size} holds the last ${size}, whatever came before`, () => {
      for (const seed of seedsUpTo(size === 1000 ? 4 : 40)) {
        const random = new Random(seed * 1_000 + size)
        const window = new CountWindow(size)
        const all: Array<boolean> = []
        const failing = random.pick([0, 0.02, 0.5, 0.98, 1])
        agrees(window, all, "when new")
        for (let step = 1; step <= size * 3 + 5; step++) {
          const hit = random.chance(failing)
          window.add(hit)
          all.push(hit)
          agrees(window, all, `after ${step} of seed ${seed}`)
        }
      }
    })

    it(`of ${size} is the same again when it is filled with its own outcomes, and goes on the same`, () => {
      for (const seed of seedsUpTo(20)) {
        const random = new Random(seed * 1_000 + size)
        const all = random.list(random.between(0, size * 2), () => random.chance(0.5))
        const again = filled(size, filled(size, text(all)).outcomes())
        agrees(again, all, `of seed ${seed}`)
        for (let step = 1; step <= 40; step++) {
          const hit = random.chance(0.5)
          again.add(hit)
          all.push(hit)
          agrees(again, all, `${step} later, of seed ${seed}`)
        }
      }
    })

    it(`of ${size} gives its newest outcomes to a window of any size, as many as fit`, () => {
      for (const other of sizes) {
        const random = new Random(size * 10_000 + other)
        const all = random.list(size + 7, () => random.chance(0.5))
        agrees(filled(other, filled(size, text(all)).outcomes()), all.slice(-size), `in ${other}`)
      }
    })
  }

  it("counts every call of a long life", () => {
    const window = new CountWindow(33)
    for (let call = 0; call < 1_000_000; call++) window.add(call % 3 === 0)
    assert.strictEqual(window.calls, 33)
    assert.strictEqual(window.hits, 11)
  })
})
