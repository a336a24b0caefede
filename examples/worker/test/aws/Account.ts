/**
 * An AWS account on this machine, as far as a stack is deployed to it by the real CDK CLI and then runs: one endpoint that
 * speaks the protocols of its services, in one region. Tables are in a DynamoDB emulator, functions run in processes
 * of their own, and whoever asks for something needs the right to it. Ends with its scope.
 */
import { Effect, type Scope } from "effect"
import type { ServeError } from "effect/http/HttpServerError"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { DynamoServerError, programs, start } from "../../../../packages/dynamodb/test/DynamoServer.ts"
import { account, type Queue, region } from "../../../../packages/lambda/test/sqs/SqsModel.ts"
import { startSqs } from "../../../../packages/lambda/test/sqs/SqsServer.ts"
import { bootstrap } from "./Bootstrap.ts"
import { makeCloudFormation } from "./CloudFormation.ts"
import { makeCloudWatch } from "./CloudWatch.ts"
import { type Functions, makeFunctions } from "./Functions.ts"
import { type Credentials, makeIam } from "./Iam.ts"
import { resourceTypes } from "./Resources.ts"
import { makeS3 } from "./S3.ts"
import { makeSsm } from "./Ssm.ts"
import { makeStacks, type Stacks } from "./Stacks.ts"
import { makeSts } from "./Sts.ts"
import { type Answer, forwarded, type Parameters, type Service, text } from "./Wire.ts"

export interface Account {
  readonly endpoint: string
  /** Of somebody who may deploy with the CDK. */
  readonly credentials: Credentials
  readonly stacks: Stacks
  readonly functions: Functions
  readonly queues: ReadonlyArray<Queue>
  /** The alarms of all stacks that would be on by now, by logical ID. */
  readonly alarms: () => ReadonlyArray<string>
  /** Credentials that stand for a role. */
  readonly assume: (roleArn: string) => Credentials
  /** Asks DynamoDB as somebody who may do everything. */
  readonly dynamo: (operation: string, input: object) => Promise<Parameters>
  /** Whoever asked for what, the oldest first: service, action and status. */
  readonly requests: ReadonlyArray<string>
}

/** Which service a request is for, and who signed it, as SigV4 says it. The signature itself is not checked. */
const signed = /Credential=([^/]+)\/\d+\/[^/]+\/([^/]+)\/aws4_request/

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const headersOf = ({ headers }: IncomingMessage): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => typeof value === "string" ? [[name, value]] : [])
  )

const forbidden = (message: string): Answer => ({
  status: 403,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ __type: "UnrecognizedClientException", message })
})

/** The tables that a request is about, by name or ARN. */
const tablesOf = (input: Parameters): ReadonlyArray<string> => {
  const { RequestItems } = input
  return typeof RequestItems === "object" && RequestItems !== null
    ? Object.keys(RequestItems)
    : [text(input, "TableName")]
}

const listen = (handle: (request: IncomingMessage, response: ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.callback<readonly [endpoint: string, close: () => void]>((resume) => {
      const server = createServer(handle)
      server.listen(0, "127.0.0.1", () => {
        // A server that listens on a port has such an address.
        const { port } = server.address() as AddressInfo
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        resume(Effect.succeed([`http://127.0.0.1:${port}`, close]))
      })
    }),
    ([, close]) => Effect.sync(close)
  )

/** The first emulator of DynamoDB that this machine can run, if there is one. */
const emulatorProgram = programs.find(({ missing }) => missing === undefined)

/** Whether an account can be started here. `RECLOSE_REQUIRE_DYNAMODB=1` says that it has to be. */
export const isRunnable = emulatorProgram !== undefined || process.env["RECLOSE_REQUIRE_DYNAMODB"] === "1"

/** Starts one that `cdk bootstrap` has prepared, with nothing else in it. */
export const startAccount: Effect.Effect<Account, DynamoServerError | ServeError, Scope.Scope> = Effect.gen(
  function*() {
    const [dynoxide] = programs
    if (dynoxide === undefined) return yield* Effect.die(new Error("there is no DynamoDB emulator"))
    const emulator = yield* start(dynoxide)
    const sqs = yield* startSqs()
    const { queues } = sqs
    const functions = yield* makeFunctions

    const dynamo = async (operation: string, input: object): Promise<Parameters> => {
      const answer = await fetch(emulator.endpoint, {
        method: "POST",
        headers: {
          "content-type": "application/x-amz-json-1.0",
          "x-amz-target": `DynamoDB_20120810.${operation}`,
          "x-amz-date": "20260101T000000Z",
          // It wants to see a signature, and does not check it.
          authorization:
            `AWS4-HMAC-SHA256 Credential=account/20260101/${region}/dynamodb/aws4_request, SignedHeaders=host, Signature=0`
        },
        body: JSON.stringify(input),
        signal: AbortSignal.timeout(10_000)
      })
      const output = await answer.json() as Parameters
      if (!answer.ok) throw new Error(`${operation}: ${String(output["__type"])}: ${String(output["message"])}`)
      return output
    }

    const iam = makeIam(account)
    const { bucket, developer, parameters } = bootstrap(iam, account, region)
    const s3 = makeS3([bucket], region)
    const arn = (service: string) => `arn:aws:${service}:${region}:${account}`

    const requests: Array<string> = []
    const serveOne = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const headers = headersOf(request)
      const [, accessKeyId = "", name = ""] = signed.exec(headers["authorization"] ?? "") ?? []
      const service = services[name]
      const caller = iam.callerOf(accessKeyId)
      const body = await bodyOf(request)
      const answer = service === undefined || caller === undefined
        ? forbidden(`this server knows no service ${name}, or nobody with the key ${accessKeyId}`)
        : await service({
          method: request.method ?? "",
          url: new URL(request.url ?? "/", endpoint),
          headers,
          body,
          caller,
          authorize: (action, resource) => iam.authorize(caller, action, resource)
        })
      const what = headers["x-amz-target"]?.split(".").at(-1) ??
        new URLSearchParams(body.toString("utf8")).get("Action")
      requests.push(`${name} ${what ?? `${request.method} ${request.url}`} ${answer.status}`)
      response.writeHead(answer.status, { ...answer.headers, "content-length": Buffer.byteLength(answer.body) })
      response.end(request.method === "HEAD" ? undefined : answer.body)
    }

    const [endpoint] = yield* listen((request, response) => {
      serveOne(request, response).catch((error: unknown) => {
        requests.push(`failed: ${String(error)}`)
        response.destroy()
      })
    })

    const cloudWatch = makeCloudWatch((namespace, name, { QueueName }) =>
      namespace === "AWS/SQS" && name === "ApproximateNumberOfMessagesVisible"
        ? queues.find((queue) => queue.name === QueueName)?.all.filter(({ visibleAt }) => visibleAt <= Date.now())
          .length
        : undefined
    )
    const world = {
      account,
      region,
      endpoint: () => endpoint,
      iam,
      objects: s3.objects,
      functions,
      queues,
      ingest: cloudWatch.ingest,
      dynamo
    }
    const stacks = makeStacks({ account, region, stored: parameters, types: resourceTypes(world) })

    const services: Readonly<Record<string, Service>> = {
      cloudformation: makeCloudFormation(stacks, s3.objects),
      dynamodb: forwarded(emulator.endpoint, (operation, input) =>
        tablesOf(input).map((table) => [
          `dynamodb:${operation}`,
          table.startsWith("arn:") ? table : `${arn("dynamodb")}:table/${table}`
        ])),
      s3: s3.service,
      sqs: forwarded(sqs.endpoint, (operation, input) => [
        // The right to do it is the right to do it many times.
        [`sqs:${operation.replace(/Batch$/, "")}`, `${arn("sqs")}:${text(input, "QueueUrl").split("/").at(-1)}`]
      ]),
      ssm: makeSsm(parameters, arn("ssm")),
      sts: makeSts(iam, account)
    }

    const alarms = () =>
      stacks.all().flatMap(({ resources }) =>
        [...resources].flatMap(([id, { properties, type }]) =>
          type === "AWS::CloudWatch::Alarm" && cloudWatch.stateOf(properties, Date.now()) === "ALARM" ? [id] : []
        )
      )
    const { assume } = iam
    return { endpoint, credentials: assume(developer), assume, stacks, functions, queues, alarms, dynamo, requests }
  }
)
