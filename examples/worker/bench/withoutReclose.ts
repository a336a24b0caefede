/**
 * The worker of `examples/worker` as somebody would write it without us: the same jobs from the queue and over the URL,
 * the same checks, bounds, logs and dead letters, and no circuits. A job whose request fails is reported, and comes again.
 */
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs"
import type { LambdaFunctionURLEvent, LambdaFunctionURLResult, SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { fromResponse } from "../src/Answer.ts"
import * as Job from "../src/Job.ts"

const settings = Config.all({
  origins: Config.NonEmptyString("ALLOWED_ORIGINS"),
  deadLetterQueueUrl: Config.NonEmptyString("DEAD_LETTER_QUEUE_URL")
})

const client = new SQSClient({})

const Fetch = FetchHttpClient.layer.pipe(
  Layer.provideMerge(Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" }))
)
const runtime = ManagedRuntime.make(Layer.mergeAll(Fetch, Logger.layer([Logger.consoleJson])))

const read = Effect.fnUntraced(function*(text: string) {
  const { origins } = yield* settings
  return yield* Job.fromText(text, new Set(origins.split(",")))
})

const perform = Effect.fn("Worker.perform")(function*(job: Job.Job) {
  const response = yield* Effect.timeout(HttpClient.execute(Job.toRequest(job)), "30 seconds")
  return yield* Effect.timeout(fromResponse(response), "60 seconds")
})

const bury = Effect.fnUntraced(function*({ body }: SQSRecord, { message }: { readonly message: string }) {
  const { deadLetterQueueUrl } = yield* settings
  const command = new SendMessageCommand({
    QueueUrl: deadLetterQueueUrl,
    MessageBody: body,
    MessageAttributes: { reason: { DataType: "String", StringValue: message.slice(0, 1_000) } }
  })
  yield* Effect.promise(() => client.send(command))
})

const handleRecord = (record: SQSRecord) =>
  Effect.gen(function*() {
    const job = yield* read(record.body)
    const { method, url } = job.request
    yield* perform(job).pipe(
      Effect.timed,
      Effect.tap(([took, { status }]) =>
        Effect.annotateLogs(Effect.logInfo("done"), { status, millis: Math.round(Duration.toMillis(took)) })
      ),
      Effect.annotateLogs({ job: job.id, method, origin: url.origin, path: url.pathname })
    )
  }).pipe(
    Effect.catchTags({ SchemaError: (error) => bury(record, error), JobRefused: (error) => bury(record, error) })
  )

const handleBatch = ({ Records }: SQSEvent): Effect.Effect<SQSBatchResponse, never, HttpClient.HttpClient> =>
  Effect.map(
    Effect.forEach(Records, (record) => Effect.exit(handleRecord(record)), { concurrency: 10 }),
    (exits) => ({
      batchItemFailures: Records.filter((_, index) => exits[index]?._tag === "Failure")
        .map(({ messageId }) => ({ itemIdentifier: messageId }))
    })
  )

const json = (statusCode: number, body: object) => ({
  statusCode,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body)
})

const answerRequest = (
  { body = "", isBase64Encoded }: LambdaFunctionURLEvent
): Effect.Effect<LambdaFunctionURLResult, never, HttpClient.HttpClient> =>
  Effect.flatMap(read(isBase64Encoded ? Buffer.from(body, "base64").toString("utf8") : body), perform).pipe(
    Effect.map((answer) => json(200, answer)),
    Effect.catchTags({
      SchemaError: ({ message }) => Effect.succeed(json(400, { reason: message })),
      JobRefused: ({ message, status }) => Effect.succeed(json(422, { status, reason: message })),
      JobFailed: ({ message, status }) => Effect.succeed(json(502, { status, reason: message })),
      HttpClientError: ({ message }) => Effect.succeed(json(502, { reason: message })),
      TimeoutError: ({ message }) => Effect.succeed(json(504, { reason: message })),
      ConfigError: ({ message }) => Effect.succeed(json(500, { reason: message }))
    })
  )

export const handler = (
  event: SQSEvent | LambdaFunctionURLEvent
): Promise<SQSBatchResponse | LambdaFunctionURLResult> =>
  runtime.runPromise(
    Effect.suspend((): Effect.Effect<SQSBatchResponse | LambdaFunctionURLResult, never, HttpClient.HttpClient> =>
      "Records" in event ? handleBatch(event) : answerRequest(event)
    )
  )
