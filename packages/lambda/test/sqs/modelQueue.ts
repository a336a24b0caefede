/** `SqsQueue` on queues of the model, on the test's clock. */
import { SqsError, SqsQueue } from "@reclose/lambda"
import { Clock, Effect, Layer } from "effect"
import { account, attempt, type Queue, region } from "./SqsModel.ts"

const urlOf = ({ name }: Queue) => `https://sqs.${region}.amazonaws.com/${account}/${name}`

export const modelQueue = (...queues: ReadonlyArray<Queue>): Layer.Layer<SqsQueue> => {
  const queueAt = (queueUrl: string, operation: SqsError["operation"]) => {
    const queue = queues.find((queue) => urlOf(queue) === queueUrl)
    if (queue !== undefined) return Effect.succeed(queue)
    return Effect.fail(new SqsError({ operation, queueUrl, message: `there is no queue at ${queueUrl}` }))
  }
  return Layer.succeed(SqsQueue, {
    changeVisibility: (queueUrl, changes) =>
      Effect.gen(function*() {
        const queue = yield* queueAt(queueUrl, "changeVisibility")
        const now = yield* Clock.currentTimeMillis
        return changes.flatMap(({ receiptHandle, seconds }) => {
          const refusal = attempt(() => queue.changeVisibility(receiptHandle, seconds, now))
          return refusal === undefined ? [] : [{ receiptHandle, reason: `${refusal.name}: ${refusal.message}` }]
        })
      }),
    send: (message) =>
      Effect.gen(function*() {
        const queue = yield* queueAt(message.queueUrl, "send")
        const now = yield* Clock.currentTimeMillis
        yield* Effect.try({
          try: () => queue.send(message, now),
          catch: (cause) =>
            new SqsError({ operation: "send", queueUrl: message.queueUrl, message: String(cause), cause })
        })
      })
  })
}
