/** AWS Lambda: functions whose code came from S3, run in containers that are processes of their own. */
import type { SQSBatchResponse, SQSEvent } from "aws-lambda"
import { Effect, Exit, Fiber, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  type Container,
  type ContainerError,
  type Invocation,
  startContainer
} from "../../../../packages/lambda/test/runtime/RuntimeApi.ts"
import { poll } from "../../src/local/EventSource.ts"
import type { Queue } from "../../src/local/Queue.ts"
import { unzip } from "./Zip.ts"

export interface Configuration {
  readonly archive: Buffer
  readonly handler: string
  readonly environment: Readonly<Record<string, string>>
  readonly timeoutMillis: number
  readonly memorySize: number
}

export interface Mapping {
  readonly id: string
  readonly functionName: string
  readonly queue: Queue
  readonly batchSize: number
  readonly reportsFailures: boolean
}

export interface Functions {
  /** Sets what a function is from now on. Containers of what it was end. */
  readonly put: (name: string, configuration: Configuration) => Promise<void>
  readonly remove: (name: string) => Promise<void>
  /** In a container that is idle, or else in a new one. */
  readonly invoke: (name: string, event: unknown) => Effect.Effect<Invocation, ContainerError>
  /** Ends the containers of a function: the next invocation is a cold start. */
  readonly recycle: (name: string) => Promise<void>
  /** Hands the messages of a queue to a function, until `disconnect`. */
  readonly connect: (mapping: Mapping) => void
  readonly disconnect: (id: string) => Promise<void>
  /** All lines that a function's containers have printed. */
  readonly logs: (name: string) => ReadonlyArray<string>
}

interface Running {
  readonly configuration: Configuration
  readonly root: string
  readonly scope: Scope.Closeable
  readonly idle: Array<Container>
  readonly lines: Array<string>
}

const gone = (end: Invocation["end"]) =>
  end._tag === "Failed" && (end.error.errorType === "Runtime.ExitError" || end.error.errorType === "Sandbox.Timedout")

/** What of a batch goes back to the queue: what the function names, or all of it when it failed or made no sense. */
const responseOf = (
  { end }: Invocation,
  { Records }: SQSEvent,
  reportsFailures: boolean
): SQSBatchResponse | undefined => {
  if (end._tag === "Failed") return undefined
  // Whatever a function answers; without the name of a message it makes no sense.
  const response = (reportsFailures ? end.result : undefined) as Partial<SQSBatchResponse> | null | undefined
  const batchItemFailures = response?.batchItemFailures ?? []
  const known = new Set(Records.map(({ messageId }) => messageId))
  return batchItemFailures.every(({ itemIdentifier }) => known.has(itemIdentifier)) ? { batchItemFailures } : undefined
}

export const makeFunctions: Effect.Effect<Functions, never, Scope.Scope> = Effect.gen(function*() {
  const owner = yield* Effect.scope
  const functions = new Map<string, Running>()
  const pollers = new Map<string, Fiber.Fiber<never>>()

  const open = (name: string, configuration: Configuration, lines: Array<string>) =>
    Effect.gen(function*() {
      const scope = yield* Scope.fork(owner)
      const root = mkdtempSync(join(tmpdir(), "reclose-function-"))
      yield* Scope.addFinalizer(scope, Effect.sync(() => rmSync(root, { recursive: true, force: true })))
      unzip(configuration.archive, root)
      functions.set(name, { configuration, root, scope, idle: [], lines })
    })

  const close = (name: string) =>
    Effect.suspend(() => {
      const running = functions.get(name)
      functions.delete(name)
      return running === undefined ? Effect.void : Scope.close(running.scope, Exit.void)
    })

  const start = (name: string, { configuration, lines, root, scope }: Running) =>
    startContainer({
      root,
      handler: configuration.handler,
      environment: configuration.environment,
      timeout: configuration.timeoutMillis,
      functionName: name,
      memorySize: configuration.memorySize
    }).pipe(
      Effect.tap(({ initLogs }) => Effect.sync(() => lines.push(...initLogs))),
      Scope.provide(scope)
    )

  const invoke = (name: string, event: unknown) =>
    Effect.gen(function*() {
      const running = functions.get(name)
      if (running === undefined) return yield* Effect.die(new Error(`Function not found: ${name}`))
      const container = running.idle.pop() ?? (yield* start(name, running))
      const invocation = yield* container.invoke(event)
      running.lines.push(...invocation.logs)
      if (!gone(invocation.end)) running.idle.push(container)
      return invocation
    })

  return {
    put: (name, configuration) => {
      const lines = functions.get(name)?.lines ?? []
      return Effect.runPromise(Effect.andThen(close(name), open(name, configuration, lines)))
    },
    remove: (name) => Effect.runPromise(close(name)),
    invoke,
    recycle: (name) => {
      const running = functions.get(name)
      if (running === undefined) return Promise.resolve()
      return Effect.runPromise(Effect.andThen(close(name), open(name, running.configuration, running.lines)))
    },
    connect: (mapping) => {
      const handle = (event: SQSEvent) =>
        invoke(mapping.functionName, event).pipe(
          Effect.map((invocation) => responseOf(invocation, event, mapping.reportsFailures)),
          // A function that can't be run leaves its messages where they are.
          Effect.catchCause(() => Effect.succeed(undefined))
        )
      const polling = poll(mapping.queue, handle, { batchSize: mapping.batchSize, concurrency: 1 })
      pollers.set(mapping.id, Effect.runSync(Effect.forkIn(polling, owner)))
    },
    disconnect: async (id) => {
      const poller = pollers.get(id)
      pollers.delete(id)
      if (poller !== undefined) await Effect.runPromise(Fiber.interrupt(poller))
    },
    logs: (name) => functions.get(name)?.lines ?? []
  }
})
