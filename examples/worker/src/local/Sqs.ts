/**
 * SQS on this machine: queues behind the API that the AWS SDK speaks (AWS JSON 1.0), as far as a worker needs it.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { Clock, Data, Effect, Schema } from "effect"
import { HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { createHash } from "node:crypto"
import { createServer } from "node:http"
import { type Message, Queue, type QueueOptions } from "./Queue.ts"

export const account = "123456789012"

const Seconds = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 43_200 }))

const Attributes = Schema.Record(
  Schema.String,
  Schema.Struct({ DataType: Schema.String, StringValue: Schema.optionalKey(Schema.String) })
)

const Sent = {
  MessageBody: Schema.String,
  DelaySeconds: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 900 }))),
  MessageAttributes: Schema.optionalKey(Attributes)
}

const QueueUrl = Schema.String

const operations = {
  SendMessage: Schema.Struct({ QueueUrl, ...Sent }),
  SendMessageBatch: Schema.Struct({
    QueueUrl,
    Entries: Schema.Array(Schema.Struct({ Id: Schema.String, ...Sent }))
  }),
  ReceiveMessage: Schema.Struct({ QueueUrl, MaxNumberOfMessages: Schema.optionalKey(Schema.Int) }),
  DeleteMessage: Schema.Struct({ QueueUrl, ReceiptHandle: Schema.String }),
  ChangeMessageVisibility: Schema.Struct({ QueueUrl, ReceiptHandle: Schema.String, VisibilityTimeout: Seconds }),
  ChangeMessageVisibilityBatch: Schema.Struct({
    QueueUrl,
    Entries: Schema.Array(
      Schema.Struct({ Id: Schema.String, ReceiptHandle: Schema.String, VisibilityTimeout: Seconds })
    )
  })
}

/** What the API refuses, by the name that the SDK knows. */
class Refusal extends Data.TaggedError("Refusal")<{ readonly code: string; readonly message: string }> {}

const md5 = (text: string): string => createHash("md5").update(text).digest("hex")

/** As the SDK checks it. Attributes have a digest of their own, which it takes for optional. */
const sent = (message: Message) => ({ MessageId: message.id, MD5OfMessageBody: md5(message.body) })

export const attributesOf = (message: Message) => ({
  ApproximateReceiveCount: String(message.receives),
  ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt ?? message.sentAt),
  SentTimestamp: String(message.sentAt),
  SenderId: account
})

const decode = <A>(schema: Schema.ConstraintDecoder<A>, input: unknown) =>
  Effect.mapError(
    Schema.decodeUnknownEffect(schema)(input),
    ({ message }) => new Refusal({ code: "InvalidParameterValue", message })
  )

const refused = (problem: "NotInFlight" | "TooLong") =>
  problem === "NotInFlight"
    ? new Refusal({ code: "MessageNotInflight", message: "the receipt is of no message that is in flight" })
    : new Refusal({ code: "InvalidParameterValue", message: "a message is invisible for 12 hours at most" })

export interface Sqs {
  readonly endpoint: string
  readonly url: (queue: Queue) => string
}

/** Serves queues on a loopback port that the system picks, until the scope closes. */
export const serve = Effect.fnUntraced(function*(queues: ReadonlyArray<Queue>) {
  const queueAt = (url: string) => {
    const found = queues.find(({ name }) => url.endsWith(`/${account}/${name}`))
    return found === undefined
      ? Effect.fail(new Refusal({ code: "QueueDoesNotExist", message: `there is no queue at ${url}` }))
      : Effect.succeed(found)
  }

  const put = (queue: Queue, entry: Schema.Struct<typeof Sent>["Type"], now: number) =>
    sent(queue.send(entry.MessageBody, entry.MessageAttributes ?? {}, (entry.DelaySeconds ?? 0) * 1_000, now))

  const operate = Effect.fnUntraced(function*(operation: string, input: unknown) {
    const now = yield* Clock.currentTimeMillis
    switch (operation) {
      case "SendMessage": {
        const entry = yield* decode(operations.SendMessage, input)
        return put(yield* queueAt(entry.QueueUrl), entry, now)
      }
      case "SendMessageBatch": {
        const { Entries, QueueUrl } = yield* decode(operations.SendMessageBatch, input)
        const queue = yield* queueAt(QueueUrl)
        return { Successful: Entries.map((entry) => ({ Id: entry.Id, ...put(queue, entry, now) })), Failed: [] }
      }
      case "ReceiveMessage": {
        const { MaxNumberOfMessages = 1, QueueUrl } = yield* decode(operations.ReceiveMessage, input)
        const queue = yield* queueAt(QueueUrl)
        return {
          Messages: queue.receive(MaxNumberOfMessages, now).map((message) => ({
            MessageId: message.id,
            ReceiptHandle: message.receipt,
            Body: message.body,
            MD5OfBody: md5(message.body),
            Attributes: attributesOf(message),
            MessageAttributes: message.attributes
          }))
        }
      }
      case "DeleteMessage": {
        const { QueueUrl, ReceiptHandle } = yield* decode(operations.DeleteMessage, input)
        const queue = yield* queueAt(QueueUrl)
        queue.remove(ReceiptHandle)
        return {}
      }
      case "ChangeMessageVisibility": {
        const { QueueUrl, ReceiptHandle, VisibilityTimeout } = yield* decode(operations.ChangeMessageVisibility, input)
        const queue = yield* queueAt(QueueUrl)
        const problem = queue.changeVisibility(ReceiptHandle, VisibilityTimeout * 1_000, now)
        return problem === undefined ? {} : yield* refused(problem)
      }
      case "ChangeMessageVisibilityBatch": {
        const { Entries, QueueUrl } = yield* decode(operations.ChangeMessageVisibilityBatch, input)
        const queue = yield* queueAt(QueueUrl)
        const done = Entries.map(({ Id, ReceiptHandle, VisibilityTimeout }) => ({
          Id,
          problem: queue.changeVisibility(ReceiptHandle, VisibilityTimeout * 1_000, now)
        }))
        return {
          Successful: done.filter(({ problem }) => problem === undefined).map(({ Id }) => ({ Id })),
          Failed: done.flatMap(({ Id, problem }) => {
            if (problem === undefined) return []
            const { code, message } = refused(problem)
            return [{ Id, SenderFault: true, Code: code, Message: message }]
          })
        }
      }
      default:
        return yield* new Refusal({ code: "InvalidAction", message: `${operation} is not known here` })
    }
  })

  const handle = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const operation = (request.headers["x-amz-target"] ?? "").replace("AmazonSQS.", "")
    const input = yield* Effect.orElseSucceed(request.json, () => undefined)
    const answer = yield* Effect.match(operate(operation, input), {
      onSuccess: (body) => ({ status: 200, body }),
      onFailure: ({ code, message }) => ({ status: 400, body: { __type: `com.amazonaws.sqs#${code}`, message } })
    })
    return HttpServerResponse.text(JSON.stringify(answer.body), {
      status: answer.status,
      contentType: "application/x-amz-json-1.0"
    })
  })

  const server = yield* NodeHttpServer.make(() => createServer(), {
    host: "127.0.0.1",
    port: 0,
    gracefulShutdownTimeout: "100 millis"
  })
  yield* server.serve(handle)
  const endpoint = HttpServer.formatAddress(server.address)
  const sqs: Sqs = { endpoint, url: (queue) => `${endpoint}/${account}/${queue.name}` }
  return sqs
})

/** A queue and the dead letters behind it. */
export const makeQueues = (options: Omit<QueueOptions, "redrive"> & { readonly maxReceiveCount: number }) => {
  const deadLetters = new Queue({ name: `${options.name}-dead-letters` })
  const queue = new Queue({ ...options, redrive: { maxReceiveCount: options.maxReceiveCount, deadLetters } })
  return { queue, deadLetters }
}
