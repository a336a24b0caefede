/**
 * What a function asks of SQS beside answering for its batch: to keep a message back, to send one.
 *
 * @since 0.1.0
 */
import type * as AwsLambda from "aws-lambda"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"

/**
 * SQS could not do what it was asked.
 *
 * @category errors
 * @since 0.1.0
 */
export class SqsError extends Data.TaggedError("SqsError")<{
  readonly operation: "changeVisibility" | "send"
  /** The queue's URL or its ARN, as the caller gave it. */
  readonly queue: string
  /** Says what to do about it. */
  readonly message: string
  readonly cause?: unknown
}> {}

/**
 * A message to send.
 *
 * @category models
 * @since 0.1.0
 */
export interface OutgoingMessage {
  /** The queue's URL or its ARN. */
  readonly queue: string
  readonly body: string
  /** After how many seconds it may be received: 0 to 900, and 0 for a FIFO queue. Default what the queue says. */
  readonly delaySeconds?: number | undefined
  /** At most 10. */
  readonly attributes: AwsLambda.SQSMessageAttributes
  readonly groupId?: string | undefined
  /** For a FIFO queue. */
  readonly deduplicationId?: string | undefined
}

/**
 * For how long a message is kept back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Visibility {
  readonly receiptHandle: string
  /** From now on, 0 to 43,200 seconds; what was spent since it was received counts as well. */
  readonly seconds: number
}

/**
 * What a function asks of SQS beside answering for its batch.
 *
 * **Details**
 *
 * `AwsSqs` of `@reclose/lambda/AwsSqs` provides it through the official AWS SDK. In a test, provide an object of your own.
 *
 * - `changeVisibility` keeps messages of a queue back, any number of them. It answers those that it could not, with the
 *   reason, and fails only if it could not do anything.
 * - `send` sends one message.
 *
 * Both accept a queue's URL or its ARN. `AwsSqs` makes the URL of an ARN with the endpoint that the SDK's client resolves:
 * right for every partition, for FIPS and dual stack, and for an endpoint of the client's configuration.
 *
 * Nothing in it needs a time limit of its own: a batch waits 10 seconds for it, and less if the invocation ends before.
 *
 * @category services
 * @since 0.1.0
 */
export class SqsQueue extends Context.Service<SqsQueue, {
  readonly changeVisibility: (
    queue: string,
    changes: ReadonlyArray<Visibility>
  ) => Effect.Effect<ReadonlyArray<{ readonly receiptHandle: string; readonly reason: string }>, SqsError>
  readonly send: (message: OutgoingMessage) => Effect.Effect<void, SqsError>
}>()("@reclose/lambda/SqsQueue") {}
