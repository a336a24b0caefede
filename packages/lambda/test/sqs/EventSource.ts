/** What Lambda's event source mapping does between a queue and a function that reports failures of single messages. */
import type { SQSBatchResponse, SQSEvent } from "aws-lambda"
import { Clock, Effect } from "effect"
import type { Queue } from "./SqsModel.ts"

/**
 * Gives the function one batch, if there is a message to be had, and deletes what it does not report. A response that is
 * none, or a failure, leaves all of them in the queue. Answers how many messages the function was given.
 */
export const deliver = <E, R>(
  queue: Queue,
  batchSize: number,
  invoke: (event: SQSEvent) => Effect.Effect<SQSBatchResponse, E, R>
): Effect.Effect<number, never, R> =>
  Effect.gen(function*() {
    const Records = [...queue.receive(batchSize, yield* Clock.currentTimeMillis)]
    if (Records.length === 0) return 0
    const exit = yield* Effect.exit(invoke({ Records }))
    if (exit._tag === "Failure") return Records.length
    const reported = new Set(exit.value.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier))
    // One that the batch does not hold is a mistake for which Lambda takes the whole batch as failed.
    if ([...reported].some((id) => !Records.some(({ messageId }) => messageId === id))) return Records.length
    const now = yield* Clock.currentTimeMillis
    for (const { messageId, receiptHandle } of Records) if (!reported.has(messageId)) queue.delete(receiptHandle, now)
    return Records.length
  })
