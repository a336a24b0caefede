/** Options that can't be. */
import { assert, describe, it } from "@effect/vitest"
import { InvalidOptions, SqsBatch } from "@reclose/lambda"
import { Cause, Effect, Exit } from "effect"
import { provided, worldOf } from "./world.ts"

describe("options that can't be", () => {
  const bad: SqsBatch.Options = {
    concurrency: 0,
    deadlineMargin: "1 hour",
    retention: "1 second",
    renew: { maxReceiveCount: 1, maxAge: "1 second" }
  }

  it("are all named at once", () => {
    try {
      SqsBatch.handler(() => Effect.void, bad)
      assert.fail("it took them")
    } catch (error) {
      assert.deepStrictEqual(
        error instanceof InvalidOptions ? error.issues.map(({ field }) => field) : error,
        ["concurrency", "deadlineMargin", "retention", "renew.maxReceiveCount", "renew.maxAge"]
      )
    }
  })

  it.effect("are a defect of a batch", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(provided(worldOf())(SqsBatch.process({ Records: [] }, () => Effect.void, bad)))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    }))
})
