/**
 * The worker of `examples/worker` beside the same worker without circuits: what they weigh, how long a fresh container
 * takes to its first answer, and a warm one to the next.
 */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { makeCode, open } from "../../examples/worker/src/local/Cloud.ts"
import { serve } from "../../examples/worker/src/local/Upstream.ts"
import { type ContainerOptions, startContainer } from "../../packages/lambda/test/runtime/RuntimeApi.ts"
import { ratioResult, type Result, sizeResult } from "./results.ts"
import { median } from "./statistics.ts"

const withoutReclose = fileURLToPath(new URL("../../examples/worker/bench/withoutReclose.ts", import.meta.url))

const most = 1.15

interface Samples {
  readonly options: ContainerOptions
  /** In kB of 1000 bytes, gzipped. */
  readonly size: number
  /** In nanoseconds: init and the first answer; the median of the later ones. */
  readonly cold: Array<number>
  readonly warm: Array<number>
}

export const measureWorker = (
  { rounds, warmCalls }: { readonly rounds: number; readonly warmCalls: number }
): Effect.Effect<Record<string, Result>, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const upstream = yield* serve()
    const prepare = Effect.fnUntraced(function*(entry?: string) {
      const code = yield* makeCode(entry)
      const { containerOptions } = yield* open({ origins: [upstream.url], policy: {}, code })
      const text = readFileSync(join(code, "index.mjs"))
      const samples: Samples = {
        options: { ...containerOptions, freezes: false },
        size: gzipSync(text, { level: 9 }).length / 1_000,
        cold: [],
        warm: []
      }
      return samples
    })

    const job = JSON.stringify({ id: "1", request: { method: "GET", url: `${upstream.url}/latest` } })
    const event = {
      Records: [{
        messageId: "1",
        receiptHandle: "1",
        body: job,
        attributes: { ApproximateReceiveCount: "1", SentTimestamp: "0", ApproximateFirstReceiveTimestamp: "0" },
        messageAttributes: {},
        eventSource: "aws:sqs",
        eventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:jobs"
      }]
    }

    const run = ({ cold, options, warm }: Samples) =>
      Effect.scoped(Effect.gen(function*() {
        const container = yield* startContainer(options)
        const call = Effect.flatMap(container.invoke(event), ({ durationMs, end }) =>
          end._tag === "Succeeded" && JSON.stringify(end.result) === `{"batchItemFailures":[]}`
            ? Effect.succeed(durationMs * 1e6)
            : Effect.fail(end))
        cold.push(container.initMs * 1e6 + (yield* call))
        warm.push(median(yield* Effect.replicateEffect(call, warmCalls)))
      }))

    const ours = yield* prepare()
    const bare = yield* prepare(withoutReclose)
    // The first of all pays for what nobody has read from disk yet.
    yield* run({ ...ours, cold: [], warm: [] })
    yield* run({ ...bare, cold: [], warm: [] })
    for (let round = 0; round < rounds; round++) {
      yield* run(ours)
      yield* run(bare)
    }
    const names = { above: "worker", below: "worker without" } as const
    return {
      "worker.cold.vsWithout": ratioResult(names, ours.cold, bare.cold, most),
      "worker.warm.vsWithout": ratioResult(names, ours.warm, bare.warm),
      "worker.bundle": sizeResult(ours.size, bare.size * most, { without: bare.size })
    }
  }))
