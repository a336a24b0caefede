/** The queues of the model behind SQS's JSON protocol, as the official SDK speaks it, on loopback. */
import { Effect, type Scope } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { account, attempt, md5, type Queue, SqsRefusal } from "./SqsModel.ts"

export interface SqsServer {
  readonly endpoint: string
  /** Those that it serves now: what is added is served from then on. */
  readonly queues: Array<Queue>
  readonly urlOf: (queue: Queue) => string
  /** The requests that came in, oldest first, by the names of their actions. */
  readonly actions: ReadonlyArray<string>
  /** Lets the next requests fail with a status and a code of SQS, or leaves them without an answer. */
  readonly failNext: (failure: { readonly status: number; readonly code: string } | "silence", times?: number) => void
}

interface Attribute {
  readonly DataType: string
  readonly StringValue?: string
  readonly BinaryValue?: string
}

interface Asked {
  readonly QueueUrl: string
  readonly MessageBody: string
  readonly DelaySeconds?: number
  readonly MessageAttributes?: Readonly<Record<string, Attribute>>
  readonly MessageGroupId?: string
  readonly MessageDeduplicationId?: string
  readonly Entries: ReadonlyArray<
    { readonly Id: string; readonly ReceiptHandle: string; readonly VisibilityTimeout: number }
  >
}

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString("utf8")
}

const send = (queue: Queue, asked: Asked): object => {
  const { DelaySeconds, MessageAttributes = {}, MessageBody, MessageDeduplicationId, MessageGroupId } = asked
  const attributes = Object.entries(MessageAttributes).map(([name, { BinaryValue, DataType, StringValue }]) => [name, {
    dataType: DataType,
    ...(StringValue === undefined ? {} : { stringValue: StringValue }),
    ...(BinaryValue === undefined ? {} : { binaryValue: BinaryValue })
  }])
  const MessageId = queue.send({
    body: MessageBody,
    attributes: Object.fromEntries(attributes),
    delaySeconds: DelaySeconds,
    groupId: MessageGroupId,
    deduplicationId: MessageDeduplicationId
  }, Date.now())
  return { MessageId, MD5OfMessageBody: md5(MessageBody) }
}

const changeVisibilityBatch = (queue: Queue, { Entries }: Asked): object => {
  if (Entries.length === 0 || Entries.length > 10) {
    throw new SqsRefusal("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "Between 1 and 10 entries are allowed.")
  }
  const ends = Entries.map(({ Id, ReceiptHandle, VisibilityTimeout }) => ({
    Id,
    refusal: attempt(() => queue.changeVisibility(ReceiptHandle, VisibilityTimeout, Date.now()))
  }))
  return {
    Successful: ends.flatMap(({ Id, refusal }) => refusal === undefined ? [{ Id }] : []),
    Failed: ends.flatMap(({ Id, refusal }) =>
      refusal === undefined ? [] : [{ Id, Code: refusal.name, Message: refusal.message, SenderFault: true }]
    )
  }
}

const actions: Readonly<Record<string, (queue: Queue, asked: Asked) => object>> = {
  SendMessage: send,
  ChangeMessageVisibilityBatch: changeVisibilityBatch
}

const respond = (response: ServerResponse, status: number, body: object): void => {
  response.writeHead(status, { "content-type": "application/x-amz-json-1.0" }).end(JSON.stringify(body))
}

export const startSqs = (...queues: Array<Queue>): Effect.Effect<SqsServer, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: SqsServer; readonly close: () => void }>((resume) => {
        const seen: Array<string> = []
        const failures: Array<{ readonly status: number; readonly code: string } | "silence"> = []
        const server = createServer((request, response) =>
          void textOf(request).then((text) => {
            const action = String(request.headers["x-amz-target"]).replace("AmazonSQS.", "")
            seen.push(action)
            const failure = failures.shift()
            if (failure === "silence") return
            if (failure !== undefined) {
              return respond(response, failure.status, {
                __type: `com.amazonaws.sqs#${failure.code}`,
                message: failure.code
              })
            }
            const asked: Asked = JSON.parse(text)
            const queue = queues.find(({ name }) => asked.QueueUrl.endsWith(`/${name}`))
            const end = attempt(() => {
              if (queue === undefined) throw new SqsRefusal("QueueDoesNotExist", "The specified queue does not exist.")
              const act = actions[action]
              if (act === undefined) throw new SqsRefusal("InvalidAction", `The action ${action} is not valid.`)
              return act(queue, asked)
            })
            if (end instanceof SqsRefusal) {
              return respond(response, 400, { __type: `com.amazonaws.sqs#${end.name}`, message: end.message })
            }
            respond(response, 200, end)
          })
        )
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const endpoint = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
          resume(Effect.succeed({
            server: {
              endpoint,
              queues,
              urlOf: ({ name }) => `${endpoint}/${account}/${name}`,
              actions: seen,
              failNext: (failure, times = 1) => failures.push(...Array.from({ length: times }, () => failure))
            },
            close: () => {
              server.close()
              server.closeAllConnections()
            }
          }))
        })
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ server }) => server
  )
