/** What the worker has around it in AWS, on this machine: a DynamoDB emulator, queues, and containers of its bundle. */
import { DynamoClient, DynamoTable } from "@reclose/dynamodb"
import type { SQSEvent } from "aws-lambda"
import { Data, Effect } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { programs, start as startServer } from "../../../../packages/dynamodb/test/DynamoServer.ts"
import type { ContainerOptions } from "../../../../packages/lambda/test/runtime/RuntimeApi.ts"
import { bundle } from "../../infra/bundle.ts"
import * as Containers from "./Containers.ts"
import * as EventSource from "./EventSource.ts"
import type { Queue } from "./Queue.ts"
import * as Sqs from "./Sqs.ts"

export const circuitsTable = "circuits"
export const service = "worker"

/** This machine can't run what the worker needs. The message says what is missing. */
export class CloudError extends Data.TaggedError("CloudError")<{ readonly message: string }> {}

export interface CloudOptions {
  /** What the worker may call. */
  readonly origins: ReadonlyArray<string>
  /** As `POLICY` of the function's environment. */
  readonly policy: object
  /** How many containers there are at most: 2 unless set. */
  readonly containers?: number
  /** How long a message that was received is invisible, in milliseconds: 30 seconds unless set. */
  readonly visibilityTimeout?: number
  /** How often a message may be received: 10 unless set. */
  readonly maxReceiveCount?: number
  /** How long an invocation may take, in milliseconds: 10 seconds unless set. */
  readonly timeout?: number
  /** The folder of the bundle, for who has made it: a new one unless set. */
  readonly code?: string
}

export interface Cloud {
  readonly queue: Queue
  readonly deadLetters: Queue
  readonly containers: Containers.Containers
  /** Hands a batch of messages to the function. */
  readonly invokeBatch: EventSource.Invoke<never>
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

/** Sets all of it up, until the scope closes. */
export const open = Effect.fnUntraced(function*(options: CloudOptions) {
  const { containers: most = 2, maxReceiveCount = 10, origins, policy, timeout = 10_000, visibilityTimeout } = options
  const dynamo = yield* emulator
  const client = DynamoClient.layer({
    endpoint: dynamo.endpoint,
    region: EventSource.region,
    credentials: { accessKeyId: "test", secretAccessKey: "test" }
  })
  yield* DynamoTable.createTable({ tableName: circuitsTable }).pipe(
    Effect.provide(client),
    Effect.mapError(({ message }) => new CloudError({ message }))
  )
  const { deadLetters, queue } = Sqs.makeQueues({
    name: "jobs",
    maxReceiveCount,
    ...(visibilityTimeout === undefined ? {} : { visibilityTimeout })
  })
  const sqs = yield* Sqs.serve([queue, deadLetters])
  const root = options.code ?? (yield* makeCode())
  const containerOptions: ContainerOptions = {
    root,
    timeout,
    functionName: service,
    environment: {
      AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
      AWS_ENDPOINT_URL_SQS: sqs.endpoint,
      ALLOWED_ORIGINS: origins.join(","),
      CIRCUITS_TABLE: circuitsTable,
      QUEUE_URL: sqs.url(queue),
      DEAD_LETTER_QUEUE_URL: sqs.url(deadLetters),
      MAX_RECEIVE_COUNT: String(maxReceiveCount),
      POLICY: JSON.stringify(policy),
      SERVICE: service
    }
  }
  const containers = yield* Containers.make({ ...containerOptions, most })
  const invokeBatch = (event: SQSEvent) =>
    containers.invoke(event).pipe(
      // Of an invocation that failed, and of a container that is gone, Lambda leaves the whole batch in the queue.
      Effect.map(({ end }) => end._tag === "Succeeded" ? EventSource.toResponse(end.result) : undefined),
      Effect.catchTag("ContainerError", () => Effect.undefined)
    )
  const cloud: Cloud = {
    queue,
    deadLetters,
    containers,
    invokeBatch,
    dynamoEndpoint: dynamo.endpoint,
    containerOptions
  }
  return cloud
})
