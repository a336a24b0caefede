import { Duration } from "aws-cdk-lib"
import { Template } from "aws-cdk-lib/assertions"
import { assert, describe, it } from "vitest"
import type { WorkerStackProps } from "../../infra/WorkerStack.ts"
import { workerStack } from "./support.ts"

const template = (props?: Partial<WorkerStackProps>) => Template.fromStack(workerStack(props))

/** By logical ID, without what the CDK notes for itself. */
const resources = (template: Template, type: string) =>
  Object.entries(template.findResources(type)).map(([id, { Metadata, ...resource }]) => {
    assert.isObject(Metadata ?? {})
    return [id, resource] as const
  })

const theOnly = (template: Template, type: string) => {
  const found = resources(template, type)
  assert.lengthOf(found, 1)
  return found[0]?.[1].Properties
}

const arnOf = (id: string) => ({ "Fn::GetAtt": [id, "Arn"] })

const table = "CircuitsTable3045EC0A"
const queue = "Queue4A7E3555"
const deadLetters = "DeadLettersBBF8BAAB"
const logs = "Logs6819BB44"
const role = "Role1ABCC5F0"

describe("the table", () => {
  // Whoever changes one of these replaces the table of every deployed worker by an empty one: all circuits start closed.
  it("is the one that is deployed: same logical ID, same key, kept whatever happens", () => {
    assert.deepStrictEqual(resources(template(), "AWS::DynamoDB::Table"), [[table, {
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
    }]])
  })
})

describe("the function", () => {
  it("is Node 24 on ARM, in the role, writing to the log group", () => {
    const { Code, Environment, ...rest } = theOnly(template(), "AWS::Lambda::Function")
    assert.hasAllKeys(Code, ["S3Bucket", "S3Key"])
    assert.hasAllKeys(Environment, ["Variables"])
    assert.deepStrictEqual(rest, {
      Architectures: ["arm64"],
      Handler: "index.handler",
      LoggingConfig: { LogGroup: { Ref: logs } },
      MemorySize: 512,
      Role: arnOf(role),
      RecursiveLoop: "Allow",
      Runtime: "nodejs24.x",
      Timeout: 30
    })
  })

  it("is told where things are", () => {
    const variables = (props?: Partial<WorkerStackProps>) =>
      theOnly(template(props), "AWS::Lambda::Function").Environment.Variables
    const where = {
      ALLOWED_ORIGINS: "https://quotes.example,https://orders.example",
      CIRCUITS_TABLE: { Ref: table },
      DEAD_LETTER_QUEUE_URL: { Ref: deadLetters },
      MAX_RECEIVE_COUNT: "10",
      QUEUE_URL: { Ref: queue }
    }
    assert.deepStrictEqual(variables(), { ...where, SERVICE: "worker" })
    assert.deepStrictEqual(variables({ service: "quotes", policy: { circuits: { openDuration: "5 seconds" } } }), {
      ...where,
      SERVICE: "quotes",
      POLICY: `{"circuits":{"openDuration":"5 seconds"}}`
    })
    assert.deepStrictEqual(variables({ policy: "policy.json" }), {
      ...where,
      SERVICE: "worker",
      POLICY_FILE: "policy.json"
    })
  })

  it("has a URL for callers with rights only", () => {
    assert.deepInclude(theOnly(template(), "AWS::Lambda::Url"), { AuthType: "AWS_IAM" })
    template().resourceCountIs("AWS::Lambda::Permission", 0)
  })

  it("has containers set aside for it when asked", () => {
    assert.notProperty(theOnly(template(), "AWS::Lambda::Function"), "ReservedConcurrentExecutions")
    assert.propertyVal(
      theOnly(template({ reservedConcurrency: 20 }), "AWS::Lambda::Function"),
      "ReservedConcurrentExecutions",
      20
    )
  })

  it("keeps its logs for a month", () => {
    assert.deepStrictEqual(theOnly(template(), "AWS::Logs::LogGroup"), { RetentionInDays: 30 })
  })
})

describe("the rights of the function", () => {
  it("are these, and no others", () => {
    const stack = template()
    assert.notProperty(theOnly(stack, "AWS::IAM::Role"), "ManagedPolicyArns")
    assert.notProperty(theOnly(stack, "AWS::IAM::Role"), "Policies")
    const { PolicyDocument, Roles } = theOnly(stack, "AWS::IAM::Policy")
    assert.deepStrictEqual(Roles, [{ Ref: role }])
    assert.deepStrictEqual(PolicyDocument.Statement, [
      { Effect: "Allow", Action: ["logs:CreateLogStream", "logs:PutLogEvents"], Resource: arnOf(logs) },
      {
        Effect: "Allow",
        Action: ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"],
        Resource: arnOf(table)
      },
      {
        Effect: "Allow",
        Action: [
          "sqs:ReceiveMessage",
          "sqs:DeleteMessage",
          "sqs:GetQueueAttributes",
          "sqs:ChangeMessageVisibility",
          "sqs:SendMessage"
        ],
        Resource: arnOf(queue)
      },
      { Effect: "Allow", Action: "sqs:SendMessage", Resource: arnOf(deadLetters) }
    ])
  })

  it("are there before messages come in", () => {
    const [[, { DependsOn }] = ["", { DependsOn: [] }]] = resources(template(), "AWS::Lambda::Function")
    assert.includeMembers(DependsOn, Object.keys(template().findResources("AWS::IAM::Policy")))
  })
})

describe("the queues", () => {
  const byId = (props?: Partial<WorkerStackProps>) =>
    Object.fromEntries(resources(template(props), "AWS::SQS::Queue").map(([id, { Properties }]) => [id, Properties]))

  it("are encrypted, and give up on a message after ten receives", () => {
    assert.deepStrictEqual(byId(), {
      [queue]: {
        RedrivePolicy: { deadLetterTargetArn: arnOf(deadLetters), maxReceiveCount: 10 },
        SqsManagedSseEnabled: true,
        VisibilityTimeout: 180
      },
      [deadLetters]: { MessageRetentionPeriod: 1_209_600, SqsManagedSseEnabled: true }
    })
    const props = { maxReceiveCount: 3 }
    assert.strictEqual(byId(props)[queue].RedrivePolicy.maxReceiveCount, 3)
    assert.strictEqual(
      theOnly(template(props), "AWS::Lambda::Function").Environment.Variables.MAX_RECEIVE_COUNT,
      "3"
    )
  })

  it("hide a message for six times as long as an invocation may take", () => {
    const props = { timeout: Duration.minutes(2) }
    assert.strictEqual(byId(props)[queue].VisibilityTimeout, 720)
    assert.strictEqual(theOnly(template(props), "AWS::Lambda::Function").Timeout, 120)
  })

  it("refuse connections without TLS", () => {
    const policies = resources(template(), "AWS::SQS::QueuePolicy").map(([, { Properties }]) => Properties)
    assert.sameDeepMembers(policies.map(({ Queues }) => Queues), [[{ Ref: queue }], [{ Ref: deadLetters }]])
    for (const { PolicyDocument } of policies) {
      assert.deepInclude(PolicyDocument.Statement[0], {
        Action: "sqs:*",
        Effect: "Deny",
        Condition: { Bool: { "aws:SecureTransport": "false" } }
      })
    }
  })

  it("hand messages to the function in batches whose failures it names one by one", () => {
    const mapping = (props?: Partial<WorkerStackProps>) => theOnly(template(props), "AWS::Lambda::EventSourceMapping")
    const [[worker] = [""]] = resources(template(), "AWS::Lambda::Function")
    assert.deepStrictEqual(mapping(), {
      BatchSize: 10,
      EventSourceArn: arnOf(queue),
      FunctionName: { Ref: worker },
      FunctionResponseTypes: ["ReportBatchItemFailures"],
      ScalingConfig: { MaximumConcurrency: 10 }
    })
    assert.deepStrictEqual(mapping({ maxConcurrency: 5 }).ScalingConfig, { MaximumConcurrency: 5 })
    assert.strictEqual(mapping({ batchSize: 2 }).BatchSize, 2)
  })
})

describe("who is on call", () => {
  it("has an alarm for circuits, their store, the function, the queue and dead letters", () => {
    const alarms = resources(template({ service: "quotes" }), "AWS::CloudWatch::Alarm").map(([, { Properties }]) =>
      JSON.stringify(Properties)
    )
    const watched = [
      "opened - FILL(failed, 0)",
      "OpenCircuits",
      "RecoveryFailed",
      "CircuitReopened",
      "StoreFailures",
      "Errors",
      "Throttles",
      "RecursiveInvocationsDropped",
      "ApproximateAgeOfOldestMessage",
      "ApproximateNumberOfMessagesNotVisible",
      "ApproximateNumberOfMessagesVisible",
      "DIFF(letters)"
    ]
    assert.lengthOf(alarms, watched.length)
    watched.forEach((metric, index) => assert.include(alarms[index], JSON.stringify(metric)))
    for (const alarm of alarms.slice(0, 5)) assert.include(alarm, `{"Name":"service","Value":"quotes"}`)
    for (const alarm of alarms.slice(10)) {
      assert.include(alarm, JSON.stringify({ "Fn::GetAtt": [deadLetters, "QueueName"] }))
    }
  })

  it("is told of each when it goes off and when it is over", () => {
    const alarmActionArn = "arn:aws:sns:eu-central-1:123456789012:on-call"
    const alarms = resources(
      template({ alarmActions: () => [{ bind: () => ({ alarmActionArn }) }] }),
      "AWS::CloudWatch::Alarm"
    )
    assert.lengthOf(alarms, 12)
    for (const [, { Properties }] of alarms) {
      assert.deepStrictEqual([Properties.AlarmActions, Properties.OKActions], [[alarmActionArn], [alarmActionArn]])
    }
  })

  it("has a dashboard", () => {
    template().resourceCountIs("AWS::CloudWatch::Dashboard", 1)
  })
})

describe("whoever deploys", () => {
  it("is told where everything is", () => {
    assert.sameMembers(Object.keys(template().findOutputs("*")), [
      "CircuitsTable",
      "DeadLetterQueueUrl",
      "FunctionName",
      "FunctionUrl",
      "QueueUrl"
    ])
  })
})
