/** The kinds of resources of AWS Lambda. */
import type { Made, Properties, ResourceType } from "./Stacks.ts"
import { TemplateError } from "./Template.ts"
import { inert, number, record, string, strings, type World } from "./World.ts"

export const logGroupArn = ({ account, region }: World, name: string) =>
  `arn:aws:logs:${region}:${account}:log-group:${name}:*`

const lambda = (world: World, roles: Map<string, string>): ResourceType => {
  const { account, functions, iam, objects, region } = world
  const put = (name: string, properties: Properties): Promise<void> => {
    const code = record(properties, "Code")
    const archive = objects.get(string(code, "S3Bucket"), string(code, "S3Key"))
    if (archive === undefined) throw new TemplateError(`Error occurred while GetObject. S3 Error Code: NoSuchKey.`)
    const role = string(properties, "Role")
    const { accessKeyId, secretAccessKey, sessionToken } = iam.assume(role)
    roles.set(name, role)
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
      // Nothing here looks for loops.
      RecursiveLoop: "updates",
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

/** What Lambda does with a function's role to get messages to it. */
const receiving = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"]

const mapping = (
  { account, functions, iam, queues, region }: World,
  roles: ReadonlyMap<string, string>
): ResourceType => {
  const connect = (made: Made, properties: Properties): Made => {
    const arn = string(properties, "EventSourceArn")
    const queue = queues.find(({ name }) => arn === `arn:aws:sqs:${region}:${account}:${name}`)
    if (queue === undefined) throw new TemplateError(`there is no queue ${arn}`)
    const functionName = string(properties, "FunctionName")
    for (const action of receiving) {
      if (!iam.may(roles.get(functionName) ?? "", `sqs:${action}`, arn)) {
        throw new TemplateError(`The function execution role does not have permissions to call ${action} on SQS`)
      }
    }
    functions.connect({
      id: made.id,
      functionName,
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

export const lambdaTypes = (world: World): Readonly<Record<string, ResourceType>> => {
  /** The role of each function, by the function's name. */
  const roles = new Map<string, string>()
  return {
    "AWS::Lambda::EventSourceMapping": mapping(world, roles),
    "AWS::Lambda::Function": lambda(world, roles),
    "AWS::Lambda::Url": url
  }
}
