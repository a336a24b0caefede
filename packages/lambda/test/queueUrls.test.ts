/** Where requests about a queue go that is known by its ARN alone. */
import { SQSClient, type SQSClientConfig } from "@aws-sdk/client-sqs"
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, withBreaker } from "@reclose/core"
import { DeadLetter, LambdaContext, SqsBatch, SqsQueue } from "@reclose/lambda"
import * as AwsSqs from "@reclose/lambda/AwsSqs"
import { Effect, Layer } from "effect"
import { deliver } from "./sqs/EventSource.ts"
import { Queue } from "./sqs/SqsModel.ts"
import { startSqs } from "./sqs/SqsServer.ts"
import { contextOf } from "./support.ts"

const credentials = { accessKeyId: "test", secretAccessKey: "test" }

/** The hosts and the queues' URLs of the requests that a client makes about the queue with this ARN. */
const requestsAbout = (arn: string, config: SQSClientConfig) =>
  Effect.gen(function*() {
    const asked: Array<{ readonly host: string; readonly queueUrl: string }> = []
    const client = new SQSClient({
      credentials,
      maxAttempts: 1,
      ...config,
      requestHandler: {
        handle: ({ body, hostname }: { readonly body: Uint8Array; readonly hostname: string }) => {
          asked.push({ host: hostname, queueUrl: JSON.parse(Buffer.from(body).toString()).QueueUrl })
          return Promise.reject(new Error("not sent"))
        }
      }
    })
    yield* SqsQueue.use(({ changeVisibility, send }) =>
      Effect.all([
        Effect.flip(send({ queue: arn, body: "x", attributes: {} })),
        Effect.flip(changeVisibility(arn, [{ receiptHandle: "a", seconds: 60 }]))
      ])
    ).pipe(Effect.provide(AwsSqs.fromClient(client)))
    return asked
  })

describe("the URL of a queue that is known by its ARN", () => {
  it.live.each(
    [
      ["aws", "eu-central-1", "sqs.eu-central-1.amazonaws.com"],
      ["aws-cn", "cn-north-1", "sqs.cn-north-1.amazonaws.com.cn"],
      ["aws-us-gov", "us-gov-west-1", "sqs.us-gov-west-1.amazonaws.com"],
      ["aws-eusc", "eusc-de-east-1", "sqs.eusc-de-east-1.amazonaws.eu"],
      ["aws-iso", "us-iso-east-1", "sqs.us-iso-east-1.c2s.ic.gov"],
      ["aws-iso-b", "us-isob-east-1", "sqs.us-isob-east-1.sc2s.sgov.gov"],
      ["aws-iso-e", "eu-isoe-west-1", "sqs.eu-isoe-west-1.cloud.adc-e.uk"],
      ["aws-iso-f", "us-isof-south-1", "sqs.us-isof-south-1.csp.hci.ic.gov"]
    ] as const
  )("is that of the partition %s", ([partition, region, host]) =>
    Effect.gen(function*() {
      const asked = yield* requestsAbout(`arn:${partition}:sqs:${region}:123456789012:orders`, { region })
      const queueUrl = `https://${host}/123456789012/orders`
      assert.deepStrictEqual(asked, [{ host, queueUrl }, { host, queueUrl }])
    }))

  it.live.each(
    [
      ["FIPS", { useFipsEndpoint: true }, "sqs-fips.eu-central-1.amazonaws.com"],
      ["dual stack", { useDualstackEndpoint: true }, "sqs.eu-central-1.api.aws"],
      ["an endpoint of its own", { endpoint: "https://vpce-1.sqs.example" }, "vpce-1.sqs.example"]
    ] satisfies ReadonlyArray<readonly [string, SQSClientConfig, string]>
  )("is that of a client with %s", ([, config, host]) =>
    Effect.gen(function*() {
      const arn = "arn:aws:sqs:eu-central-1:123456789012:orders"
      const [first] = yield* requestsAbout(arn, { region: "eu-central-1", ...config })
      assert.deepStrictEqual(first, { host, queueUrl: `https://${host}/123456789012/orders` })
    }))

  it.live("is that of the endpoint in the environment", () =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        process.env["AWS_ENDPOINT_URL_SQS"] = "http://emulator.example:9324"
      }),
      () =>
        Effect.gen(function*() {
          const arn = "arn:aws:sqs:eu-central-1:123456789012:orders"
          const [first] = yield* requestsAbout(arn, { region: "eu-central-1" })
          assert.deepStrictEqual(first, {
            host: "emulator.example",
            queueUrl: "http://emulator.example:9324/123456789012/orders"
          })
        }),
      () =>
        Effect.sync(() => {
          delete process.env["AWS_ENDPOINT_URL_SQS"]
        })
    ))

  it.live("is what it is where a URL is given instead", () =>
    Effect.gen(function*() {
      const url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
      const [first] = yield* requestsAbout(url, { region: "eu-west-1" })
      assert.deepStrictEqual(first, { host: "sqs.eu-west-1.amazonaws.com", queueUrl: url })
    }))
})

describe("a batch whose options name no queue", () => {
  it.live("keeps messages back at the endpoint of the client", () =>
    Effect.gen(function*() {
      const queue = new Queue({ name: "orders" })
      const server = yield* startSqs(queue)
      queue.send({ body: "rejected" }, Date.now())
      const services = Layer.mergeAll(
        Layer.succeed(DeadLetter, { send: () => Effect.void }),
        AwsSqs.layer({ endpoint: server.endpoint, region: "eu-central-1", credentials, maxAttempts: 1 }),
        CircuitBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory)),
        Layer.effect(LambdaContext, contextOf(10_000))
      )
      yield* Effect.gen(function*() {
        const { forceOpen } = yield* CircuitBreaker
        yield* forceOpen("rejected")
        yield* deliver(queue, 10, (event) => SqsBatch.process(event, ({ body }) => withBreaker(Effect.void, body)))
      }).pipe(Effect.provide(services))
      assert.deepStrictEqual(server.actions, ["ChangeMessageVisibilityBatch"])
      assert.isAbove((queue.all[0]?.visibleAt ?? 0) - Date.now(), 29_000)
    }))
})
