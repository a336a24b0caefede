/** What the worker has around it in AWS, on this machine: a DynamoDB emulator, queues, and containers of its bundle. */
import { DynamoClient, DynamoTable } from "@reclose/dynamodb"
import type { SQSBatchResponse, SQSEvent } from "aws-lambda"
import { Data, Effect } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { programs, start as startServer } from "../../../../packages/dynamodb/test/DynamoServer.ts"
import type {
  ContainerError,
  ContainerOptions,
  ErrorReport
} from "../../../../packages/lambda/test/runtime/RuntimeApi.ts"
import { answerOf } from "../../../../packages/lambda/test/sqs/EventSource.ts"
import { Queue, region } from "../../../../packages/lambda/test/sqs/SqsModel.ts"
import { type SqsServer, startSqs } from "../../../../packages/lambda/test/sqs/SqsServer.ts"
import { bundle } from "../../infra/bundle.ts"
import * as Containers from "./Containers.ts"

const circuitsTable = "circuits"
const service = "worker"

/** This machine can't run what the worker needs. The message says what is missing. */
class CloudError extends Data.TaggedError("CloudError")<{ readonly message: string }> {}

export interface CloudOptions {
  /** What the worker may call. */
  readonly origins: ReadonlyArray<string>
  /** As `POLICY` of the function's environment. */
  readonly policy: object
  /** How many containers there are at most: 2 unless set. */
  readonly containers?: number
  /** How long a message that was received is invisible, in seconds: 30 unless set. */
  readonly visibilityTimeout?: number
  /** How often a message may be received: 10 unless set. */
  readonly maxReceiveCount?: number
  /** How long an invocation may take, in milliseconds: 10 seconds unless set. */
  readonly timeout?: number
  /** Variables of the function that differ from what is set up here: `undefined` for one that is missing. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** The folder of the bundle, for who has made it: a new one unless set. */
  readonly code?: string
}

export interface Cloud {
  readonly queue: Queue
  readonly deadLetters: Queue
  readonly sqs: SqsServer
  readonly containers: Containers.Containers
  /** Hands a batch of messages to the function. */
  readonly invokeBatch: (event: SQSEvent) => Effect.Effect<SQSBatchResponse, ContainerError | ErrorReport>
  readonly dynamoEndpoint: string
  /** For who starts containers of his own. */
  readonly containerOptions: ContainerOptions
}

/** The first of the emulators that this machine can run. */
const emulator = Effect.suspend(() => {
  const program = programs.find(({ missing }) => missing === undefined)
  return program === undefined
    ? Effect.fail(new CloudError({ message: `no DynamoDB emulator: ${programs.map((one) => one.missing).join("; ")}` }))
    : Effect.mapError(startServer(program), ({ message }) => new CloudError({ message }))
})

/** Bundles a function, the worker's own unless told otherwise, into a folder that is gone with the scope. */
export const makeCode = (entry = join(import.meta.dirname, "../lambda.ts")) =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "reclose-worker-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    ),
    (outdir) => Effect.promise(() => bundle({ entry, outdir }))
  )

const withoutMissing = (variables: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) => value === undefined ? [] : [[name, value]])
  )

/** Sets all of it up, until the scope closes. */
export const open = Effect.fnUntraced(function*(options: CloudOptions) {
  const { containers: most = 2, maxReceiveCount = 10, origins, policy, timeout = 10_000, visibilityTimeout } = options
  const dynamo = yield* emulator
  const client = DynamoClient.layer({
    endpoint: dynamo.endpoint,
    region,
    credentials: { accessKeyId: "test", secretAccessKey: "test" }
  })
  yield* DynamoTable.createTable({ tableName: circuitsTable }).pipe(
    Effect.provide(client),
    Effect.mapError(({ message }) => new CloudError({ message }))
  )
  const deadLetters = new Queue({ name: "jobs-dead-letters" })
  const queue = new Queue({
    name: "jobs",
    redrive: { maxReceiveCount, to: deadLetters },
    ...(visibilityTimeout === undefined ? {} : { visibilityTimeout })
  })
  const sqs = yield* startSqs(queue, deadLetters)
  const root = options.code ?? (yield* makeCode())
  const containerOptions: ContainerOptions = {
    root,
    timeout,
    functionName: service,
    environment: withoutMissing({
      AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
      AWS_ENDPOINT_URL_SQS: sqs.endpoint,
      ALLOWED_ORIGINS: origins.join(","),
      CIRCUITS_TABLE: circuitsTable,
      QUEUE_URL: sqs.urlOf(queue),
      DEAD_LETTER_QUEUE_URL: sqs.urlOf(deadLetters),
      MAX_RECEIVE_COUNT: String(maxReceiveCount),
      POLICY: JSON.stringify(policy),
      SERVICE: service,
      ...options.environment
    })
  }
  const containers = yield* Containers.make({ ...containerOptions, most })
  const cloud: Cloud = {
    queue,
    deadLetters,
    sqs,
    containers,
    invokeBatch: (event) => Effect.flatMap(containers.invoke(event), answerOf),
    dynamoEndpoint: dynamo.endpoint,
    containerOptions
  }
  return cloud
})
