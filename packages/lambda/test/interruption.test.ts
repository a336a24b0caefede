/** What an invocation bounds, interrupted at every point at which it can be: nothing goes on by itself. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { interruptedAt } from "../../core/test/scheduling.ts"
import { within } from "../src/internal/within.ts"

/** More than it takes until all that is left is to wait. */
const mostPoints = 30

describe("what has so much time", () => {
  it.effect("ends with who waits for it, however soon that one is interrupted", () =>
    Effect.gen(function*() {
      let begun = 0
      for (let point = 0; point < mostPoints; point++) {
        let running = 0
        const begin = Effect.sync(() => {
          begun++
          running++
        })
        const work = Effect.acquireUseRelease(begin, () => Effect.never, () => Effect.sync(() => running--))
        yield* interruptedAt(() => within(work, 1_000), "waiting", point)
        assert.strictEqual(running, 0, `point ${point}`)
      }
      assert.isAbove(begun, mostPoints / 2)
    }))
})
