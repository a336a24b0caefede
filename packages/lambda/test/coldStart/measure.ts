/**
 * How long a container takes to be ready, to answer for the first time and to answer again, and what its bundle weighs: a
 * bare function beside ours, each round with a fresh container of each.
 */
import { DynamoClient, DynamoTable } from "@reclose/dynamodb"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { bundle } from "../runtime/bundle.ts"
import { startContainer } from "../runtime/RuntimeApi.ts"

const functions = {
  bare: fileURLToPath(new URL("functions/bare.ts", import.meta.url)),
  effect: fileURLToPath(new URL("functions/effect.ts", import.meta.url)),
  reclose: fileURLToPath(new URL("functions/reclose.ts", import.meta.url)),
  sdk: fileURLToPath(new URL("functions/sdk.ts", import.meta.url)),
  recloseDynamo: fileURLToPath(new URL("functions/recloseDynamo.ts", import.meta.url))
}

export type Subject = keyof typeof functions

export const subjects = Object.keys(functions) as ReadonlyArray<Subject>

/** Milliseconds, and kB of 1000 bytes. Each list has a figure for each round. */
export interface Figures {
  readonly init: ReadonlyArray<number>
  /** The first invocation, after init. */
  readonly first: ReadonlyArray<number>
  /** The median of the later ones. */
  readonly warm: ReadonlyArray<number>
  readonly kB: number
  readonly gzipKB: number
}

export const median = (samples: ReadonlyArray<number>): number => {
  const sorted = [...samples].sort((one, other) => one - other)
  return ((sorted[Math.floor((sorted.length - 1) / 2)] ?? 0) + (sorted[Math.ceil((sorted.length - 1) / 2)] ?? 0)) / 2
}

export const measure = (
  endpoint: string,
  { rounds, warmCalls }: { readonly rounds: number; readonly warmCalls: number }
): Effect.Effect<Readonly<Record<Subject, Figures>>, unknown> =>
  Effect.scoped(
    Effect.gen(function*() {
      const tableName = "cold-starts"
      yield* DynamoTable.createTable({ tableName }).pipe(
        Effect.provide(DynamoClient.layer({
          endpoint,
          region: "local",
          credentials: { accessKeyId: "test", secretAccessKey: "test" }
        }))
      )
      const environment = { ENDPOINT: endpoint, TABLE: tableName }
      const prepare = (subject: Subject) =>
        Effect.map(bundle(functions[subject]), ({ root, size }) => ({
          root,
          kB: size / 1_000,
          gzipKB: gzipSync(readFileSync(join(root, "index.mjs")), { level: 9 }).length / 1_000,
          init: [] as Array<number>,
          first: [] as Array<number>,
          warm: [] as Array<number>
        }))
      const prepared = yield* Effect.all({
        bare: prepare("bare"),
        effect: prepare("effect"),
        reclose: prepare("reclose"),
        sdk: prepare("sdk"),
        recloseDynamo: prepare("recloseDynamo")
      })

      const start = (root: string) =>
        Effect.scoped(Effect.gen(function*() {
          const container = yield* startContainer({ root, environment, freezes: false, timeout: 30_000 })
          const call = Effect.flatMap(
            container.invoke({}),
            ({ durationMs, end }) => end._tag === "Succeeded" ? Effect.succeed(durationMs) : Effect.fail(end.error)
          )
          const first = yield* call
          const warm = yield* Effect.replicateEffect(call, warmCalls)
          return { init: container.initMs, first, warm: median(warm) }
        }))

      // The first of all pays for what nobody has read from disk yet.
      for (const { root } of Object.values(prepared)) yield* start(root)
      for (let round = 0; round < rounds; round++) {
        for (const figures of Object.values(prepared)) {
          const { first, init, warm } = yield* start(figures.root)
          figures.init.push(init)
          figures.first.push(first)
          figures.warm.push(warm)
        }
      }
      return prepared
    })
  )

/** The rows of the benchmark: medians of the ratios and differences of each round. */
export const rowsOf = ({ bare, effect, reclose, recloseDynamo, sdk }: Readonly<Record<Subject, Figures>>) => {
  const cold = ({ first, init }: Figures) => init.map((millis, round) => millis + (first[round] ?? 0))
  const ratio = (above: ReadonlyArray<number>, below: ReadonlyArray<number>) =>
    median(above.map((millis, round) => millis / (below[round] ?? 1)))
  return {
    "lambda.cold.vsBare": ratio(cold(reclose), cold(bare)),
    "lambda.cold.effect.vsBare": ratio(cold(effect), cold(bare)),
    "lambda.cold.dynamo.vsBare": ratio(cold(recloseDynamo), cold(bare)),
    "lambda.cold.dynamo.vsSdk": ratio(cold(recloseDynamo), cold(sdk)),
    "lambda.warm.vsBare": ratio(reclose.warm, bare.warm),
    "lambda.warm.dynamo.vsBare": ratio(recloseDynamo.warm, bare.warm),
    "lambda.bundle.kB": reclose.gzipKB,
    "lambda.bundle.dynamo.kB": recloseDynamo.gzipKB
  }
}
