/**
 * Where messages go that no retry will help.
 *
 * @since 0.1.0
 */
import type * as AwsLambda from "aws-lambda"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { attributesWith, maxAttributes } from "./internal/attributes.ts"
import { SqsQueue } from "./SqsQueue.ts"

/**
 * Where messages go that no retry will help.
 *
 * **Details**
 *
 * `send` succeeds once the message is safe. If it fails, or takes more than 10 seconds, the message stays in its queue, and
 * is handled again.
 *
 * @category services
 * @since 0.1.0
 */
export class DeadLetter extends Context.Service<DeadLetter, {
  readonly send: (record: AwsLambda.SQSRecord, reason: string) => Effect.Effect<void, unknown>
}>()("@reclose/lambda/DeadLetter") {
  /**
   * Sends them to a queue of SQS, with the reason.
   *
   * **Details**
   *
   * The body is that of the message. Its attributes come along as far as there is room: SQS takes 10, and three are added.
   *
   * | attribute | what it says |
   * |---|---|
   * | `reclose.reason` | why no retry will help, 1,000 characters at most |
   * | `reclose.messageId` | the message's id in the queue that it came from |
   * | `reclose.queue` | the ARN of that queue |
   *
   * If the URL ends with `.fifo`, the message keeps its group, or is one by itself, and is known by its id, so that one that
   * is sent twice is taken once.
   *
   * **Example** (A queue for malformed messages)
   *
   * ```ts
   * import { DeadLetter, SqsQueue } from "@reclose/lambda"
   * import { Effect, Layer } from "effect"
   *
   * const sent: Array<string | undefined> = []
   *
   * // In production: AwsSqs.layer({})
   * const Sqs = Layer.succeed(SqsQueue, {
   *   changeVisibility: () => Effect.succeed([]),
   *   send: ({ attributes }) => Effect.sync(() => void sent.push(attributes["reclose.reason"]?.stringValue))
   * })
   *
   * const record = { messageId: "1", body: "{", attributes: {}, messageAttributes: {}, eventSourceARN: "arn:orders" }
   *
   * await DeadLetter.use(({ send }) => send(record as unknown as Parameters<typeof send>[0], "no JSON")).pipe(
   *   Effect.provide(DeadLetter.layer({ queueUrl: "https://sqs.example/malformed" }).pipe(Layer.provide(Sqs))),
   *   Effect.runPromise
   * )
   *
   * sent // => ["no JSON"]
   * ```
   *
   * @since 0.1.0
   */
  static readonly layer = ({ queueUrl }: { readonly queueUrl: string }): Layer.Layer<DeadLetter, never, SqsQueue> =>
    Layer.effect(
      this,
      Effect.map(SqsQueue, ({ send }) =>
        this.of({
          send: ({ attributes, body, eventSourceARN, messageAttributes, messageId }, reason) =>
            send({
              queue: queueUrl,
              body,
              attributes: attributesWith(messageAttributes, {
                "reclose.reason": reason,
                "reclose.messageId": messageId,
                "reclose.queue": eventSourceARN
              }, maxAttributes),
              ...(queueUrl.endsWith(".fifo")
                ? { groupId: attributes.MessageGroupId ?? messageId, deduplicationId: messageId }
                : {})
            })
        }))
    )
}
