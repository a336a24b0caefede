/** A batch on its whole way: from a queue, through a container, to what the official SDK asks of SQS. */
import { assert, describe, it } from "@effect/vitest"
import type { SQSBatchResponse } from "aws-lambda"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"
import { bundle } from "../runtime/bundle.ts"
import { startContainer } from "../runtime/RuntimeApi.ts"
import { deliver } from "../sqs/EventSource.ts"
import { Queue } from "../sqs/SqsModel.ts"
import { startSqs } from "../sqs/SqsServer.ts"

const batch = fileURLToPath(new URL("batch.ts", import.meta.url))

describe("a batch in a container", () => {
  it.live("is answered message by message, before its time is up", () =>
    Effect.gen(function*() {
      const queue = new Queue({ name: "orders", visibilityTimeout: 18 })
      const malformed = new Queue({ name: "malformed" })
      const sqs = yield* startSqs(queue, malformed)
      const { root } = yield* bundle(batch)
      const container = yield* startContainer({
        root,
        timeout: 3_000,
        environment: {
          ENDPOINT: sqs.endpoint,
          QUEUE_URL: sqs.urlOf(queue),
          MALFORMED_URL: sqs.urlOf(malformed)
        }
      })
      const acts = ["succeed", "fail", "reject", "hang"]
      for (const does of acts) queue.send({ body: JSON.stringify({ does }) }, Date.now())
      queue.send({ body: "no JSON" }, Date.now())

      const given = yield* deliver(queue, 10, (event) =>
        Effect.flatMap(container.invoke(event), ({ end }) =>
          end._tag === "Succeeded" ? Effect.succeed(end.result as SQSBatchResponse) : Effect.fail(end.error)))

      assert.strictEqual(given, 5)
      const left = queue.all.map(({ body, visibleAt }) => ({
        does: JSON.parse(body).does,
        isKeptBack: visibleAt > Date.now() + 20_000
      }))
      assert.deepStrictEqual(left, [
        { does: "fail", isKeptBack: false },
        { does: "reject", isKeptBack: true },
        { does: "hang", isKeptBack: false }
      ])
      assert.deepStrictEqual(
        malformed.all.map(({ body }) =>
          body
        ),
        ["no JSON"]
      )
    }), 20_000)
})
