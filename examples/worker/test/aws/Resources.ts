/** The kinds of resources that a worker's stack is made of, and what is made of them on this machine. */
import { Queue } from "../../../../packages/lambda/test/sqs/SqsModel.ts"
import type { Statement } from "./Iam.ts"
import { lambdaTypes, logGroupArn } from "./LambdaResources.ts"
import type { Properties, ResourceType } from "./Stacks.ts"
import { TemplateError } from "./Template.ts"
import { inert, number, record, string, strings, type World } from "./World.ts"

const table = ({ account, dynamo, region }: World): ResourceType => ({
  properties: {
    TableName: "replaces",
    KeySchema: "replaces",
    AttributeDefinitions: "updates",
    BillingMode: "updates",
    DeletionProtectionEnabled: "updates",
    PointInTimeRecoverySpecification: "updates",
    SSESpecification: "updates",
    TimeToLiveSpecification: "updates"
  },
  create: async ({ name, properties }) => {
    const TableName = typeof properties["TableName"] === "string" ? properties["TableName"] : name
    const { AttributeDefinitions, BillingMode, KeySchema, TimeToLiveSpecification } = properties
    await dynamo("CreateTable", { TableName, AttributeDefinitions, BillingMode, KeySchema })
    if (TimeToLiveSpecification !== undefined) await dynamo("UpdateTimeToLive", { TableName, TimeToLiveSpecification })
    return { id: TableName, attributes: { Arn: `arn:aws:dynamodb:${region}:${account}:table/${TableName}` } }
  },
  update: async (made, { TimeToLiveSpecification }) => {
    if (TimeToLiveSpecification !== undefined) {
      const { TimeToLiveDescription } = await dynamo("DescribeTimeToLive", { TableName: made.id })
      const isOn = JSON.stringify(TimeToLiveDescription).includes("ENABLED")
      if (!isOn) await dynamo("UpdateTimeToLive", { TableName: made.id, TimeToLiveSpecification })
    }
    return made
  },
  remove: async ({ id }, { DeletionProtectionEnabled }) => {
    if (DeletionProtectionEnabled === true) {
      throw new Error(`Resource cannot be deleted as it is currently protected against deletion: table ${id}`)
    }
    await dynamo("DeleteTable", { TableName: id })
  }
})

const queue = ({ account, endpoint, queues, region }: World): ResourceType => {
  const arnOf = (name: string) => `arn:aws:sqs:${region}:${account}:${name}`
  return {
    properties: {
      MessageRetentionPeriod: "replaces",
      RedrivePolicy: "replaces",
      SqsManagedSseEnabled: "updates",
      VisibilityTimeout: "replaces"
    },
    create: ({ name, properties }) => {
      const redrive = properties["RedrivePolicy"] === undefined ? undefined : record(properties, "RedrivePolicy")
      const deadLetters = redrive && queues.find(({ name }) => arnOf(name) === redrive["deadLetterTargetArn"])
      if (redrive !== undefined && deadLetters === undefined) {
        throw new TemplateError("there is no such dead-letter queue")
      }
      queues.push(
        new Queue({
          name,
          visibilityTimeout: number(properties, "VisibilityTimeout", 30),
          retention: number(properties, "MessageRetentionPeriod", 345_600),
          ...(redrive === undefined || deadLetters === undefined
            ? {}
            : { redrive: { to: deadLetters, maxReceiveCount: number(redrive, "maxReceiveCount", Number.NaN) } })
        })
      )
      return { id: `${endpoint()}/${account}/${name}`, attributes: { Arn: arnOf(name), QueueName: name } }
    },
    // Encryption: nothing to see of it in a test.
    update: (made) => made,
    remove: ({ attributes }) => {
      const at = queues.findIndex(({ name }) => name === attributes["QueueName"])
      if (at >= 0) queues.splice(at, 1)
    }
  }
}

const role = ({ iam }: World): ResourceType => ({
  properties: { AssumeRolePolicyDocument: "updates", Description: "updates" },
  create: ({ name }) => ({ id: name, attributes: { Arn: iam.createRole(name).arn } }),
  update: (made) => made,
  remove: ({ attributes }) => iam.deleteRole(attributes["Arn"] ?? "")
})

const policy = ({ account, iam }: World): ResourceType => {
  const set = (properties: Properties, statements: ReadonlyArray<Statement>): void => {
    for (const name of strings(properties, "Roles")) {
      const role = iam.role(`arn:aws:iam::${account}:role/${name}`)
      if (role === undefined) throw new TemplateError(`The role with name ${name} cannot be found.`)
      role.policies.set(string(properties, "PolicyName"), statements)
    }
  }
  const statementsOf = (properties: Properties) =>
    // As the template has them: `allows` refuses what it doesn't know.
    record(properties, "PolicyDocument")["Statement"] as ReadonlyArray<Statement>
  return {
    properties: { PolicyDocument: "updates", PolicyName: "replaces", Roles: "replaces" },
    create: ({ name, properties }) => {
      set(properties, statementsOf(properties))
      return { id: name, attributes: {} }
    },
    update: (made, properties) => {
      set(properties, statementsOf(properties))
      return made
    },
    remove: (_, properties) => set(properties, [])
  }
}

const alarm = ({ account, region }: World): ResourceType =>
  inert({
    AlarmActions: "updates",
    AlarmDescription: "updates",
    ComparisonOperator: "updates",
    DatapointsToAlarm: "updates",
    Dimensions: "updates",
    EvaluationPeriods: "updates",
    MetricName: "updates",
    Metrics: "updates",
    Namespace: "updates",
    OKActions: "updates",
    Period: "updates",
    Statistic: "updates",
    Threshold: "updates",
    TreatMissingData: "updates"
  }, (name) => ({ Arn: `arn:aws:cloudwatch:${region}:${account}:alarm:${name}` }))

const dashboard: ResourceType = {
  ...inert({ DashboardBody: "updates", DashboardName: "replaces" }),
  create: ({ name, properties }) => {
    // CloudWatch refuses a body that it can't read.
    JSON.parse(string(properties, "DashboardBody"))
    return { id: name, attributes: {} }
  }
}

export const resourceTypes = (world: World): Readonly<Record<string, ResourceType>> => ({
  "AWS::CloudWatch::Alarm": alarm(world),
  "AWS::CloudWatch::Dashboard": dashboard,
  "AWS::DynamoDB::Table": table(world),
  "AWS::IAM::Policy": policy(world),
  "AWS::IAM::Role": role(world),
  ...lambdaTypes(world),
  "AWS::Logs::LogGroup": inert({ RetentionInDays: "updates" }, (name) => ({
    Arn: logGroupArn(world, name)
  })),
  "AWS::SQS::Queue": queue(world),
  "AWS::SQS::QueuePolicy": inert({ PolicyDocument: "updates", Queues: "replaces" })
})
