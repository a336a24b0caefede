/** Options that can't be. */
import { assert, describe, it } from "@effect/vitest"
import { PolicyError } from "@reclose/core"
import { SqsBatch } from "@reclose/lambda"
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
      assert.instanceOf(error, PolicyError)
      assert.deepStrictEqual(error.message.split("\n"), [
        "concurrency is 0: it must be a whole number from 1 to 1,000",
        `deadlineMargin is "1 hour": it must be a duration from 0 millis to 15 minutes, such as "1 minute"`,
        `retention is "1 second": it must be a duration from 1 minute to 14 days, such as "1 minute"`,
        "renew.maxReceiveCount is 1: it must be a whole number from 2 to 1,000",
        `renew.maxAge is "1 second": it must be a duration from 1 minute to 365 days, such as "1 minute"`
      ])
    }
  })

  it("name a duration that can't be read", () => {
    // What JavaScript can pass.
    const options = { deadlineMargin: "5 secs" } as unknown as SqsBatch.Options
    assert.throws(() => SqsBatch.handler(() => Effect.void, options), PolicyError, /^deadlineMargin is "5 secs"/)
  })

  it.effect("are a defect of a batch", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(provided(worldOf())(SqsBatch.process({ Records: [] }, () => Effect.void, bad)))
      assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof PolicyError)
    }))
})
