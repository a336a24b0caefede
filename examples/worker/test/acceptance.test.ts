/**
 * What the worker was asked for, criterion by criterion: the bundle that would be deployed, in containers of their own,
 * that keep circuits in a real DynamoDB API and call a real server.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Schema, Scope } from "effect"
import { metricLines } from "../../../packages/lambda/test/embeddedFormat.ts"
import type { Invocation } from "../../../packages/lambda/test/runtime/RuntimeApi.ts"
import { type Cloud, makeCode, open } from "../src/local/Cloud.ts"
import { recordOf } from "../src/local/EventSource.ts"
import { type Health, serve, type Upstream } from "../src/local/Upstream.ts"

/** For how long a circuit stays open, in milliseconds. */
const openDuration = 3_000

const policy = {
  circuits: {
    tripRule: { _tag: "Consecutive", failures: 3 },
    openDuration,
    maxOpenDuration: openDuration,
    halfOpen: { permits: 1, successThreshold: 1 },
    refreshEvery: "100 millis"
  },
  http: { timeLimits: { headers: "2 seconds" } }
}

interface World {
  readonly cloud: Cloud
  readonly quotes: Upstream
  /** One job by way of the function's URL. */
  readonly call: Effect.Effect<Answer>
  /** A batch of so many jobs from the queue. Answers how many of them stay there. */
  readonly batch: (jobs: number) => Effect.Effect<number>
}

interface Answer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly invocation: Invocation
}

const Result = Schema.Struct({ statusCode: Schema.Int, headers: Schema.Record(Schema.String, Schema.String) })

const toAnswer = (invocation: Invocation): Answer => {
  if (invocation.end._tag === "Failed") assert.fail(JSON.stringify(invocation.end.error))
  return { ...Schema.decodeUnknownSync(Result)(invocation.end.result), invocation }
}

const scope = Scope.makeUnsafe()
const code = Effect.runPromise(Scope.provide(makeCode(), scope))

afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const start = Effect.fnUntraced(function*(health: Health) {
  const quotes = yield* serve(health)
  const cloud = yield* open({ origins: [quotes.url], policy, code: yield* Effect.promise(() => code) })
  let jobs = 0
  const text = Effect.sync(() =>
    JSON.stringify({ id: `job-${jobs++}`, request: { method: "GET", url: `${quotes.url}/latest` } })
  )
  const world: World = {
    cloud,
    quotes,
    call: Effect.gen(function*() {
      const event = { version: "2.0", rawPath: "/", body: yield* text, isBase64Encoded: false }
      return toAnswer(yield* Effect.orDie(cloud.containers.invoke(event)))
    }),
    batch: Effect.fnUntraced(function*(count) {
      const now = yield* Clock.currentTimeMillis
      for (let i = 0; i < count; i++) cloud.queue.send(yield* text, {}, 0, now)
      const messages = cloud.queue.receive(count, now)
      const response = yield* cloud.invokeBatch({ Records: messages.map((message) => recordOf(cloud.queue, message)) })
      assert.isDefined(response)
      return response?.batchItemFailures.length ?? 0
    })
  }
  return world
})

/** Three failures in a row, which open the circuit. */
const fail = ({ call }: World) =>
  Effect.gen(function*() {
    for (let i = 0; i < 3; i++) assert.strictEqual((yield* call).statusCode, 502)
  })

/**
 * A request that is rejected. Answers an effect that waits for as long as the caller is told to, and a second more:
 * DynamoDB tells the time in whole seconds, and no container probes before it is sure.
 */
const rejected = ({ call }: World) =>
  Effect.map(call, ({ headers, statusCode }) => {
    assert.strictEqual(statusCode, 503)
    return Effect.sleep(`${Number(headers["retry-after"]) + 1} seconds`)
  })

describe.concurrent("the worker", { timeout: 60_000 }, () => {
  it.live("1. State management: when the failure threshold is reached, the circuit opens and blocks requests", () =>
    Effect.gen(function*() {
      const { batch, cloud, quotes } = yield* start("failing")
      assert.strictEqual(yield* batch(2), 2)
      assert.lengthOf(quotes.received, 2)
      // The third failure in a row is the last request that the dependency sees.
      assert.strictEqual(yield* batch(1), 1)
      assert.strictEqual(yield* batch(5), 5)
      assert.lengthOf(quotes.received, 3)
      // And nothing is lost: all of them are in the queue.
      assert.lengthOf(cloud.queue.all(), 8)
    }).pipe(Effect.scoped))

  it.live("2. Fast failure: while the circuit is open, a request fails at once, without an external call", () =>
    Effect.gen(function*() {
      const world = yield* start("failing")
      yield* fail(world)
      // Whoever called it now would wait for it.
      world.quotes.health = "hanging"
      const answer = yield* world.call
      assert.strictEqual(answer.statusCode, 503)
      assert.match(answer.headers["retry-after"] ?? "", /^[1-4]$/)
      assert.lengthOf(world.quotes.received, 3)
    }).pipe(Effect.scoped))

  it.live("3. Recovery: when the recovery timeout is over, a single test request is let through", () =>
    Effect.gen(function*() {
      const world = yield* start("failing")
      yield* fail(world)
      world.quotes.health = "hanging"
      yield* yield* rejected(world)
      // Two containers at once: one of them waits for the dependency, the other one is told to come back later.
      const answers = yield* Effect.all([world.call, world.call], { concurrency: "unbounded" })
      assert.deepStrictEqual(answers.map(({ statusCode }) => statusCode).toSorted(), [503, 504])
      assert.lengthOf(world.quotes.received, 4)
      assert.strictEqual(world.cloud.containers.started(), 2)
      // It failed, so the circuit is open again; the next one succeeds and closes it.
      world.quotes.health = "healthy"
      yield* yield* rejected(world)
      assert.strictEqual((yield* world.call).statusCode, 200)
      assert.strictEqual((yield* world.call).statusCode, 200)
      assert.lengthOf(world.quotes.received, 6)
    }).pipe(Effect.scoped))

  it.live("4. Persistence: the state survives its containers", () =>
    Effect.gen(function*() {
      const world = yield* start("failing")
      yield* fail(world)
      assert.strictEqual(yield* world.cloud.containers.kill, 1)
      // A container that has never seen the dependency fail rejects the first request that it is given.
      const recoveryTimeout = yield* rejected(world)
      assert.strictEqual(world.cloud.containers.started(), 2)
      assert.lengthOf(world.quotes.received, 3)
      // The recovery is as lasting.
      world.quotes.health = "healthy"
      yield* recoveryTimeout
      assert.strictEqual((yield* world.call).statusCode, 200)
      yield* world.cloud.containers.kill
      world.quotes.health = "failing"
      assert.strictEqual((yield* world.call).statusCode, 502)
    }).pipe(Effect.scoped))

  it.live("5. Metrics: every change of the circuit's state is published, once", () =>
    Effect.gen(function*() {
      const world = yield* start("failing")
      const lines: Array<string> = []
      const heard: World = {
        ...world,
        call: Effect.tap(world.call, ({ invocation }) => Effect.sync(() => lines.push(...invocation.logs)))
      }
      yield* fail(heard)
      yield* world.cloud.containers.kill
      world.quotes.health = "healthy"
      yield* yield* rejected(heard)
      assert.strictEqual((yield* heard.call).statusCode, 200)
      // Each line is checked against the format of CloudWatch as it is read.
      const ofCircuit = metricLines(lines).filter(({ circuit }) => circuit === world.quotes.url)
      const sum = (name: string) => ofCircuit.reduce((sum, line) => sum + Number(line[name] ?? 0), 0)
      const names = ["CircuitOpened", "CircuitHalfOpened", "CircuitClosed", "RecoveryFailed"]
      assert.deepStrictEqual(names.map(sum), [1, 1, 1, 0])
      const calls = ["CallsFailed", "CallsRejected", "CallsSucceeded"]
      assert.deepStrictEqual(calls.map(sum), [3, 1, 1])
    }).pipe(Effect.scoped))
})
