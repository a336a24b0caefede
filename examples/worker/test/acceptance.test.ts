/**
 * What the worker was asked for, criterion by criterion: the bundle that would be deployed, in containers of their own,
 * that keep circuits in a real DynamoDB API and call a real server.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { metricLines } from "../../../packages/lambda/test/embeddedFormat.ts"
import { start, type World } from "./World.ts"

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

/** A short opening, for tests that wait for its end. Nothing but calls of warm containers happens within it. */
const openDuration = "3 seconds"

describe.concurrent("the worker", { timeout: 60_000 }, () => {
  it.live("1. State management: when the failure threshold is reached, the circuit opens and blocks requests", () =>
    Effect.gen(function*() {
      const { batch, cloud, job, quotes, send } = yield* start({ health: "failing" })
      yield* send(job(), job())
      assert.strictEqual(yield* batch, 2)
      assert.lengthOf(quotes.received, 2)
      // The third failure in a row is the last request that the dependency sees.
      yield* send(job())
      assert.strictEqual(yield* batch, 1)
      yield* send(job(), job(), job(), job(), job())
      assert.strictEqual(yield* batch, 5)
      assert.lengthOf(quotes.received, 3)
      // And nothing is lost: all of them are in the queue.
      assert.lengthOf(cloud.queue.all, 8)
    }).pipe(Effect.scoped))

  it.live("2. Fast failure: while the circuit is open, a request fails at once, without an external call", () =>
    Effect.gen(function*() {
      const world = yield* start({ health: "failing" })
      yield* fail(world)
      // Whoever called it now would wait for it.
      world.quotes.health = "hanging"
      const answer = yield* world.call
      assert.strictEqual(answer.statusCode, 503)
      assert.approximately(Number(answer.headers["retry-after"]), 600, 30)
      assert.lengthOf(world.quotes.received, 3)
    }).pipe(Effect.scoped))

  it.live("3. Recovery: when the recovery timeout is over, a single test request is let through", () =>
    Effect.gen(function*() {
      const world = yield* start({ health: "failing", openDuration })
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

  it.live("4. Persistence: an open circuit survives its containers", () =>
    Effect.gen(function*() {
      const world = yield* start({ health: "failing" })
      yield* fail(world)
      assert.strictEqual(yield* world.cloud.containers.kill, 1)
      // A container that has never seen the dependency fail rejects the first request that it is given.
      assert.strictEqual((yield* world.call).statusCode, 503)
      assert.strictEqual(world.cloud.containers.started(), 2)
      assert.lengthOf(world.quotes.received, 3)
    }).pipe(Effect.scoped))

  it.live("4. Persistence: a recovery survives its containers", () =>
    Effect.gen(function*() {
      const world = yield* start({ health: "failing", openDuration })
      yield* fail(world)
      world.quotes.health = "healthy"
      yield* yield* rejected(world)
      assert.strictEqual((yield* world.call).statusCode, 200)
      yield* world.cloud.containers.kill
      world.quotes.health = "failing"
      // One failure would be enough for a circuit that still had to prove itself. This one counts to three again.
      yield* fail(world)
      assert.strictEqual((yield* world.call).statusCode, 503)
    }).pipe(Effect.scoped))

  it.live("5. Metrics: every change of the circuit's state is published, once", () =>
    Effect.gen(function*() {
      const world = yield* start({ health: "failing", openDuration })
      const lines: Array<string> = []
      const heard: World = {
        ...world,
        call: Effect.tap(world.call, ({ invocation }) => Effect.sync(() => lines.push(...invocation.logs)))
      }
      yield* fail(heard)
      const recoveryTimeout = yield* rejected(heard)
      // Whoever opened it is not who closes it.
      yield* world.cloud.containers.kill
      world.quotes.health = "healthy"
      yield* recoveryTimeout
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
