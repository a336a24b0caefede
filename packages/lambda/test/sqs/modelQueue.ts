/** `SqsQueue` on queues of the model, on the test's clock. */
import { SqsError, SqsQueue } from "@reclose/lambda"
import { Clock, Effect, Layer } from "effect"
import { account, attempt, type Queue, region } from "./SqsModel.ts"

const isNamed = (named: string) => ({ name }: Queue) =>
  named === `arn:aws:sqs:${region}:${account}:${name}` ||
  named === `https://sqs.${region}.amazonaws.com/${account}/${name}`

export const modelQueue = (...queues: ReadonlyArray<Queue>): Layer.Layer<SqsQueue> => {
  const queueAt = (named: string, operation: SqsError["operation"]) => {
    const queue = queues.find(isNamed(named))
    if (queue !== undefined) return Effect.succeed(queue)
    return Effect.fail(new SqsError({ operation, queue: named, message: `there is no queue at ${named}` }))
  }
  return Layer.succeed(SqsQueue, {
    changeVisibility: (named, changes) =>
      Effect.gen(function*() {
        const queue = yield* queueAt(named, "changeVisibility")
        const now = yield* Clock.currentTimeMillis
        return changes.flatMap(({ receiptHandle, seconds }) => {
          const refusal = attempt(() => queue.changeVisibility(receiptHandle, seconds, now))
          return refusal === undefined ? [] : [{ receiptHandle, reason: `${refusal.name}: ${refusal.message}` }]
        })
      }),
    send: (message) =>
      Effect.gen(function*() {
        const queue = yield* queueAt(message.queue, "send")
        const now = yield* Clock.currentTimeMillis
        yield* Effect.try({
          try: () => queue.send(message, now),
          catch: (cause) => new SqsError({ operation: "send", queue: message.queue, message: String(cause), cause })
        })
      })
  })
}
