/** What Lambda's event source mapping does between a queue and a function that reports failures of single messages. */
import type { SQSBatchResponse, SQSEvent } from "aws-lambda"
import { Clock, Effect, Option, Schema } from "effect"
import type { ErrorReport, Invocation } from "../runtime/RuntimeApi.ts"
import { attempt, type Queue } from "./SqsModel.ts"

const BatchResponse = Schema.Struct({
  batchItemFailures: Schema.optionalKey(
    Schema.NullOr(Schema.Array(Schema.Struct({ itemIdentifier: Schema.NonEmptyString })))
  )
})

/**
 * What a function has answered for its batch. No answer and no list of failures mean that there are none; for an answer
 * that makes no sense, Lambda takes the whole batch as failed, as for an invocation that failed. Unless the mapping asks
 * for it (`ReportBatchItemFailures`), an answer means nothing.
 */
export const answerOf = (
  { end }: Invocation,
  { reportsFailures = true }: { readonly reportsFailures?: boolean } = {}
): Effect.Effect<SQSBatchResponse, ErrorReport> => {
  if (end._tag === "Failed") return Effect.fail(end.error)
  if (!reportsFailures) return Effect.succeed({ batchItemFailures: [] })
  return Option.match(Schema.decodeUnknownOption(BatchResponse)(end.result ?? {}), {
    onNone: () =>
      Effect.fail({ errorType: "InvalidResponse", errorMessage: `${JSON.stringify(end.result)} answers for no batch` }),
    onSome: ({ batchItemFailures }) => Effect.succeed({ batchItemFailures: [...batchItemFailures ?? []] })
  })
}

/**
 * Gives the function one batch, if there is a message to be had, and deletes what it does not report. A failure leaves all
 * of them in the queue. Answers how many messages the function was given.
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
    for (const { messageId, receiptHandle } of Records) {
      // What can't be deleted, since its time is over, is given out again.
      if (!reported.has(messageId)) attempt(() => queue.delete(receiptHandle, now))
    }
    return Records.length
  })

/** Goes on giving out until it is interrupted, so many batches at once. */
export const poll = <E, R>(
  queue: Queue,
  { batchSize, concurrency }: { readonly batchSize: number; readonly concurrency: number },
  invoke: (event: SQSEvent) => Effect.Effect<SQSBatchResponse, E, R>
): Effect.Effect<never, never, R> => {
  const one = Effect.flatMap(
    deliver(queue, batchSize, invoke),
    (given) => given === 0 ? Effect.sleep("20 millis") : Effect.void
  )
  return Effect.andThen(
    Effect.all(Array.from({ length: concurrency }, () => Effect.forever(one)), { concurrency: "unbounded" }),
    Effect.never
  )
}
