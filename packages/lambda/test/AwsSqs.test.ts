/** The official SDK against a server of SQS's protocol. */
import { SQSClient } from "@aws-sdk/client-sqs"
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, withBreaker } from "@reclose/core"
import { DeadLetter, LambdaContext, MalformedMessage, SqsBatch, SqsQueue } from "@reclose/lambda"
import * as AwsSqs from "@reclose/lambda/AwsSqs"
import type { SQSRecord } from "aws-lambda"
import { Effect, Fiber, Layer } from "effect"
import { deliver } from "./sqs/EventSource.ts"
import { Queue } from "./sqs/SqsModel.ts"
import { type SqsServer, startSqs } from "./sqs/SqsServer.ts"
import { contextOf } from "./support.ts"

const credentials = { accessKeyId: "test", secretAccessKey: "test" }

const clientOf = ({ endpoint }: SqsServer) =>
  AwsSqs.layer({ endpoint, region: "eu-central-1", credentials, maxAttempts: 1 })

const start = Effect.gen(function*() {
  const queue = new Queue({ name: "orders" })
  const malformed = new Queue({ name: "malformed" })
  const server = yield* startSqs(queue, malformed)
  return { queue, malformed, server, url: server.urlOf(queue) }
})

const send = (message: Parameters<SqsQueue["Service"]["send"]>[0]) => SqsQueue.use((queue) => queue.send(message))

describe("the queue of AWS", () => {
  it.live("takes a message as it was received, with its attributes, group and delay", () =>
    Effect.gen(function*() {
      const { queue, server, url } = yield* start
      const attributes = {
        tenant: { dataType: "String", stringValue: "a" },
        count: { dataType: "Number.int", stringValue: "7" },
        raw: { dataType: "Binary", binaryValue: "AQID" }
      }
      yield* send({ queue: url, body: "one", attributes, delaySeconds: 5, groupId: "fair" }).pipe(
        Effect.provide(clientOf(server))
      )
      const [message] = queue.all
      assert.deepStrictEqual([message?.body, message?.groupId, message?.attributes], ["one", "fair", attributes])
      assert.strictEqual((message?.visibleAt ?? 0) - (message?.sentAt ?? 0), 5_000)
    }))

  it.live("keeps back any number of messages, ten in a request, and says which it could not", () =>
    Effect.gen(function*() {
      const { queue, server, url } = yield* start
      for (let at = 0; at < 25; at++) queue.send({ body: `${at}` }, Date.now())
      const records = queue.receive(25, Date.now())
      const changes = [
        ...records.map(({ receiptHandle }) => ({ receiptHandle, seconds: 600 })),
        { receiptHandle: "nobody's", seconds: 600 }
      ]
      const failed = yield* SqsQueue.use(({ changeVisibility }) => changeVisibility(url, changes)).pipe(
        Effect.provide(clientOf(server))
      )
      assert.deepStrictEqual(failed.map(({ receiptHandle }) => receiptHandle), ["nobody's"])
      assert.match(failed[0]?.reason ?? "", /^ReceiptHandleIsInvalid: /)
      assert.deepStrictEqual(server.actions, Array.from({ length: 3 }, () => "ChangeMessageVisibilityBatch"))
      assert.isTrue(queue.all.every(({ visibleAt }) => visibleAt > Date.now() + 500_000))
    }))

  it.live("keeps back the rest where one request of several fails, and fails only if all do", () =>
    Effect.gen(function*() {
      const { queue, server, url } = yield* start
      for (let at = 0; at < 25; at++) queue.send({ body: `${at}` }, Date.now())
      const changes = queue.receive(25, Date.now()).map(({ receiptHandle }) => ({ receiptHandle, seconds: 600 }))
      const change = SqsQueue.use(({ changeVisibility }) => changeVisibility(url, changes))
      yield* Effect.gen(function*() {
        server.failNext({ status: 403, code: "AccessDeniedException" })
        const failed = yield* change
        assert.strictEqual(
          queue.all.filter(({ visibleAt }) => visibleAt > Date.now() + 500_000).length,
          25 - failed.length
        )
        assert.include([5, 10], failed.length)
        assert.match(failed[0]?.reason ?? "", /allow the function sqs:ChangeMessageVisibility on it/)
        server.failNext({ status: 403, code: "AccessDeniedException" }, 3)
        assert.strictEqual((yield* Effect.flip(change))._tag, "SqsError")
      }).pipe(Effect.provide(clientOf(server)))
    }))

  it.live("says what failed, and what to do about it", () =>
    Effect.gen(function*() {
      const { server, url } = yield* start
      const message = (queue: string) => send({ queue, body: "x", attributes: {} }).pipe(Effect.flip)
      const { denied, gone } = yield* Effect.gen(function*() {
        const gone = yield* message(`${url}-of-nobody`)
        server.failNext({ status: 403, code: "AccessDeniedException" })
        return { gone, denied: yield* message(url) }
      }).pipe(Effect.provide(clientOf(server)))
      assert.match(gone.message, /sqs:SendMessage on .*orders-of-nobody failed with QueueDoesNotExist: correct its URL/)
      assert.match(denied.message, /allow the function sqs:SendMessage on it/)
      assert.strictEqual(denied._tag, "SqsError")
    }))

  it.live("gives up a request when it is interrupted", () =>
    Effect.gen(function*() {
      const { server, url } = yield* start
      server.failNext("silence")
      const fiber = yield* Effect.forkChild(
        send({ queue: url, body: "x", attributes: {} }).pipe(Effect.provide(clientOf(server)))
      )
      while (server.actions.length === 0) yield* Effect.sleep(5)
      yield* Fiber.interrupt(fiber)
      assert.isDefined(fiber.pollUnsafe())
    }))

  it.live("uses a client of the program's own, and leaves it open", () =>
    Effect.gen(function*() {
      const { queue, server, url } = yield* start
      const client = new SQSClient({ endpoint: server.endpoint, region: "eu-central-1", credentials })
      const message = { queue: url, body: "x", attributes: {} }
      yield* send(message).pipe(Effect.provide(AwsSqs.fromClient(client)))
      yield* send(message).pipe(Effect.provide(AwsSqs.fromClient(client)))
      client.destroy()
      assert.strictEqual(queue.all.length, 2)
    }))

  it.live("does for a batch what it has to", () =>
    Effect.gen(function*() {
      const { malformed, queue, server, url } = yield* start
      for (const body of ["good", "rejected", "{"]) queue.send({ body }, Date.now())
      const services = Layer.mergeAll(
        DeadLetter.layer({ queueUrl: server.urlOf(malformed) }).pipe(Layer.provideMerge(clientOf(server))),
        CircuitBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory)),
        Layer.effect(LambdaContext, contextOf(10_000))
      )
      yield* Effect.gen(function*() {
        const { forceOpen } = yield* CircuitBreaker
        yield* forceOpen("rejected")
        const handle = Effect.fnUntraced(function*({ body }: SQSRecord) {
          if (body === "{") return yield* new MalformedMessage({ reason: "no JSON" })
          yield* Effect.void.pipe(withBreaker(body))
        })
        return yield* deliver(queue, 10, (event) => SqsBatch.process(event, handle, { queueUrl: url }))
      }).pipe(Effect.provide(services))
      assert.deepStrictEqual(
        queue.all.map(({ body }) => body),
        ["rejected"]
      )
      assert.isAbove((queue.all[0]?.visibleAt ?? 0) - Date.now(), 29_000)
      assert.deepStrictEqual(
        malformed.all.map(({ attributes }) => attributes["reclose.reason"]?.stringValue),
        [
          "no JSON"
        ]
      )
    }))
})
