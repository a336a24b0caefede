/** What becomes of messages between a queue and a function, by what the function answers. */
import { assert, describe, it } from "@effect/vitest"
import type { SQSEvent } from "aws-lambda"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { Invocation } from "../runtime/RuntimeApi.ts"
import { answerOf, deliver, poll } from "./EventSource.ts"
import { Queue } from "./SqsModel.ts"

const queueOf = (bodies: ReadonlyArray<string>, name = "q") => {
  const queue = new Queue({ name })
  for (const body of bodies) queue.send({ body, groupId: "g", deduplicationId: body }, 0)
  return queue
}

const bodies = ({ all }: Queue) => all.map(({ body }) => body)

const reporting = (...itemIdentifiers: ReadonlyArray<string>) =>
  Effect.succeed({ batchItemFailures: itemIdentifiers.map((itemIdentifier) => ({ itemIdentifier })) })

describe("a batch", () => {
  it.effect("loses what was handled, and what failed comes back", () =>
    Effect.gen(function*() {
      const queue = queueOf(["one", "two", "three"])
      const events: Array<SQSEvent> = []
      const given = yield* deliver(queue, 10, (event) => {
        events.push(event)
        return reporting("q-2")
      })
      assert.strictEqual(given, 3)
      assert.deepStrictEqual(events[0]?.Records.map(({ body }) => body), ["one", "two", "three"])
      assert.deepStrictEqual(bodies(queue), ["two"])
      // Not before its time.
      assert.strictEqual(yield* deliver(queue, 10, () => reporting()), 0)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* deliver(queue, 10, () => reporting()), 1)
      assert.deepStrictEqual(bodies(queue), [])
    }))

  it.effect("stays as it is when its invocation fails, or names a message that it does not hold", () =>
    Effect.gen(function*() {
      const queue = queueOf(["one", "two"])
      assert.strictEqual(yield* deliver(queue, 10, () => Effect.fail("no")), 2)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* deliver(queue, 10, () => reporting("q-3")), 2)
      assert.deepStrictEqual(bodies(queue), ["one", "two"])
    }))

  it.effect("comes again when it took longer than it was hidden for and can't be deleted", () =>
    Effect.gen(function*() {
      const queue = queueOf(["one"], "q.fifo")
      yield* deliver(queue, 10, () => Effect.andThen(TestClock.adjust("31 seconds"), reporting()))
      assert.deepStrictEqual(bodies(queue), ["one"])
    }))
})

describe("a function's answer", () => {
  const invocation = (end: Invocation["end"]): Invocation => ({ requestId: "1", end, logs: [], durationMs: 0 })
  const answered = (result: unknown) => invocation({ _tag: "Succeeded", result })

  it.effect.each([null, {}, { batchItemFailures: null }, { batchItemFailures: [] }])(
    "of %j means that all were handled",
    (result) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* answerOf(answered(result)), { batchItemFailures: [] })
      })
  )

  it.effect.each([
    "done",
    { batchItemFailures: "all" },
    { batchItemFailures: [{ itemIdentifier: "" }] },
    { batchItemFailures: [{ itemIdentifier: null }] },
    { batchItemFailures: [{ id: "q-1" }] }
  ])("of %j makes no sense", (result) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* Effect.flip(answerOf(answered(result)))).errorType, "InvalidResponse")
    }))

  it.effect("means nothing unless it was asked for", () =>
    Effect.gen(function*() {
      const failures = { batchItemFailures: [{ itemIdentifier: "q-1" }] }
      assert.deepStrictEqual(yield* answerOf(answered(failures)), failures)
      assert.deepStrictEqual(yield* answerOf(answered(failures), { reportsFailures: false }), { batchItemFailures: [] })
    }))

  it.effect("is the error of an invocation that failed, asked for or not", () =>
    Effect.gen(function*() {
      const failed = invocation({ _tag: "Failed", error: { errorType: "RangeError", errorMessage: "too far" } })
      for (const reportsFailures of [true, false]) {
        assert.strictEqual((yield* Effect.flip(answerOf(failed, { reportsFailures }))).errorType, "RangeError")
      }
    }))
})

describe("polling", () => {
  it.effect("gives out what comes in, so many batches at once, until it is interrupted", () =>
    Effect.gen(function*() {
      const queue = queueOf(["one", "two", "three", "four"])
      let running = 0
      let most = 0
      const invoke = () =>
        Effect.gen(function*() {
          most = Math.max(most, ++running)
          yield* Effect.sleep("1 second")
          running--
          return yield* reporting()
        })
      const fiber = yield* Effect.forkChild(poll(queue, { batchSize: 1, concurrency: 2 }, invoke))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual([most, bodies(queue)], [2, []])
      queue.send({ body: "five" }, 2_000)
      yield* TestClock.adjust("1100 millis")
      assert.deepStrictEqual(bodies(queue), [])
      yield* Fiber.interrupt(fiber)
      queue.send({ body: "six" }, 3_100)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(bodies(queue), ["six"])
    }))
})
