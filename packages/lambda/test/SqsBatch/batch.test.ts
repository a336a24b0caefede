/** Batches from queues of the model, delivered as Lambda does: what becomes of each message, and of the time. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, type CircuitOpen, withBreaker } from "@reclose/core"
import { MalformedMessage, SqsBatch, SqsQueue } from "@reclose/lambda"
import type { SQSBatchResponse, SQSEvent } from "aws-lambda"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { bodies, Breakers, forceOpen, run, sendAll, type Services, visibleIn, worldOf } from "./world.ts"

describe("the messages of a batch", () => {
  it.effect("are done or stay, each by itself", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["good", "fails", "dies", "throws", "good too"])
      yield* run(world, ({ body }) => {
        if (body === "throws") throw new Error("not even an effect")
        return body === "fails" ? Effect.fail("no") : body === "dies" ? Effect.die("broken") : Effect.void
      })
      assert.deepStrictEqual(bodies(world.queue), ["fails", "dies", "throws"])
      // They come again when the queue says so.
      assert.deepStrictEqual(visibleIn(world.queue, 0), [120_000, 120_000, 120_000])
    }))

  it.effect("that stay are told of with their reason", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["bad"])
      yield* run(world, () => Effect.fail("no such customer"))
      assert.match(world.lines.join(), /Message orders-1 failed, and stays in its queue.*no such customer/s)
    }))

  it.effect("are handled so many at once, and no more", () =>
    Effect.gen(function*() {
      const world = worldOf()
      let running = 0
      let most = 0
      yield* sendAll(world.queue, Array.from({ length: 10 }, (_, at) => `m${at}`))
      const handle = () =>
        Effect.gen(function*() {
          most = Math.max(most, ++running)
          yield* Effect.sleep("100 millis")
          running--
        })
      const fiber = yield* Effect.forkChild(run(world, handle, { concurrency: 3 }), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual([most, bodies(world.queue)], [3, []])
    }))
})

describe("the end of an invocation's time", () => {
  it.effect("leaves in the queue what is under way and what was not begun, and answers for the rest", () =>
    Effect.gen(function*() {
      const world = worldOf()
      const begun: Array<string> = []
      yield* sendAll(world.queue, ["quick", "slow", "late"])
      const fiber = yield* Effect.forkChild(
        run(
          world,
          ({ body }) =>
            Effect.andThen(
              Effect.sync(() => void begun.push(body)),
              body === "quick" ? Effect.void : Effect.never
            ),
          { concurrency: 1 },
          { millis: 10_000 }
        ),
        { startImmediately: true }
      )
      yield* TestClock.adjust(7_999)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(begun, ["quick", "slow"])
      assert.deepStrictEqual(bodies(world.queue), ["slow", "late"])
      assert.match(world.lines.join("\n"), /orders-2 was interrupted[^]*1 messages were not begun/)
    }))

  it.effect("is not waited past by a message that can't be interrupted", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["stuck"])
      const fiber = yield* Effect.forkChild(
        run(world, () => Effect.uninterruptible(Effect.never), {}, { millis: 10_000 }),
        { startImmediately: true }
      )
      yield* TestClock.adjust(9_000)
      assert.isDefined(fiber.pollUnsafe())
    }))

  it.effect("is not waited past by a queue that does not answer", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["a"])
      const silent = Layer.succeed(SqsQueue, { changeVisibility: () => Effect.never, send: () => Effect.never })
      const handle = () => Effect.andThen(forceOpen("quotes"), Effect.void.pipe(withBreaker("quotes")))
      const fiber = yield* Effect.forkChild(
        run(world, handle, {}, { millis: 10_000, queue: silent }).pipe(Effect.provide(Breakers())),
        { startImmediately: true }
      )
      yield* TestClock.adjust(5_000)
      assert.isDefined(fiber.pollUnsafe())
      assert.match(world.lines.join(), /1 messages could not be kept back/)
    }))
})

describe("the types of a batch", () => {
  it("leave no error to whoever runs it", () => {
    const handle = (): Effect.Effect<void, CircuitOpen | MalformedMessage | "other", CircuitBreaker> => Effect.void
    const answer = (event: SQSEvent): Effect.Effect<SQSBatchResponse, never, CircuitBreaker | Services> =>
      SqsBatch.process(event, handle)
    assert.isFunction(answer)
  })
})
