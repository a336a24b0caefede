/**
 * `SqsQueue` through the official AWS SDK. A module of its own, `@reclose/lambda/AwsSqs`, so that functions without SQS
 * need no `@aws-sdk/client-sqs`.
 *
 * @since 0.1.0
 */
import {
  ChangeMessageVisibilityBatchCommand,
  type MessageAttributeValue,
  SendMessageCommand,
  SQSClient,
  type SQSClientConfig
} from "@aws-sdk/client-sqs"
import type * as AwsLambda from "aws-lambda"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { type OutgoingMessage, SqsError, SqsQueue, type Visibility } from "./SqsQueue.ts"

/** What one request takes. */
const batchSize = 10
/** How many requests are out at once. */
const concurrency = 8

/**
 * Makes a client from the SDK's own configuration, and destroys it when the layer's scope closes.
 *
 * **Details**
 *
 * Two defaults differ from the SDK's, since a function has little time: it gives up on a connection after 1 second and on
 * an answer after 5 (`requestHandler`), where the SDK would wait.
 *
 * It needs `sqs:ChangeMessageVisibility` for the queues that it keeps messages back in, and `sqs:SendMessage` for those
 * that it sends to.
 *
 * **Example** (In production)
 *
 * ```ts no-run
 * import { DeadLetter } from "@reclose/lambda"
 * import * as AwsSqs from "@reclose/lambda/AwsSqs"
 * import { Layer } from "effect"
 *
 * // Region and credentials from wherever the SDK finds them.
 * const Sqs = DeadLetter.layer({ queueUrl: "https://sqs.eu-central-1.amazonaws.com/123456789012/malformed" }).pipe(
 *   Layer.provideMerge(AwsSqs.layer({}))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (config: SQSClientConfig): Layer.Layer<SqsQueue> =>
  Layer.effect(
    SqsQueue,
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() =>
          new SQSClient({
            requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
            ...config
          })
        ),
        (client) => Effect.sync(() => client.destroy())
      ),
      make
    )
  )

/**
 * Uses a client that the program owns, as it is. Whoever made it destroys it.
 *
 * @category layers
 * @since 0.1.0
 */
export const fromClient = (client: SQSClient): Layer.Layer<SqsQueue> => Layer.succeed(SqsQueue, make(client))

const make = (client: SQSClient): SqsQueue["Service"] => {
  const changeSome = (queue: string, changes: ReadonlyArray<Visibility>) =>
    Effect.tryPromise({
      try: (abortSignal) =>
        client.send(
          withQueueUrl(
            new ChangeMessageVisibilityBatchCommand({
              QueueUrl: queue,
              Entries: changes.map(({ receiptHandle, seconds }, index) => ({
                Id: String(index),
                ReceiptHandle: receiptHandle,
                VisibilityTimeout: seconds
              }))
            })
          ),
          { abortSignal }
        ),
      catch: toError("changeVisibility", queue)
    }).pipe(
      Effect.map(({ Failed = [] }) =>
        Failed.flatMap(({ Code, Id, Message }) => {
          const receiptHandle = changes[Number(Id)]?.receiptHandle
          return receiptHandle === undefined ? [] : [{ receiptHandle, reason: `${Code}: ${Message ?? "no reason"}` }]
        })
      )
    )

  return {
    changeVisibility: (queue, visibilities) => {
      const batches = Array.from(
        { length: Math.ceil(visibilities.length / batchSize) },
        (_, index) => visibilities.slice(index * batchSize, (index + 1) * batchSize)
      )
      // A request that fails keeps no other one from being made.
      const changes = Effect.forEach(batches, (batch) => Effect.result(changeSome(queue, batch)), { concurrency })
      return Effect.flatMap(changes, (results) => {
        const errors = results.filter(Result.isFailure)
        const [first] = errors
        if (first !== undefined && errors.length === batches.length) return Effect.fail(first.failure)
        return Effect.succeed(results.flatMap((result, index) =>
          Result.isSuccess(result)
            ? result.success
            : (batches[index] ?? []).map(({ receiptHandle }) => ({ receiptHandle, reason: result.failure.message }))
        ))
      })
    },
    send: (message) =>
      Effect.tryPromise({
        try: (abortSignal) => client.send(withQueueUrl(toCommand(message)), { abortSignal }),
        catch: toError("send", message.queue)
      }).pipe(Effect.asVoid)
  }
}

/** A command about a queue, as far as it is looked at here: each of SQS's two has inputs and outputs of its own. */
interface QueueCommand {
  readonly middlewareStack: {
    readonly addRelativeTo: (middleware: typeof resolveQueueUrl, options: typeof beforeQueueUrl) => void
  }
}

interface Args {
  readonly input: { readonly QueueUrl: string | undefined }
}

/** Replaces an ARN by a URL of the endpoint that the SDK has resolved for the request. */
const resolveQueueUrl = <A extends Args, B>(
  next: (args: A) => Promise<B>,
  // Its endpoint is set as the request is made, after this function was called.
  context: { readonly endpointV2?: { readonly url: URL } }
) =>
(args: A): Promise<B> => {
  const { endpointV2 } = context
  const [prefix, , , , account, name] = args.input.QueueUrl?.split(":") ?? []
  if (prefix !== "arn" || endpointV2 === undefined) return next(args)
  const path = endpointV2.url.pathname.replace(/\/$/, "")
  const QueueUrl = `${endpointV2.url.origin}${path}/${account}/${name}`
  return next({ ...args, input: { ...args.input, QueueUrl } })
}

/** The SDK's own middleware of this name sends the request to the host of the URL. */
const beforeQueueUrl = { relation: "before", toMiddleware: "queueUrlMiddleware", name: "recloseQueueUrl" } as const

const withQueueUrl = <C extends QueueCommand>(command: C): C => {
  command.middlewareStack.addRelativeTo(resolveQueueUrl, beforeQueueUrl)
  return command
}

const toCommand = ({ attributes, body, deduplicationId, delaySeconds, groupId, queue }: OutgoingMessage) =>
  new SendMessageCommand({
    QueueUrl: queue,
    MessageBody: body,
    MessageAttributes: Object.fromEntries(
      Object.entries(attributes).map(([name, attribute]) => [name, toAttribute(attribute)])
    ),
    ...(delaySeconds === undefined ? {} : { DelaySeconds: delaySeconds }),
    ...(groupId === undefined ? {} : { MessageGroupId: groupId }),
    ...(deduplicationId === undefined ? {} : { MessageDeduplicationId: deduplicationId })
  })

const toAttribute = (
  { binaryValue, dataType, stringValue }: AwsLambda.SQSMessageAttribute
): MessageAttributeValue => ({
  DataType: dataType,
  // Lambda hands over what is binary as base64.
  ...(binaryValue === undefined ? {} : { BinaryValue: Buffer.from(binaryValue, "base64") }),
  ...(stringValue === undefined ? {} : { StringValue: stringValue })
})

const toError = (operation: SqsError["operation"], queue: string) => (cause: unknown): SqsError => {
  const name = cause instanceof Error ? cause.name : "Error"
  const action = operation === "send" ? "sqs:SendMessage" : "sqs:ChangeMessageVisibility"
  const advice = name.includes("AccessDenied")
    ? `allow the function ${action} on it`
    : name.includes("NonExistentQueue") || name.includes("QueueDoesNotExist")
    ? "correct its URL"
    : "look at the cause"
  return new SqsError({
    operation,
    queue,
    message: `${action} on ${queue} failed with ${name}: ${advice}`,
    cause
  })
}
