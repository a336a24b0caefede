/** Real containers: processes behind the Runtime API, with their circuits in a real server of DynamoDB's API. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { fileURLToPath } from "node:url"
import { clientOf, forEachServer, makeTable, Server, soonest } from "../../../dynamodb/test/support.ts"
import { type MetricLine, metricLines } from "../embeddedFormat.ts"
import { type Bundle, bundle } from "../runtime/bundle.ts"
import {
  type Container,
  type ContainerError,
  type ContainerOptions,
  type Invocation,
  startContainer
} from "../runtime/RuntimeApi.ts"
import type { Answer, Event } from "./events.ts"

const worker = fileURLToPath(new URL("worker.ts", import.meta.url))

class Worker extends Context.Service<Worker, Bundle>()("test/Worker") {}

const policy = {
  tripRule: { _tag: "Failures", failures: 3, window: "1 minute" },
  openDuration: "1 minute",
  keys: { "short/*": { openDuration: "500 millis" } },
  refreshEvery: "50 millis",
  // A machine with other work takes its time.
  hydrateTimeout: "5 seconds",
  storeTimeout: "5 seconds"
}

interface Place {
  readonly endpoint: string
  readonly tableName: string
}

const freshPlace = Effect.gen(function*() {
  const { endpoint } = yield* Server
  const tableName = yield* Effect.provide(makeTable, clientOf(endpoint))
  return { endpoint, tableName }
})

const start = (
  { endpoint, tableName }: Place,
  environment: Record<string, string> = {},
  options: Partial<ContainerOptions> = {}
) =>
  Effect.flatMap(Worker, ({ root }) =>
    startContainer({
      root,
      timeout: 15_000,
      environment: { ENDPOINT: endpoint, TABLE: tableName, POLICY: JSON.stringify(policy), ...environment },
      ...options
    }))

const invoke = (container: Container, event: Event) => container.invoke(event)

const answerOf = ({ end, logs }: Invocation): Answer => {
  if (end._tag === "Failed") throw new Error(`${end.error.errorType}: ${end.error.errorMessage}\n${logs.join("\n")}`)
  return end.result as Answer
}

const errorOf = ({ end }: Invocation) =>
  end._tag === "Failed" ? `${end.error.errorType}: ${end.error.errorMessage}` : "it succeeded"

const ask = (container: Container, event: Event) => Effect.map(invoke(container, event), answerOf)

const rejected = ["CircuitOpen Tripped"]

interface Transition {
  readonly to: string
  readonly reason: string
}

const lineOf = (lines: ReadonlyArray<MetricLine>, circuit?: string) => lines.find((line) => line["circuit"] === circuit)

const bundled = Layer.effect(Worker, bundle(worker))

forEachServer("containers", (name, server) => {
  // What the containers do is the same on any of them.
  if (!name.endsWith(soonest?.name ?? "")) return
  layer(Layer.merge(bundled, server), { timeout: "30 seconds", excludeTestServices: true })(name, (it) => {
    it.effect("a fresh one rejects at once what one opened that was killed right after its response", () =>
      Effect.gen(function*() {
        const place = yield* freshPlace
        const first = yield* start(place)
        const { phase } = yield* ask(first, { key: "quotes", calls: ["fail", "fail", "fail"] })
        yield* first.kill
        assert.strictEqual(phase, "Open")
        const second = yield* start(place)
        const answer = yield* ask(second, { key: "quotes", calls: ["succeed"] })
        assert.deepStrictEqual(answer, { ends: rejected, began: 0, phase: "Open" })
      }))

    it.effect("has told of failures by the time of its response, on every way out", () =>
      Effect.gen(function*() {
        const place = yield* freshPlace
        const endings = ["fail", "die", "hang"] as const
        yield* Effect.forEach(endings, (ending) =>
          Effect.gen(function*() {
            const first = yield* start(place, ending === "hang" ? { MARGIN: "1" } : {}, {
              timeout: ending === "hang" ? 3_000 : 15_000
            })
            yield* invoke(first, { key: ending, calls: ["fail", "fail"], ending })
            yield* first.kill
            const second = yield* start(place)
            // Two there and one here make three, for whoever looks next.
            yield* ask(second, { key: ending, calls: ["fail"] })
            const { ends } = yield* ask(second, { key: ending, calls: ["succeed"] })
            assert.deepStrictEqual(ends, rejected, ending)
          }), { concurrency: "unbounded" })
      }))

    it.effect("one that was frozen learns what another one did meanwhile: opened, and closed again", () =>
      Effect.gen(function*() {
        const place = yield* freshPlace
        const sleeper = yield* start(place)
        const other = yield* start(place)
        const key = "quotes"
        yield* ask(sleeper, { key, calls: ["succeed"] })
        // What a process has not heard of for ten times refreshEvery, it asks for before it calls.
        const asleep = Effect.sleep("600 millis")

        yield* ask(other, { key, calls: ["fail", "fail", "fail"] })
        yield* asleep
        const opened = yield* invoke(sleeper, { key, calls: ["succeed"] })
        assert.deepStrictEqual(answerOf(opened), { ends: rejected, began: 0, phase: "Open" })

        yield* ask(other, { key, reset: true })
        yield* asleep
        const closed = yield* invoke(sleeper, { key, calls: ["succeed"] })
        assert.deepStrictEqual(answerOf(closed), { ends: ["Succeeded"], began: 1, phase: "Closed" })

        // It told of both, and counted neither as its own.
        const told = [opened, closed].map(({ logs }) => metricLines(logs))
        const transitions = told.map((lines) => lineOf(lines, key)?.["transitions"] as ReadonlyArray<Transition>)
        assert.deepStrictEqual(transitions.map((those) => those.map(({ reason, to }) => `${to}: ${reason}`)), [
          ["Open: Learned"],
          ["Closed: Learned"]
        ])
        for (const lines of told) assert.deepInclude(lineOf(lines), { CircuitOpened: 0, CircuitClosed: 0 })
      }))

    it.effect("writes the metrics of each change of phase among the lines of its invocation, as CloudWatch wants them", () =>
      Effect.gen(function*() {
        const container = yield* start(yield* freshPlace)
        const key = "short/quotes"
        const opened = metricLines((yield* invoke(container, { key, calls: ["fail", "fail", "fail", "fail"] })).logs)
        assert.deepInclude(lineOf(opened), {
          service: "worker",
          CircuitOpened: 1,
          CallsFailed: 3,
          CallsRejected: 1,
          OpenCircuits: 1,
          StoreFailures: 0
        })
        assert.deepInclude(lineOf(opened, key), { service: "worker", CircuitOpened: 1, CallsFailed: 3 })
        // The clock of the store tells whole seconds, so an opening may last a little longer: until a call runs, then.
        const probe = (call: "succeed" | "fail"): Effect.Effect<ReadonlyArray<MetricLine>, ContainerError> =>
          Effect.flatMap(invoke(container, { key, calls: [call] }), (invocation) =>
            answerOf(invocation).began === 1
              ? Effect.succeed(metricLines(invocation.logs))
              : Effect.andThen(Effect.sleep("100 millis"), probe(call)))
        assert.deepInclude(lineOf(yield* probe("fail")), { CircuitHalfOpened: 1, RecoveryFailed: 1, CircuitOpened: 1 })
        const closed = { CircuitHalfOpened: 1, CircuitClosed: 1, OpenCircuits: 0 }
        assert.deepInclude(lineOf(yield* probe("succeed")), closed)
        const silent = yield* invoke(container, { key: "unused" })
        assert.deepStrictEqual(metricLines(silent.logs), [])
      }))

    it.effect("tells Lambda of errors by their names", () =>
      Effect.gen(function*() {
        const container = yield* start(yield* freshPlace)
        assert.strictEqual(
          errorOf(yield* invoke(container, { key: "a", ending: "fail" })),
          "NoSuchOrder: there is no order 7"
        )
        assert.strictEqual(errorOf(yield* invoke(container, { key: "a", ending: "die" })), "TypeError: broken")
        const rejection = yield* invoke(container, { key: "a", calls: ["fail", "fail", "fail"], ending: "reject" })
        assert.match(errorOf(rejection), /^CircuitOpen: Circuit "a" is open; try again in /)
      }))

    it.effect("gives up before Lambda ends it, and lives on", () =>
      Effect.gen(function*() {
        const container = yield* start(yield* freshPlace, { MARGIN: "1" }, { timeout: 3_500 })
        const late = yield* invoke(container, { key: "quotes", calls: ["fail"], ending: "hang" })
        assert.match(errorOf(late), /^DeadlineExceeded: Invocation .* was given up 1s 500ms before its time was over/)
        assert.isBelow(late.durationMs, 3_500)
        assert.deepInclude(lineOf(metricLines(late.logs)), { CallsFailed: 1 })
        assert.deepStrictEqual((yield* ask(container, { key: "quotes", calls: ["succeed"] })).ends, ["Succeeded"])
      }))

    it.effect("whose layers can't be built names every mistake, in each invocation, and lives on", () =>
      Effect.gen(function*() {
        const container = yield* start(yield* freshPlace, {
          POLICY: JSON.stringify({ jitter: 2, openDuration: "soon" })
        })
        for (const _ of [1, 2]) {
          const error = errorOf(yield* invoke(container, { key: "quotes" }))
          assert.match(error, /^PolicyError: /)
          assert.include(error, "jitter is 2")
          assert.include(error, "openDuration is \"soon\"")
        }
      }))

    it.effect("goes on alone when DynamoDB is gone, and says so", () =>
      Effect.gen(function*() {
        const { tableName } = yield* freshPlace
        const container = yield* start({ endpoint: "http://127.0.0.1:1", tableName })
        const { end, logs } = yield* invoke(container, { key: "quotes", calls: ["fail", "fail", "fail", "fail"] })
        assert.deepInclude(end, { _tag: "Succeeded" })
        assert.deepInclude(lineOf(metricLines(logs)), { CircuitOpened: 1, CallsRejected: 1, StoreFailures: 1 })
      }))

    it.effect("closes what it holds when it is told to end", () =>
      Effect.gen(function*() {
        const container = yield* start(yield* freshPlace)
        yield* ask(container, { key: "quotes", calls: ["succeed"] })
        const { exitCode, logs } = yield* container.terminate(5_000)
        assert.strictEqual(exitCode, 0)
        assert.deepStrictEqual(logs, ["closed"])
      }))

    it.effect("ends within the time that Lambda gives, also if something can't be closed", () =>
      Effect.gen(function*() {
        const container = yield* start(yield* freshPlace, { STUCK: "1" })
        yield* ask(container, { key: "quotes", calls: ["succeed"] })
        const from = performance.now()
        const { exitCode } = yield* container.terminate(10_000)
        assert.strictEqual(exitCode, 0)
        assert.isAtLeast(performance.now() - from, 295)
      }))
  })
})
