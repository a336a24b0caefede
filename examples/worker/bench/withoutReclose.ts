/**
 * The worker of `examples/worker` as somebody would write it without us: the same jobs, checks, logs and dead letters,
 * and no circuits. A job whose request fails is reported, and comes again.
 */
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs"
import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda"
import * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Job from "../src/Job.ts"

class JobRefused extends Data.TaggedError("JobRefused")<{ readonly reason: string }> {}
class JobFailed extends Data.TaggedError("JobFailed")<{ readonly status: number }> {}

const settings = Config.all({
  origins: Config.NonEmptyString("ALLOWED_ORIGINS"),
  deadLetterQueueUrl: Config.NonEmptyString("DEAD_LETTER_QUEUE_URL")
})

const client = new SQSClient({})
const runtime = ManagedRuntime.make(Layer.mergeAll(FetchHttpClient.layer, Logger.layer([Logger.consoleJson])))

const perform = Effect.fnUntraced(function*(record: SQSRecord) {
  const { deadLetterQueueUrl, origins } = yield* settings
  yield* Effect.gen(function*() {
    const job = yield* Effect.mapError(
      Job.fromText(record.body, new Set(origins.split(","))),
      ({ message }) => new JobRefused({ reason: message })
    )
    const [took, response] = yield* HttpClient.execute(Job.toRequest(job)).pipe(
      Effect.timeout("30 seconds"),
      Effect.timed
    )
    const body = yield* response.text
    if (response.status >= 500) return yield* new JobFailed({ status: response.status })
    if (response.status >= 400) return yield* new JobRefused({ reason: `${response.status}: ${body.slice(0, 200)}` })
    yield* Effect.annotateLogs(Effect.logInfo("done"), {
      job: job.id,
      status: response.status,
      millis: Math.round(Duration.toMillis(took))
    })
  }).pipe(
    Effect.catchTag("JobRefused", ({ reason }) =>
      Effect.promise(() =>
        client.send(
          new SendMessageCommand({
            QueueUrl: deadLetterQueueUrl,
            MessageBody: record.body,
            MessageAttributes: { reason: { DataType: "String", StringValue: reason.slice(0, 1_000) } }
          })
        )
      ))
  )
})

export const handler = (event: SQSEvent): Promise<SQSBatchResponse> =>
  runtime.runPromise(
    Effect.map(
      Effect.forEach(
        event.Records,
        (record) => Effect.map(Effect.exit(perform(record)), (exit) => ({ record, exit })),
        {
          concurrency: 10
        }
      ),
      (ends) => ({
        batchItemFailures: ends.filter(({ exit }) => exit._tag === "Failure").map(({ record }) => ({
          itemIdentifier: record.messageId
        }))
      })
    )
  )
