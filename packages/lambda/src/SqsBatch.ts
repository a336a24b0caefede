/**
 * Batches of SQS messages, answered one message at a time.
 *
 * @since 0.1.0
 */
import { PolicyError, type PolicyIssue } from "@reclose/core/PolicyError"
import type * as AwsLambda from "aws-lambda"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { DeadLetter } from "./DeadLetter.ts"
import { type BatchSettings, runBatch } from "./internal/batch.ts"
import type { LambdaContext } from "./LambdaContext.ts"
import { MalformedMessage } from "./MalformedMessage.ts"
import type { SqsQueue } from "./SqsQueue.ts"

/**
 * How messages are sent anew before their receives are used up.
 *
 * @category models
 * @since 0.1.0
 */
export interface Renewal {
  /** The `maxReceiveCount` of the queue's redrive policy, 2 to 1,000. */
  readonly maxReceiveCount: number
  /**
   * How long after it was first sent a message is still sent anew, 1 minute to 365 days. After that it is kept back as
   * without renewal, until SQS moves it to the queue's dead-letter queue. Default 4 days.
   */
  readonly maxAge?: Duration.Input | undefined
}

/**
 * How a batch is handled.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many messages are handled at once, 1 to 1,000; of a FIFO queue, of different groups. Default 10. */
  readonly concurrency?: number | undefined
  /**
   * How long before the end of the invocation no message is begun any more and those under way are interrupted, so that
   * there is time to tell SQS: more than the `deadlineMargin` of the handler. At most half of the time that is left when
   * the batch begins. Default 2 seconds.
   */
  readonly deadlineMargin?: Duration.Input | undefined
  /**
   * For how long the queue keeps a message, 1 minute to 14 days, so that none is kept back for longer than it exists.
   * Default unknown.
   */
  readonly retention?: Duration.Input | undefined
  /**
   * Sends messages anew before their receives are used up. Not for FIFO queues. The function has to allow recursion.
   * Default never.
   */
  readonly renew?: Renewal | undefined
  /**
   * The queue's URL. Default the ARN of the messages, from which `AwsSqs` makes the URL by the endpoint of its client: an
   * emulator or a VPC endpoint is set there.
   */
  readonly queueUrl?: string | undefined
}

/**
 * Handles one message: an effect whose end says what becomes of it.
 *
 * @category models
 * @since 0.1.0
 */
export type HandleRecord<E, R> = (record: AwsLambda.SQSRecord) => Effect.Effect<unknown, E, R>

/**
 * Handles the messages of a batch, each by itself, and answers which of them stay in the queue.
 *
 * **Details**
 *
 * | the effect of a message | what becomes of the message |
 * |---|---|
 * | succeeds | it is done, and deleted |
 * | fails with `CircuitOpen`, or what it caused | it stays, and is kept back until its circuit lets calls through |
 * | fails with `Throttled` of `@reclose/http`, or what it caused | it stays, and is kept back for longer each time |
 * | fails with `MalformedMessage` | it goes to `DeadLetter`, and is done |
 * | fails otherwise, or dies | it stays, and comes again after the queue's visibility timeout; a log line says why |
 * | is not over when time is up | it is interrupted, and stays |
 * | has not begun when time is up | it stays |
 *
 * **Kept back** means that its visibility timeout is set to the `retryAfter` of its circuit, and up to as much again or a
 * minute, by chance, so that not all come back at once: within the 12 hours that SQS allows from receiving on. While
 * another call probes, it is 5 to 10 seconds, since most trials are over long before they have to be. A circuit that an
 * operator forced open keeps a message back for 5 minutes, doubled with each receive, up to an hour; `Throttled` for 10
 * seconds, doubled up to 15 minutes. The guide on Lambda says what this costs of a message's receives, and how `renew` makes
 * that none in the end.
 *
 * **FIFO queues**: messages of one group are handled one after the other. After the first that stays, all later ones of
 * its group stay as well, untouched, and are kept back with it.
 *
 * The event source mapping has to ask for it: `FunctionResponseTypes: ["ReportBatchItemFailures"]`. Without it, the answer
 * means nothing, and every message is deleted.
 *
 * **Gotchas**
 *
 * - Each message that comes to the function counts as received, whatever becomes of it.
 * - SQS delivers at least once, so does a renewal, and so does a function that ends before its answer is heard.
 * - With `renew`, the function has to allow recursion (`RecursiveLoop: Allow`), or Lambda stops a message that was renewed
 *   about 16 times. The guide on Lambda says why.
 * - A message kept back counts as one in flight, of which a queue may have 120,000.
 * - Options that can't be are a defect, a `PolicyError` that names every mistake.
 *
 * **Example** (Some stay, some don't)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore, withBreaker } from "@reclose/core"
 * import { DeadLetter, LambdaContext, SqsBatch, SqsQueue } from "@reclose/lambda"
 * import { Effect, Layer } from "effect"
 *
 * const keptBack: Array<string> = []
 *
 * const Services = Layer.mergeAll(
 *   // In production: DynamoStore, AwsSqs.layer({}), DeadLetter.layer({ queueUrl })
 *   CircuitBreaker.layer({ keys: { "news": { openDuration: "1 minute" } } }).pipe(Layer.provide(CircuitStore.layerMemory)),
 *   Layer.succeed(SqsQueue, {
 *     changeVisibility: (_, changes) =>
 *       Effect.sync(() => {
 *         keptBack.push(...changes.map(({ receiptHandle }) => receiptHandle))
 *         return []
 *       }),
 *     send: () => Effect.void
 *   }),
 *   Layer.succeed(DeadLetter, { send: () => Effect.void }),
 *   Layer.succeed(LambdaContext, { getRemainingTimeInMillis: () => 30_000 } as LambdaContext["Service"])
 * )
 *
 * const program = Effect.gen(function*() {
 *   const { forceOpen } = yield* CircuitBreaker
 *   yield* forceOpen("news")
 *   const record = (body: string) => ({
 *     messageId: body,
 *     receiptHandle: `handle of ${body}`,
 *     body,
 *     attributes: { ApproximateReceiveCount: "1", ApproximateFirstReceiveTimestamp: String(Date.now()) },
 *     messageAttributes: {},
 *     eventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:calls"
 *   })
 *   const event = { Records: ["quotes", "news"].map(record) } as unknown as Parameters<typeof SqsBatch.process>[0]
 *   return yield* SqsBatch.process(event, ({ body }) => Effect.void.pipe(withBreaker(body)))
 * })
 *
 * const response = await Effect.runPromise(Effect.provide(program, Services))
 *
 * response // => { batchItemFailures: [{ itemIdentifier: "news" }] }
 * keptBack // => ["handle of news"]
 * ```
 *
 * @category handlers
 * @since 0.1.0
 */
export const process = <E, R>(
  event: AwsLambda.SQSEvent,
  handle: HandleRecord<E, R>,
  options: Options = {}
): Effect.Effect<AwsLambda.SQSBatchResponse, never, R | SqsQueue | DeadLetter | LambdaContext> =>
  Effect.suspend(() => runBatch(event, handle, read(options)))

/**
 * The same as a function of the event, for `LambdaHandler.make`. Throws a `PolicyError` for options that can't be.
 *
 * **Example** (A worker)
 *
 * ```ts no-run
 * import { withBreaker } from "@reclose/core"
 * import { DynamoClient, DynamoStore } from "@reclose/dynamodb"
 * import { DeadLetter, LambdaBreaker, LambdaHandler, SqsBatch } from "@reclose/lambda"
 * import * as AwsSqs from "@reclose/lambda/AwsSqs"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const Order = Schema.Struct({ id: Schema.String })
 *
 * const handleOrder = SqsBatch.handler((record) =>
 *   Effect.gen(function*() {
 *     const { id } = yield* SqsBatch.decodeJson(Order, record)
 *     yield* Effect.logInfo(`ships ${id}`).pipe(withBreaker("shipping"))
 *   }), { renew: { maxReceiveCount: 5 } })
 *
 * const Live = Layer.mergeAll(
 *   LambdaBreaker.layer().pipe(
 *     Layer.provide(DynamoStore.layer({ tableName: "circuits" })),
 *     Layer.provide(DynamoClient.layer({}))
 *   ),
 *   DeadLetter.layer({ queueUrl: "https://sqs.eu-central-1.amazonaws.com/123456789012/malformed" }).pipe(
 *     Layer.provideMerge(AwsSqs.layer({}))
 *   )
 * )
 *
 * export const handler = LambdaHandler.make(Live, handleOrder)
 * ```
 *
 * @category handlers
 * @since 0.1.0
 */
export const handler = <E, R>(
  handle: HandleRecord<E, R>,
  options: Options = {}
): (
  event: AwsLambda.SQSEvent
) => Effect.Effect<AwsLambda.SQSBatchResponse, never, R | SqsQueue | DeadLetter | LambdaContext> => {
  const settings = read(options)
  return (event) => runBatch(event, handle, settings)
}

/**
 * Reads the body of a message as JSON of a schema; fails with `MalformedMessage` if it is none.
 *
 * **Example** (A message that is none)
 *
 * ```ts
 * import { SqsBatch } from "@reclose/lambda"
 * import { Effect, Schema } from "effect"
 *
 * const Order = Schema.Struct({ id: Schema.String })
 *
 * const malformed = await Effect.runPromise(Effect.flip(SqsBatch.decodeJson(Order, { body: `{"id":7}` })))
 *
 * malformed._tag // => "MalformedMessage"
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const decodeJson = <S extends Schema.Top>(
  schema: S,
  record: Pick<AwsLambda.SQSRecord, "body">
): Effect.Effect<S["Type"], MalformedMessage, S["DecodingServices"]> =>
  Effect.mapError(
    Schema.decodeUnknownEffect(Schema.fromJsonString(schema))(record.body),
    (cause) => new MalformedMessage({ reason: cause.message, cause })
  )

const read = (
  { concurrency = 10, deadlineMargin = "2 seconds", queueUrl, renew, retention }: Options
): BatchSettings => {
  const issues: Array<PolicyIssue> = []
  const count = (field: string, value: number, least: number) => {
    if (!Number.isInteger(value) || value < least || value > 1_000) {
      issues.push({ field, value, allowed: `a whole number from ${least} to 1,000` })
    }
    return value
  }
  type Text = Duration.Input & string
  const time = (field: string, input: Duration.Input, least: Text, most: Text) => {
    const millis = Option.match(Duration.fromInput(input), { onNone: () => Number.NaN, onSome: Duration.toMillis })
    if (!(millis >= Duration.toMillis(least) && millis <= Duration.toMillis(most))) {
      issues.push({ field, value: input, allowed: `a duration from ${least} to ${most}, such as "1 minute"` })
    }
    return millis
  }
  const settings: BatchSettings = {
    concurrency: count("concurrency", concurrency, 1),
    deadlineMargin: time("deadlineMargin", deadlineMargin, "0 millis", "15 minutes"),
    retention: retention === undefined ? undefined : time("retention", retention, "1 minute", "14 days"),
    renewal: renew === undefined ? undefined : {
      maxReceiveCount: count("renew.maxReceiveCount", renew.maxReceiveCount, 2),
      maxAge: time("renew.maxAge", renew.maxAge ?? "4 days", "1 minute", "365 days")
    },
    queueUrl
  }
  if (issues.length > 0) throw new PolicyError({ issues })
  return settings
}
