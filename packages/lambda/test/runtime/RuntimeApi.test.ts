import { assert, describe, it, layer, vi } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { fileURLToPath } from "node:url"
import { type Bundle, bundle } from "./bundle.ts"
import { type Container, type ContainerOptions, type Invocation, startContainer } from "./RuntimeApi.ts"

const plain = fileURLToPath(new URL("functions/plain.ts", import.meta.url))
const broken = fileURLToPath(new URL("functions/broken.ts", import.meta.url))

// Starting processes takes as long as the machine is busy.
vi.setConfig({ testTimeout: 30_000 })

class Plain extends Context.Service<Plain, Bundle>()("test/Plain") {}

const start = (options: Partial<ContainerOptions> = {}) =>
  Effect.flatMap(Plain, ({ root }) => startContainer({ root, ...options }))

const resultOf = ({ end }: Invocation): unknown => {
  if (end._tag === "Failed") throw new Error(`${end.error.errorType}: ${end.error.errorMessage}`)
  return end.result
}

const errorOf = ({ end }: Invocation): string =>
  end._tag === "Failed" ? `${end.error.errorType}: ${end.error.errorMessage}` : "it succeeded"

interface Answer {
  readonly invocations: number
  readonly ticks: number
  readonly coldAt: number
  readonly remaining: number
  readonly awsRequestId: string
  readonly functionName: string
  readonly invokedFunctionArn: string
}

const answer = (container: Container, takes?: number) =>
  Effect.map(container.invoke({ act: "answer", takes }), (invocation) => resultOf(invocation) as Answer)

const frozen = (container: Container): Effect.Effect<void> =>
  Effect.flatMap(
    container.isFrozen,
    (isFrozen) => isFrozen ? Effect.void : Effect.andThen(Effect.sleep(1), frozen(container))
  )

layer(Layer.effect(Plain, bundle(plain)), { excludeTestServices: true })(
  "a container behind the Runtime API",
  (it) => {
    it.effect("hands invocations to one process, one after the other, with what Lambda tells of each", () =>
      Effect.gen(function*() {
        const container = yield* start({ functionName: "worker", timeout: 5_000 })
        const first = yield* answer(container)
        const invocation = yield* container.invoke({ act: "answer" })
        const second = resultOf(invocation) as Answer
        assert.deepStrictEqual([first.invocations, second.invocations], [1, 2])
        assert.strictEqual(first.coldAt, second.coldAt)
        assert.strictEqual(second.awsRequestId, invocation.requestId)
        assert.notStrictEqual(first.awsRequestId, second.awsRequestId)
        assert.strictEqual(first.functionName, "worker")
        assert.strictEqual(first.invokedFunctionArn, "arn:aws:lambda:eu-central-1:123456789012:function:worker")
        assert.isAtMost(first.remaining, 5_000)
        assert.isAbove(first.remaining, 0)
        assert.isAbove(container.initMs, 0)
      }))

    it.effect("stands still between invocations", () =>
      Effect.gen(function*() {
        const container = yield* start()
        const before = yield* answer(container)
        yield* frozen(container)
        yield* Effect.sleep(300)
        const after = yield* answer(container)
        // Awake, it would have ticked sixty times.
        assert.isBelow(after.ticks - before.ticks, 30)
      }))

    it.effect("goes on between invocations where it is not frozen", () =>
      Effect.gen(function*() {
        const container = yield* start({ freezes: false })
        const before = yield* answer(container)
        let after = before
        while (after.ticks - before.ticks < 30) {
          assert.isFalse(yield* container.isFrozen)
          yield* Effect.sleep(20)
          after = yield* answer(container)
        }
      }))

    it.effect("answers null for nothing", () =>
      Effect.gen(function*() {
        const container = yield* start()
        assert.isNull(resultOf(yield* container.invoke({ act: "nothing" })))
      }))

    it.effect("tells of errors by their names, and goes on", () =>
      Effect.gen(function*() {
        const container = yield* start()
        assert.strictEqual(errorOf(yield* container.invoke({ act: "throw" })), "RangeError: too far")
        assert.strictEqual(errorOf(yield* container.invoke({ act: "throwText" })), "string: a text")
        assert.strictEqual((yield* answer(container)).invocations, 3)
      }))

    it.effect("gives each invocation the lines that it printed, all of them, as the runtime prints them", () =>
      Effect.gen(function*() {
        const container = yield* start()
        const { logs, requestId } = yield* container.invoke({ act: "printAndAnswer" })
        const [printed = "", raw, ...rest] = logs
        assert.deepStrictEqual(printed.split("\t").slice(1), [requestId, "INFO", "one\rtwo"])
        assert.strictEqual(raw, `{"raw":true}`)
        assert.strictEqual(rest.length, 2_000)
        assert.deepStrictEqual((yield* container.invoke({ act: "answer" })).logs, [])
      }))

    it.effect("is killed when time is up, and gone then", () =>
      Effect.gen(function*() {
        const container = yield* start({ timeout: 200 })
        const invocation = yield* container.invoke({ act: "hang" })
        assert.match(errorOf(invocation), /^Sandbox.Timedout: .* Task timed out after 0.20 seconds$/)
        assert.match((yield* Effect.flip(container.invoke({ act: "answer" }))).message, /the container is gone/)
      }))

    it.effect("tells of a crash, and is gone then", () =>
      Effect.gen(function*() {
        const crashing = yield* start()
        const crashed = errorOf(yield* crashing.invoke({ act: "crash" }))
        assert.strictEqual(crashed, "Runtime.UncaughtException: nobody catches this")
        const exiting = yield* start()
        assert.match(errorOf(yield* exiting.invoke({ act: "exit" })), /^Runtime.ExitError: .* exit status 7$/)
        assert.match((yield* Effect.flip(exiting.invoke({ act: "answer" }))).message, /the container is gone/)
      }))

    it.effect("takes one invocation at a time", () =>
      Effect.gen(function*() {
        const container = yield* start()
        const ends = yield* Effect.all(
          [answer(container, 50), Effect.flip(Effect.asVoid(container.invoke({ act: "answer" })))],
          { concurrency: "unbounded" }
        )
        assert.match(ends[1].message, /busy/)
      }))

    it.effect("can be killed while it is frozen", () =>
      Effect.gen(function*() {
        const container = yield* start()
        yield* answer(container)
        yield* container.kill
        assert.match((yield* Effect.flip(container.invoke({ act: "answer" }))).message, /the container is gone/)
      }))

    it.effect("is told to end, and killed if it doesn't", () =>
      Effect.gen(function*() {
        const willing = yield* start()
        yield* answer(willing)
        yield* frozen(willing)
        const ended = yield* willing.terminate(5_000)
        assert.strictEqual(ended.exitCode, 3)
        assert.match(ended.logs.join("\n"), /told to end/)
        // On the way from its response to being frozen, too.
        const busy = yield* start()
        yield* answer(busy)
        assert.strictEqual((yield* busy.terminate(5_000)).exitCode, 3)
        const deaf = yield* start()
        yield* deaf.invoke({ act: "deafen" })
        assert.isUndefined((yield* deaf.terminate(50)).exitCode)
      }))

    it.effect("finds a handler within an export", () =>
      Effect.gen(function*() {
        const container = yield* start({ handler: "index.nested.inner" })
        assert.strictEqual(resultOf(yield* container.invoke({})), "from within")
      }))

    it.effect("says why a function can't be loaded", () =>
      Effect.gen(function*() {
        const missing = yield* Effect.flip(start({ handler: "index.missing" }))
        assert.match(missing.message, /index.missing is undefined or not exported/)
        assert.match((yield* Effect.flip(start({ handler: "other.handler" }))).message, /Cannot find module 'other'/)
      }))
  }
)

describe("a container whose function throws as it is loaded", () => {
  it.live("does not start, and says why", () =>
    Effect.gen(function*() {
      const { root } = yield* bundle(broken)
      const { report } = yield* Effect.flip(startContainer({ root }))
      assert.deepStrictEqual([report?.errorType, report?.errorMessage], ["TypeError", "no such table"])
    }))
})
