/** AWS Lambda: functions whose code came from S3, run in containers that are processes of their own. */
import type { SQSEvent } from "aws-lambda"
import { Effect, Exit, Fiber, PubSub, Scope, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ContainerError, Invocation } from "../../../../packages/lambda/test/runtime/RuntimeApi.ts"
import { answerOf, poll } from "../../../../packages/lambda/test/sqs/EventSource.ts"
import type { Queue } from "../../../../packages/lambda/test/sqs/SqsModel.ts"
import * as Containers from "../../src/local/Containers.ts"
import { unzip } from "./Zip.ts"

export interface Configuration {
  readonly archive: Buffer
  readonly handler: string
  readonly environment: Readonly<Record<string, string>>
  readonly timeoutMillis: number
  readonly memorySize: number
  /** What becomes of the lines that it prints. */
  readonly print: (line: string) => void
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
  readonly recycle: (name: string) => Promise<unknown>
  /** Hands the messages of a queue to a function, until `disconnect`. */
  readonly connect: (mapping: Mapping) => void
  readonly disconnect: (id: string) => Promise<void>
}

interface Running {
  readonly containers: Containers.Containers
  readonly scope: Scope.Closeable
}

/** As many as Lambda lets an event source of SQS begin with. */
const maxContainers = 5

export const makeFunctions: Effect.Effect<Functions, never, Scope.Scope> = Effect.gen(function*() {
  const owner = yield* Effect.scope
  const functions = new Map<string, Running>()
  const pollers = new Map<string, Fiber.Fiber<never>>()

  const open = (name: string, { archive, environment, handler, memorySize, print, timeoutMillis }: Configuration) =>
    Effect.gen(function*() {
      const scope = yield* Scope.fork(owner)
      const root = mkdtempSync(join(tmpdir(), "reclose-function-"))
      yield* Scope.addFinalizer(scope, Effect.sync(() => rmSync(root, { recursive: true, force: true })))
      unzip(archive, root)
      const containers = yield* Containers.make({
        root,
        handler,
        environment,
        memorySize,
        timeout: timeoutMillis,
        functionName: name,
        most: maxContainers
      }).pipe(Scope.provide(scope))
      const lines = yield* Scope.provide(PubSub.subscribe(containers.logs), scope)
      const printing = Stream.runForEach(Stream.fromSubscription(lines), (line) => Effect.sync(() => print(line)))
      yield* Effect.forkIn(printing, scope)
      functions.set(name, { containers, scope })
    })

  const close = (name: string) =>
    Effect.suspend(() => {
      const running = functions.get(name)
      functions.delete(name)
      return running === undefined ? Effect.void : Scope.close(running.scope, Exit.void)
    })

  const invoke = (name: string, event: unknown) =>
    Effect.suspend(() =>
      functions.get(name)?.containers.invoke(event) ?? Effect.die(new Error(`Function not found: ${name}`))
    )

  return {
    put: (name, configuration) => Effect.runPromise(Effect.andThen(close(name), open(name, configuration))),
    remove: (name) => Effect.runPromise(close(name)),
    invoke,
    recycle: (name) => Effect.runPromise(functions.get(name)?.containers.kill ?? Effect.void),
    connect: ({ batchSize, functionName, id, queue, reportsFailures }) => {
      const handle = (event: SQSEvent) =>
        Effect.flatMap(invoke(functionName, event), (invocation) => answerOf(invocation, { reportsFailures }))
      const polling = poll(queue, { batchSize, concurrency: 1 }, handle)
      pollers.set(id, Effect.runSync(Effect.forkIn(polling, owner)))
    },
    disconnect: async (id) => {
      const poller = pollers.get(id)
      pollers.delete(id)
      if (poller !== undefined) await Effect.runPromise(Fiber.interrupt(poller))
    }
  }
})
