import { assert, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore } from "@reclose/core"
import { HttpBreaker } from "@reclose/http"
import { DeadLetter, LambdaContext, SqsBatch, SqsQueue } from "@reclose/lambda"
import type { SQSEvent, SQSRecord } from "aws-lambda"
import { ConfigProvider, Deferred, Effect, Fiber, Layer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { contextOf } from "../../../packages/lambda/test/support.ts"
import { handleBatch } from "../src/handleBatch.ts"
import * as Settings from "../src/Settings.ts"

const environment = {
  SERVICE: "worker",
  CIRCUITS_TABLE: "circuits",
  QUEUE_URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/jobs",
  DEAD_LETTER_QUEUE_URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/malformed",
  MAX_RECEIVE_COUNT: "10",
  ALLOWED_ORIGINS: "https://quotes.example"
}

const hanging = Layer.succeed(HttpClient.HttpClient, HttpClient.make(() => Effect.never))

const services = Layer.unwrap(Effect.map(Settings.read, (settings) =>
  Layer.mergeAll(
    HttpBreaker.layer(settings.http).pipe(Layer.provide(hanging)),
    Layer.succeed(Settings.Settings, settings),
    Layer.succeed(SqsQueue, { changeVisibility: () => Effect.succeed([]), send: () => Effect.void }),
    Layer.succeed(DeadLetter, { send: () => Effect.void }),
    Layer.effect(LambdaContext, contextOf(30_000))
  ).pipe(
    Layer.provideMerge(CircuitBreaker.layer(settings.circuits)),
    Layer.provide(CircuitStore.layerMemory)
  ))).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment))))

it.effect("a dependency that hangs has failed before the time of the function is up, by the worker's own defaults", () =>
  Effect.gen(function*() {
    const job = { id: "1", request: { method: "GET", url: "https://quotes.example/latest" } }
    const record = {
      messageId: "1",
      receiptHandle: "handle",
      body: JSON.stringify(job),
      attributes: { ApproximateReceiveCount: "1", ApproximateFirstReceiveTimestamp: "0", SentTimestamp: "0" },
      messageAttributes: {},
      eventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:jobs"
    }
    // What the worker reads of an event.
    const event = { Records: [record] } as unknown as SQSEvent
    const batch = yield* Effect.forkChild(handleBatch(event))
    yield* TestClock.adjust("30 seconds")
    assert.deepStrictEqual(yield* Fiber.join(batch), { batchItemFailures: [{ itemIdentifier: "1" }] })
    const breaker = yield* CircuitBreaker
    assert.deepInclude((yield* breaker.state("https://quotes.example")).counts, { failed: 1, ignored: 0 })
  }).pipe(Effect.provide(services)))

it.effect.each(["guarded", "plain"])(
  "a message that the client's own limit rejects is kept back, by a %s client",
  (kind) =>
    Effect.gen(function*() {
      const answered = yield* Deferred.make<void>()
      const kept: Array<readonly [string, number]> = []
      const http = HttpClient.make((request) =>
        Effect.as(Deferred.await(answered), HttpClientResponse.fromWeb(request, new Response("42")))
      )
      const limited = Layer.mergeAll(
        HttpBreaker.layer({ concurrency: { limit: 1, maxWait: 0 } }).pipe(
          Layer.provide(Layer.succeed(HttpClient.HttpClient, http))
        ),
        Layer.succeed(SqsQueue, {
          changeVisibility: (_, changes) =>
            Effect.sync(() => {
              for (const { receiptHandle, seconds } of changes) kept.push([receiptHandle, seconds])
              return []
            }),
          send: () => Effect.void
        }),
        Layer.succeed(DeadLetter, { send: () => Effect.void }),
        Layer.effect(LambdaContext, contextOf(30_000))
      ).pipe(Layer.provideMerge(CircuitBreaker.layer()), Layer.provide(CircuitStore.layerMemory))
      const record = (receiptHandle: string) => ({
        messageId: receiptHandle,
        receiptHandle,
        attributes: { ApproximateReceiveCount: "1", ApproximateFirstReceiveTimestamp: "0", SentTimestamp: "0" },
        messageAttributes: {},
        eventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:jobs"
      } as unknown as SQSRecord)
      const call = Effect.gen(function*() {
        const client = kind === "guarded" ? yield* HttpBreaker.GuardedHttpClient : yield* HttpClient.HttpClient
        return yield* client.get("https://quotes.example/latest")
      })
      yield* Effect.gen(function*() {
        const batch = yield* Effect.forkChild(
          SqsBatch.process({ Records: [record("first"), record("second")] }, () => call),
          { startImmediately: true }
        )
        yield* Effect.yieldNow
        yield* Deferred.succeed(answered, undefined)
        assert.deepStrictEqual(yield* Fiber.join(batch), { batchItemFailures: [{ itemIdentifier: "second" }] })
      }).pipe(Effect.provide(limited))
      assert.deepStrictEqual(kept.map(([handle]) => handle), ["second"])
      assert.isAtLeast(kept[0]?.[1] ?? 0, 10)
      assert.isAtMost(kept[0]?.[1] ?? 0, 20)
    })
)
