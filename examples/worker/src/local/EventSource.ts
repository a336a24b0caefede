/**
 * What Lambda does between a queue and a function: receives messages in batches, invokes the function, removes those
 * that it has handled, and leaves those that it reports as failed to become visible again.
 */
import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda"
import { Clock, Effect, Option, Schema } from "effect"
import { createHash } from "node:crypto"
import type { Message, Queue } from "./Queue.ts"
import { account, attributesOf } from "./Sqs.ts"

export const region = "eu-central-1"

export const recordOf = (queue: Queue, message: Message): SQSRecord => ({
  messageId: message.id,
  receiptHandle: message.receipt ?? "",
  body: message.body,
  attributes: attributesOf(message),
  messageAttributes: Object.fromEntries(
    Object.entries(message.attributes).map(([name, { DataType, StringValue = "" }]) => [
      name,
      { dataType: DataType, stringValue: StringValue }
    ])
  ),
  md5OfBody: createHash("md5").update(message.body).digest("hex"),
  eventSource: "aws:sqs",
  eventSourceARN: `arn:aws:sqs:${region}:${account}:${queue.name}`,
  awsRegion: region
})

const BatchResponse = Schema.Struct({
  batchItemFailures: Schema.Array(Schema.Struct({ itemIdentifier: Schema.String }))
})

/** What a function has answered, as Lambda reads it: anything that is no response means that all were handled. */
export const toResponse = (result: unknown): SQSBatchResponse =>
  Option.match(Schema.decodeUnknownOption(BatchResponse)(result), {
    onNone: () => ({ batchItemFailures: [] }),
    onSome: ({ batchItemFailures }) => ({ batchItemFailures: [...batchItemFailures] })
  })

/** What becomes of a batch: undefined for an invocation that failed as a whole, which leaves all of its messages. */
export type Invoke<R> = (event: SQSEvent) => Effect.Effect<SQSBatchResponse | undefined, never, R>

/** Receives one batch and has it handled. Answers how many messages there were. */
export const pollOnce = Effect.fnUntraced(function*<R>(queue: Queue, invoke: Invoke<R>, batchSize: number) {
  const messages = queue.receive(batchSize, yield* Clock.currentTimeMillis)
  if (messages.length === 0) return 0
  const response = yield* invoke({ Records: messages.map((message) => recordOf(queue, message)) })
  if (response === undefined) return messages.length
  const failed = new Set(response.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier))
  for (const message of messages) {
    if (!failed.has(message.id)) queue.remove(message.receipt ?? "")
  }
  return messages.length
})

/** Goes on receiving until it is interrupted, so many batches at once. */
export const poll = <R>(
  queue: Queue,
  invoke: Invoke<R>,
  { batchSize, concurrency }: { readonly batchSize: number; readonly concurrency: number }
): Effect.Effect<never, never, R> => {
  const one = Effect.flatMap(
    pollOnce(queue, invoke, batchSize),
    (received) => received === 0 ? Effect.sleep("20 millis") : Effect.void
  )
  return Effect.andThen(
    Effect.all(Array.from({ length: concurrency }, () => Effect.forever(one)), { concurrency: "unbounded" }),
    Effect.never
  )
}
