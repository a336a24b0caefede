/** The kinds of resources that a worker's stack is made of, and what is made of them on this machine. */
import { Queue } from "../../src/local/Queue.ts"
import type { Functions } from "./Functions.ts"
import type { Iam, Statement } from "./Iam.ts"
import type { Objects } from "./S3.ts"
import type { Made, Properties, ResourceType } from "./Stacks.ts"
import { TemplateError } from "./Template.ts"
import type { Parameters } from "./Wire.ts"

export interface World {
  readonly account: string
  readonly region: string
  readonly endpoint: () => string
  readonly iam: Iam
  readonly objects: Objects
  readonly functions: Functions
  readonly queues: Array<Queue>
  /** Where lines of logs go. */
  readonly ingest: (line: string) => void
  readonly dynamo: (operation: string, input: object) => Promise<Parameters>
}

/** What is there to be looked at, and does nothing. */
const inert = (
  properties: ResourceType["properties"],
  attributes: (name: string) => Readonly<Record<string, string>> = () => ({})
): ResourceType => ({
  properties,
  create: ({ name }) => ({ id: name, attributes: attributes(name) }),
  update: (made) => made,
  remove: () => {}
})

const string = (properties: Properties, name: string): string => {
  const value = properties[name]
  if (typeof value !== "string") throw new TemplateError(`Properties validation failed: ${name} has to be a text`)
  return value
}

const number = (properties: Properties, name: string, otherwise: number): number => {
  const value = properties[name] ?? otherwise
  if (typeof value !== "number") throw new TemplateError(`Properties validation failed: ${name} has to be a number`)
  return value
}

const record = (properties: Properties, name: string): Properties => {
  const value = properties[name]
  if (typeof value !== "object" || value === null) throw new TemplateError(`${name} has to be an object`)
  // Only read by name, and each value is checked.
  return value as Properties
}

const strings = (properties: Properties, name: string): ReadonlyArray<string> => {
  const value = properties[name] ?? []
  if (!Array.isArray(value)) throw new TemplateError(`${name} has to be a list`)
  return value.map(String)
}

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
      MessageRetentionPeriod: "updates",
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
          visibilityTimeout: number(properties, "VisibilityTimeout", 30) * 1000,
          ...(redrive === undefined || deadLetters === undefined
            ? {}
            : { redrive: { deadLetters, maxReceiveCount: number(redrive, "maxReceiveCount", Number.NaN) } })
        })
      )
      return { id: `${endpoint()}/${account}/${name}`, attributes: { Arn: arnOf(name), QueueName: name } }
    },
    // Retention and encryption: nothing to see of them in a test.
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

const logGroupArn = ({ account, region }: World, name: string) =>
  `arn:aws:logs:${region}:${account}:log-group:${name}:*`

const lambda = (world: World): ResourceType => {
  const { account, functions, iam, objects, region } = world
  const put = (name: string, properties: Properties): Promise<void> => {
    const code = record(properties, "Code")
    const archive = objects.get(string(code, "S3Bucket"), string(code, "S3Key"))
    if (archive === undefined) throw new TemplateError(`Error occurred while GetObject. S3 Error Code: NoSuchKey.`)
    const role = string(properties, "Role")
    const { accessKeyId, secretAccessKey, sessionToken } = iam.assume(role)
    const logGroup = string(record(properties, "LoggingConfig"), "LogGroup")
    const logArn = logGroupArn(world, logGroup)
    const variables = properties["Environment"] === undefined
      ? {}
      : record(record(properties, "Environment"), "Variables")
    return functions.put(name, {
      archive,
      handler: string(properties, "Handler"),
      timeoutMillis: number(properties, "Timeout", 3) * 1000,
      memorySize: number(properties, "MemorySize", 128),
      // Without the right, Lambda says nothing and the lines are lost.
      print: (line) => {
        if (iam.may(role, "logs:PutLogEvents", logArn)) world.ingest(line)
      },
      environment: {
        ...Object.fromEntries(Object.keys(variables).map((name) => [name, string(variables, name)])),
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        AWS_SESSION_TOKEN: sessionToken,
        AWS_LAMBDA_LOG_GROUP_NAME: logGroup,
        // Where AWS is, for whoever asks as the SDK does.
        AWS_ENDPOINT_URL: world.endpoint()
      }
    })
  }
  return {
    properties: {
      Architectures: "updates",
      Code: "updates",
      Environment: "updates",
      Handler: "updates",
      LoggingConfig: "updates",
      MemorySize: "updates",
      ReservedConcurrentExecutions: "updates",
      Role: "updates",
      Runtime: "updates",
      Timeout: "updates"
    },
    create: async ({ name, properties }) => {
      await put(name, properties)
      return { id: name, attributes: { Arn: `arn:aws:lambda:${region}:${account}:function:${name}` } }
    },
    update: async (made, properties) => {
      await put(made.id, properties)
      return made
    },
    remove: ({ id }) => functions.remove(id)
  }
}

const mapping = ({ account, functions, queues, region }: World): ResourceType => {
  const connect = (made: Made, properties: Properties): Made => {
    const arn = string(properties, "EventSourceArn")
    const queue = queues.find(({ name }) => arn === `arn:aws:sqs:${region}:${account}:${name}`)
    if (queue === undefined) throw new TemplateError(`there is no queue ${arn}`)
    functions.connect({
      id: made.id,
      functionName: string(properties, "FunctionName"),
      queue,
      batchSize: number(properties, "BatchSize", 10),
      reportsFailures: strings(properties, "FunctionResponseTypes").includes("ReportBatchItemFailures")
    })
    return made
  }
  return {
    properties: {
      BatchSize: "updates",
      EventSourceArn: "replaces",
      FunctionName: "updates",
      FunctionResponseTypes: "updates",
      ScalingConfig: "updates"
    },
    create: ({ name, properties }) => connect({ id: name, attributes: {} }, properties),
    update: async (made, properties) => {
      await functions.disconnect(made.id)
      return connect(made, properties)
    },
    remove: ({ id }) => functions.disconnect(id)
  }
}

const url = inert({ AuthType: "updates", TargetFunctionArn: "replaces" }, (name) => ({
  FunctionUrl: `https://${name.toLowerCase()}.lambda-url.eu-central-1.on.aws/`
}))

const alarm = ({ account, region }: World): ResourceType =>
  inert({
    AlarmActions: "updates",
    AlarmDescription: "updates",
    ComparisonOperator: "updates",
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
  "AWS::Lambda::EventSourceMapping": mapping(world),
  "AWS::Lambda::Function": lambda(world),
  "AWS::Lambda::Url": url,
  "AWS::Logs::LogGroup": inert({ RetentionInDays: "updates" }, (name) => ({
    Arn: logGroupArn(world, name)
  })),
  "AWS::SQS::Queue": queue(world),
  "AWS::SQS::QueuePolicy": inert({ PolicyDocument: "updates", Queues: "replaces" })
})
