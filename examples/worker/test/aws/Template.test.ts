import { assert, describe, it } from "vitest"
import { evaluate, inOrder, parse, type Scope } from "./Template.ts"

const scope: Scope = {
  ref: (name) => {
    if (name !== "Table" && name !== "AWS::Region") throw new Error(`there is no ${name}`)
    return name === "Table" ? "circuits" : "eu-central-1"
  },
  attribute: (resource, name) => `${resource}.${name}`
}

const template = (resources: object) => parse(JSON.stringify({ Resources: resources }))

describe("a template's values", () => {
  it.each<readonly [value: unknown, result: unknown]>([
    ["plain", "plain"],
    [{ Ref: "Table" }, "circuits"],
    [{ "Fn::GetAtt": ["Table", "Arn"] }, "Table.Arn"],
    [{ "Fn::GetAtt": "Table.Arn" }, "Table.Arn"],
    [{ "Fn::Join": ["-", ["a", { Ref: "Table" }]] }, "a-circuits"],
    [{ "Fn::Sub": "${AWS::Region}/${Table.Arn}/${!literal}" }, "eu-central-1/Table.Arn/${!literal}"],
    [{ "Fn::Sub": ["${given}/${Table}", { given: { Ref: "AWS::Region" } }] }, "eu-central-1/circuits"],
    [{ "Fn::Select": ["1", ["a", { Ref: "Table" }]] }, "circuits"],
    [{ "Fn::Not": [{ "Fn::Contains": [["1", "2"], "3"] }] }, true],
    [{ a: [{ Ref: "AWS::NoValue" }, 1], b: { Ref: "AWS::NoValue" } }, { a: [1] }],
    [{ Condition: { Bool: { "aws:SecureTransport": "false" } } }, {
      Condition: { Bool: { "aws:SecureTransport": "false" } }
    }]
  ])("%j is %j", (value, result) => {
    assert.deepStrictEqual(evaluate(value, scope), result)
  })

  it.each([{ "Fn::ImportValue": "other" }, { Condition: "IsProduction" }, { a: [{ "Fn::If": ["A", 1, 2] }] }])(
    "%j is an error",
    (value) => assert.throws(() => evaluate(value, scope), "is a function that this server does not know")
  )
})

describe("a template", () => {
  it("is refused for anything that is not known", () => {
    assert.throws(() => parse(`{"Resources":{},"Conditions":{}}`), "the template has Conditions")
    assert.throws(() => template({ A: { Type: "T", CreationPolicy: {} } }), "resource A has CreationPolicy")
  })

  it("has its resources made after what they need", () => {
    const resources = {
      A: { Type: "T", Properties: { one: { "Fn::Sub": "x${B.Arn}" } } },
      B: { Type: "T", Properties: { one: { "Fn::GetAtt": ["C", "Arn"] }, two: { Ref: "AWS::Region" } } },
      C: { Type: "T", DependsOn: ["D"] },
      D: { Type: "T" }
    }
    assert.deepStrictEqual(inOrder(template(resources)), ["D", "C", "B", "A"])
  })

  it("is refused for resources that need each other", () => {
    const needs = (Ref: string) => ({ Type: "T", Properties: { other: { Ref } } })
    assert.throws(
      () => inOrder(template({ A: needs("B"), B: needs("A") })),
      "Circular dependency between resources: [A, B, A]"
    )
  })
})
