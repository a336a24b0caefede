/** What Lambda's detection of recursive loops sees of renewed messages: why a function that renews has to allow it. */
import { SQSClient } from "@aws-sdk/client-sqs"
import { assert, describe, it } from "@effect/vitest"
import { withBreaker } from "@reclose/core"
import { SqsQueue } from "@reclose/lambda"
import * as AwsSqs from "@reclose/lambda/AwsSqs"
import type { SQSRecord } from "aws-lambda"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Breakers, forceOpen, run, sendAll, worldOf } from "./SqsBatch/world.ts"

/** The next invocation of a chain that is longer is stopped, and its message goes to the dead-letter queue. */
const longestChain = 16

/** Sets variables of a container for as long as an effect runs. */
const inContainer = (variables: Readonly<Record<string, string>>) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => Object.assign(process.env, variables)),
    () => effect,
    () =>
      Effect.sync(() => {
        for (const name of Object.keys(variables)) delete process.env[name]
      })
  )

describe("a renewed message", () => {
  it.live("carries the lineage of the invocation that renewed it, which Lambda counts", () =>
    Effect.gen(function*() {
      const headers: Array<Record<string, string>> = []
      const client = new SQSClient({
        region: "eu-central-1",
        credentials: { accessKeyId: "test", secretAccessKey: "test" },
        maxAttempts: 1,
        requestHandler: {
          handle: (request: { readonly headers: Record<string, string> }) => {
            headers.push(request.headers)
            return Promise.reject(new Error("not sent"))
          }
        }
      })
      const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:a87bd80c:15"
      yield* SqsQueue.use(({ send }) => send({ queue: "arn:aws:sqs:eu-central-1:1:jobs", body: "x", attributes: {} }))
        .pipe(
          Effect.flip,
          Effect.provide(AwsSqs.fromClient(client)),
          inContainer({ AWS_LAMBDA_FUNCTION_NAME: "worker", _X_AMZN_TRACE_ID: trace })
        )
      assert.deepStrictEqual(headers.map((header) => header["X-Amzn-Trace-Id"]), [trace])
    }))

  it.effect("is in a longer chain than Lambda allows by default, before it is as old as it may be", () =>
    Effect.gen(function*() {
      const world = worldOf({ maxReceiveCount: 5, retention: 14 * 86_400 })
      yield* sendAll(world.queue, ["quotes"])
      yield* forceOpen("quotes")
      const rejected = ({ body }: SQSRecord) => Effect.void.pipe(withBreaker(body))
      const names = new Set<string>()
      for (let hour = 0; hour < 4 * 24; hour++) {
        for (let minutes = 0; minutes < 60; minutes += 5) {
          yield* run(world, rejected, { renew: { maxReceiveCount: 5 } })
          yield* TestClock.adjust("5 minutes")
        }
        for (const { id } of world.queue.all) names.add(id)
      }
      assert.isAbove(names.size - 1, longestChain)
      assert.deepStrictEqual([world.queue.all.length, world.dead.all.length], [1, 0])
    }).pipe(Effect.provide(Breakers())))
})
