/**
 * A function that is small enough to see through: a guarded call that fails when told so, with circuits in the table.
 * It takes one order, or messages with orders from the queue.
 */
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs"
import { CircuitBreaker, CircuitStore, TripRule, withBreaker } from "@reclose/core"
import { DynamoClient, DynamoStore } from "@reclose/dynamodb"
import type { SQSBatchResponse, SQSEvent } from "aws-lambda"
import { Config, Effect, Layer, ManagedRuntime, Stream } from "effect"

interface Order {
  readonly key: string
  readonly fails?: boolean
}

const Store = DynamoStore.layerConfig({ tableName: Config.String("CIRCUITS_TABLE") }).pipe(
  Layer.provide(DynamoClient.layer({}))
)

const Breakers = CircuitBreaker.layer({
  tripRule: TripRule.consecutive(1),
  openDuration: "10 minutes",
  // A table that was made a moment ago is slow to answer first.
  hydrateTimeout: "2 seconds",
  background: false
}).pipe(Layer.provideMerge(Store))

const runtime = ManagedRuntime.make(Breakers)
const sqs = new SQSClient({})

const answer = ({ fails, key }: Order) =>
  (fails === true ? Effect.fail("down") : Effect.succeed("up")).pipe(
    withBreaker(key),
    Effect.catchTag("CircuitOpen", () => Effect.succeed("open")),
    Effect.catch(Effect.succeed)
  )

const flushed = Effect.ensuring(CircuitBreaker.use(({ flush }) => flush))

/** A message that is no order goes to the dead letters, one whose circuit is open back to the queue. */
const handleBatch = async ({ Records }: SQSEvent): Promise<SQSBatchResponse> => {
  const failed: Array<string> = []
  for (const { body, messageId } of Records) {
    if (!body.startsWith("{")) {
      await sqs.send(
        new SendMessageCommand({ QueueUrl: process.env.DEAD_LETTER_QUEUE_URL, MessageBody: body })
      )
    } else if (await runtime.runPromise(flushed(answer(JSON.parse(body)))) === "open") {
      failed.push(messageId)
    }
  }
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) }
}

/** What the worker has no right to. */
const list = CircuitStore.use((store) => Stream.runCollect(store.list(""))).pipe(
  Effect.match({ onSuccess: () => "listed", onFailure: ({ reason }) => reason })
)

export const handler = async (event: SQSEvent | Order | { readonly list: true }): Promise<unknown> => {
  if ("Records" in event) return handleBatch(event)
  const effect = "list" in event ? list : flushed(answer(event))
  return { answer: await runtime.runPromise(effect), service: process.env.SERVICE }
}
