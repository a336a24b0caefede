/** SQS on this machine, asked by the AWS SDK, and Lambda's part between a queue and a function. */
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient
} from "@aws-sdk/client-sqs"
import { assert, describe, it } from "@effect/vitest"
import type { SQSEvent } from "aws-lambda"
import { Clock, Effect } from "effect"
import { pollOnce } from "../../src/local/EventSource.ts"
import { Queue } from "../../src/local/Queue.ts"
import { serve } from "../../src/local/Sqs.ts"

const credentials = { accessKeyId: "test", secretAccessKey: "test" }

const connect = (endpoint: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new SQSClient({ endpoint, region: "eu-central-1", credentials })),
    (client) => Effect.sync(() => client.destroy())
  )

/** A queue behind a server, and a client of it. */
const open = Effect.gen(function*() {
  const queue = new Queue({ name: "jobs" })
  const sqs = yield* serve([queue])
  return { queue, client: yield* connect(sqs.endpoint), QueueUrl: sqs.url(queue) }
})

describe("SQS on this machine", () => {
  it.live("sends, receives and removes", () =>
    Effect.gen(function*() {
      const { client, queue, QueueUrl } = yield* open
      const MessageAttributes = { reason: { DataType: "String", StringValue: "a test" } }
      yield* Effect.promise(() =>
        client.send(new SendMessageCommand({ QueueUrl, MessageBody: "one", MessageAttributes }))
      )
      const received = yield* Effect.promise(() => client.send(new ReceiveMessageCommand({ QueueUrl })))
      const [message] = received.Messages ?? []
      assert.deepInclude(message, { Body: "one", MessageAttributes })
      assert.strictEqual(message?.Attributes?.ApproximateReceiveCount, "1")
      yield* Effect.promise(() =>
        client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }))
      )
      assert.isEmpty(queue.all())
    }).pipe(Effect.scoped))

  it.live("changes when messages are visible, one by one and in batches", () =>
    Effect.gen(function*() {
      const { client, queue, QueueUrl } = yield* open
      for (const body of ["one", "two"]) queue.send(body, {}, 0, 0)
      const now = yield* Clock.currentTimeMillis
      const [one, two] = queue.receive(2, now)
      yield* Effect.promise(() =>
        client.send(
          new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: one?.receipt, VisibilityTimeout: 600 })
        )
      )
      const answer = yield* Effect.promise(() =>
        client.send(
          new ChangeMessageVisibilityBatchCommand({
            QueueUrl,
            Entries: [
              { Id: "known", ReceiptHandle: two?.receipt, VisibilityTimeout: 600 },
              { Id: "unknown", ReceiptHandle: "no receipt", VisibilityTimeout: 600 }
            ]
          })
        )
      )
      assert.deepStrictEqual(answer.Successful?.map(({ Id }) => Id), ["known"])
      assert.deepStrictEqual(answer.Failed?.map(({ Code, Id }) => [Id, Code]), [["unknown", "MessageNotInflight"]])
      for (const { visibleAt } of queue.all()) assert.isAtLeast(visibleAt, now + 600_000)
    }).pipe(Effect.scoped))

  it.live("says what it doesn't know", () =>
    Effect.gen(function*() {
      const { client, QueueUrl } = yield* open
      const unknown = new SendMessageCommand({ QueueUrl: `${QueueUrl}-not`, MessageBody: "one" })
      const answer = yield* Effect.promise(() => client.send(unknown).catch((error: Error) => error.name))
      assert.strictEqual(answer, "QueueDoesNotExist")
    }).pipe(Effect.scoped))
})

describe("an event source", () => {
  const handled = (failing: ReadonlyArray<string>) => {
    const events: Array<SQSEvent> = []
    return {
      events,
      invoke: (event: SQSEvent) =>
        Effect.sync(() => {
          events.push(event)
          const failed = event.Records.filter(({ body }) => failing.includes(body))
          return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) }
        })
    }
  }

  it.effect("removes what was handled, and leaves what failed to come back", () =>
    Effect.gen(function*() {
      const queue = new Queue({ name: "jobs" })
      for (const body of ["one", "two", "three"]) queue.send(body, {}, 0, 0)
      const { events, invoke } = handled(["two"])
      assert.strictEqual(yield* pollOnce(queue, invoke, 10), 3)
      assert.deepStrictEqual(events[0]?.Records.map(({ body }) => body), ["one", "two", "three"])
      assert.deepStrictEqual(queue.all().map(({ body }) => body), ["two"])
      assert.strictEqual(yield* pollOnce(queue, invoke, 10), 0)
    }))

  it.effect("leaves all of a batch whose invocation failed", () =>
    Effect.gen(function*() {
      const queue = new Queue({ name: "jobs" })
      for (const body of ["one", "two"]) queue.send(body, {}, 0, 0)
      assert.strictEqual(yield* pollOnce(queue, () => Effect.succeed(undefined), 10), 2)
      assert.lengthOf(queue.all(), 2)
    }))
})
