import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import * as Traffic from "../src/Traffic.ts"

describe("Traffic", () => {
  it.each([
    [200, "Success"],
    [302, "Success"],
    [400, "Ignored"],
    [499, "Ignored"],
    [500, "Failure"],
    [503, "Failure"]
  ])("reads status %d as %s", (status, outcome) => {
    assert.strictEqual(Traffic.classify(Exit.succeed(status))._tag, outcome)
  })

  it("reads no answer as a failure, and a caller who left as nothing", () => {
    assert.strictEqual(Traffic.classify(Exit.fail("timeout"))._tag, "Failure")
    assert.strictEqual(Traffic.classify(Exit.interrupt())._tag, "Ignored")
  })
})
