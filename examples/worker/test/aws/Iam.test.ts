import { assert, describe, it } from "vitest"
import { allows, makeIam } from "./Iam.ts"

const allow = (Action: string | ReadonlyArray<string>, Resource = "*") => ({ Effect: "Allow", Action, Resource })

describe("rights", () => {
  it.each<readonly [pattern: string, action: string, holds: boolean]>([
    ["dynamodb:GetItem", "dynamodb:GetItem", true],
    ["dynamodb:GetItem", "dynamodb:GetItems", false],
    ["dynamodb:*", "dynamodb:GetItem", true],
    ["dynamodb:*", "sqs:SendMessage", false],
    ["dynamodb:?etItem", "dynamodb:GetItem", true]
  ])("to %s are the right to %s: %s", (pattern, action, holds) => {
    assert.strictEqual(allows([allow(pattern)], action, "a"), holds)
  })

  it("are for the resources they name", () => {
    assert.isTrue(allows([allow("s3:*", "arn:aws:s3:::b/*")], "s3:GetObject", "arn:aws:s3:::b/key"))
    assert.isFalse(allows([allow("s3:*", "arn:aws:s3:::b/*")], "s3:ListBucket", "arn:aws:s3:::b"))
  })

  it("are nobody's unless given, and nobody's once denied", () => {
    assert.isFalse(allows([], "a:B", "c"))
    assert.isFalse(allows([allow("*"), { Effect: "Deny", Action: "a:B", Resource: "*" }], "a:B", "c"))
  })

  it("with conditions are an error, not a guess", () => {
    assert.throws(() => allows([{ ...allow("*"), Condition: {} }], "a:B", "c"), "no conditions")
  })

  it("are those of the role that a key stands for", () => {
    const iam = makeIam("123456789012")
    const { arn } = iam.createRole("worker", [allow("sqs:SendMessage")])
    assert.strictEqual(iam.callerOf(iam.assume(arn).accessKeyId), arn)
    iam.authorize(arn, "sqs:SendMessage", "q")
    assert.throws(
      () => iam.authorize(arn, "sqs:DeleteMessage", "q"),
      `User: ${arn} is not authorized to perform: sqs:DeleteMessage on resource: q`
    )
  })
})
