import { RemovalPolicy } from "aws-cdk-lib"
import { Match, Template } from "aws-cdk-lib/assertions"
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam"
import { Key } from "aws-cdk-lib/aws-kms"
import { assert, describe, it } from "vitest"
import { CircuitTable, type CircuitTableProps, type GrantOptions } from "../src/index.ts"
import { newStack } from "./support.ts"

const inStack = (props?: CircuitTableProps, options?: GrantOptions) => {
  const stack = newStack()
  const table = new CircuitTable(stack, "Circuits", props)
  const role = new Role(stack, "Worker", { assumedBy: new ServicePrincipal("lambda.amazonaws.com") })
  const grant = table.grantCircuits(role, options)
  return { stack, table, grant, template: Template.fromStack(stack) }
}

const theOnly = (template: Template, type: string) => {
  const found = Object.values(template.findResources(type))
  assert.lengthOf(found, 1)
  return found[0]
}

const statementsOf = (template: Template) => theOnly(template, "AWS::IAM::Policy")?.Properties.PolicyDocument.Statement

describe("the table", () => {
  it("has the layout of DynamoStore, costs by request, can be restored, and outlives its stack", () => {
    assert.deepStrictEqual(theOnly(inStack().template, "AWS::DynamoDB::Table"), {
      Type: "AWS::DynamoDB::Table",
      Properties: {
        AttributeDefinitions: [{ AttributeName: "key", AttributeType: "S" }],
        KeySchema: [{ AttributeName: "key", KeyType: "HASH" }],
        TimeToLiveSpecification: { AttributeName: "expiresAt", Enabled: true },
        BillingMode: "PAY_PER_REQUEST",
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        SSESpecification: { SSEEnabled: true },
        DeletionProtectionEnabled: true
      },
      UpdateReplacePolicy: "Retain",
      DeletionPolicy: "Retain"
    })
  })

  it("goes with its stack only when told so", () => {
    const { template } = inStack({ removalPolicy: RemovalPolicy.DESTROY })
    template.hasResource("AWS::DynamoDB::Table", {
      DeletionPolicy: "Delete",
      Properties: { DeletionProtectionEnabled: false }
    })
    inStack({ removalPolicy: RemovalPolicy.DESTROY, deletionProtection: true }).template.hasResourceProperties(
      "AWS::DynamoDB::Table",
      { DeletionProtectionEnabled: true }
    )
  })

  it("has a name of its own only when given one", () => {
    inStack().template.hasResourceProperties("AWS::DynamoDB::Table", { TableName: Match.absent() })
    const { table, template } = inStack({ tableName: "circuits" })
    template.hasResourceProperties("AWS::DynamoDB::Table", { TableName: "circuits" })
    assert.isNotEmpty(table.tableName)
  })
})

describe("the rights of a program", () => {
  const arn = { "Fn::GetAtt": [Match.stringLikeRegexp("CircuitsTable"), "Arn"] }

  it("are the three actions of a store, on this table alone", () => {
    const { grant, template } = inStack()
    assert.isTrue(grant.success)
    template.hasResourceProperties("AWS::IAM::Policy", {
      PolicyDocument: {
        Statement: [{
          Action: ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"],
          Effect: "Allow",
          Resource: arn
        }]
      }
    })
    assert.lengthOf(statementsOf(template), 1)
  })

  it("include a scan only for who lists", () => {
    assert.deepStrictEqual(statementsOf(inStack(undefined, { list: true }).template)[0].Action, [
      "dynamodb:BatchGetItem",
      "dynamodb:GetItem",
      "dynamodb:UpdateItem",
      "dynamodb:Scan"
    ])
  })

  it("include the use of the table's own key", () => {
    const stack = newStack()
    const encryptionKey = new Key(stack, "Key")
    const table = new CircuitTable(stack, "Circuits", { encryptionKey })
    table.grantCircuits(new Role(stack, "Worker", { assumedBy: new ServicePrincipal("lambda.amazonaws.com") }))
    const template = Template.fromStack(stack)
    template.hasResourceProperties("AWS::DynamoDB::Table", { SSESpecification: { SSEType: "KMS" } })
    assert.deepStrictEqual(statementsOf(template)[1], {
      Action: ["kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"],
      Effect: "Allow",
      Resource: { "Fn::GetAtt": [Object.keys(template.findResources("AWS::KMS::Key"))[0], "Arn"] }
    })
  })
})
