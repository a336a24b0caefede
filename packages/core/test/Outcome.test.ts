/** How the end of a call is read. */
import { assert, describe, it } from "@effect/vitest"
import { Outcome } from "@reclose/core"
import { Cause, Duration, Exit } from "effect"

const both = Exit.failCause(Cause.combine(Cause.fail("down"), Cause.interrupt()))
const ignorable = Exit.failCause(Cause.combine(Cause.fail("NotFound"), Cause.interrupt()))
const dead = Exit.failCause(Cause.combine(Cause.fail("NotFound"), Cause.die("broken")))

describe("fromExit", () => {
  it.each<[string, Exit.Exit<string, string>, Outcome.Outcome["_tag"]]>([
    ["a success", Exit.succeed("42"), "Success"],
    ["a failure", Exit.fail("down"), "Failure"],
    ["a defect", Exit.die("broken"), "Failure"],
    ["an interruption", Exit.interrupt(), "Ignored"],
    ["a failure beside an interruption", both, "Failure"],
    ["an empty cause", Exit.failCause(Cause.empty), "Failure"]
  ])("reads %s", (_, exit, expected) => {
    assert.strictEqual(Outcome.fromExit(exit)._tag, expected)
  })
})

describe("failure", () => {
  it("carries a wish, if there is one", () => {
    const plain = { _tag: "Failure", retryAfter: undefined, isSoft: false } as const
    assert.deepStrictEqual(Outcome.failure(), plain)
    assert.deepStrictEqual(Outcome.failure({}), plain)
    assert.deepStrictEqual(Outcome.failure({ retryAfter: "2 minutes" }), { ...plain, retryAfter: Duration.minutes(2) })
  })

  it("is soft if asked to be, with a wish or without", () => {
    const soft = { _tag: "Failure", retryAfter: undefined, isSoft: true } as const
    assert.deepStrictEqual(Outcome.failure({ soft: true }), soft)
    assert.deepStrictEqual(Outcome.failure({ soft: true, retryAfter: "1 second" }), {
      ...soft,
      retryAfter: Duration.seconds(1)
    })
    assert.deepStrictEqual(Outcome.failure({ soft: false }), { ...soft, isSoft: false })
  })
})

describe("classifier", () => {
  const classify = Outcome.classifier({
    ignoreError: (error: string) => error === "NotFound",
    failOnResult: (result: { readonly degraded: boolean }) => result.degraded
  })

  it.each<[string, Exit.Exit<{ readonly degraded: boolean }, string>, Outcome.Outcome["_tag"]]>([
    ["a good result", Exit.succeed({ degraded: false }), "Success"],
    ["a result to fail on", Exit.succeed({ degraded: true }), "Failure"],
    ["an error to ignore", Exit.fail("NotFound"), "Ignored"],
    ["any other error", Exit.fail("down"), "Failure"],
    ["a defect", Exit.die("NotFound"), "Failure"],
    ["an interruption", Exit.interrupt(), "Ignored"],
    ["an error to ignore beside a defect", dead, "Failure"],
    ["an error beside an interruption", both, "Failure"],
    ["an error to ignore beside an interruption", ignorable, "Ignored"],
    ["an empty cause", Exit.failCause(Cause.empty), "Failure"],
    [
      "an error to ignore beside another",
      Exit.failCause(Cause.combine(Cause.fail("NotFound"), Cause.fail("down"))),
      "Failure"
    ],
    [
      "nothing but errors to ignore",
      Exit.failCause(Cause.combine(Cause.fail("NotFound"), Cause.fail("NotFound"))),
      "Ignored"
    ]
  ])("reads %s", (_, exit, expected) => {
    assert.strictEqual(classify(exit)._tag, expected)
  })

  it("ignores a result that says nothing, unless it is a failure", () => {
    const classify = Outcome.classifier({
      ignoreResult: (status: number) => status >= 400,
      failOnResult: (status: number) => status >= 500
    })
    const tags = [200, 404, 503].map((status) => classify(Exit.succeed(status))._tag)
    assert.deepStrictEqual(tags, ["Success", "Ignored", "Failure"])
  })

  it("without predicates reads as fromExit does", () => {
    const plain = Outcome.classifier({})
    for (const exit of [Exit.succeed("42"), Exit.fail("down"), Exit.die("broken"), Exit.interrupt(), both]) {
      assert.deepStrictEqual(plain(exit), Outcome.fromExit(exit))
    }
  })

  it("with one predicate leaves the other side as it is", () => {
    const onlyErrors = Outcome.classifier<string, string>({ ignoreError: () => true })
    assert.strictEqual(onlyErrors(Exit.succeed("42"))._tag, "Success")
    const onlyResults = Outcome.classifier<string, string>({ failOnResult: () => true })
    assert.strictEqual(onlyResults(Exit.fail("NotFound"))._tag, "Failure")
  })

  it("a predicate that returns a Promise holds for nothing", () => {
    const later = (async () => false) as unknown as (error: string) => boolean
    assert.strictEqual(Outcome.classifier({ succeedOnError: later })(Exit.fail("down"))._tag, "Failure")
    assert.strictEqual(Outcome.classifier({ ignoreError: later })(Exit.fail("down"))._tag, "Failure")
  })
})
