/** Messages of a FIFO queue, in their order. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, withBreaker } from "@reclose/core"
import { MalformedMessage } from "@reclose/lambda"
import type { SQSRecord } from "aws-lambda"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { bodies, Breakers, run, sendAll, visibleIn, worldOf } from "./world.ts"

describe("messages of a FIFO queue", () => {
  const groupOf = (body: string) => body[0]

  it.effect("stay with the first of their group that stays, untouched; other groups go on", () =>
    Effect.gen(function*() {
      const world = worldOf({ name: "orders.fifo" })
      const begun: Array<string> = []
      yield* sendAll(world.queue, ["a1", "b1", "a2", "b2", "a3"], groupOf)
      yield* run(world, ({ body }) => {
        begun.push(body)
        return body === "a2" ? Effect.fail("no") : Effect.void
      })
      assert.deepStrictEqual(begun.filter((body) => body.startsWith("a")), ["a1", "a2"])
      assert.deepStrictEqual(bodies(world.queue), ["a2", "a3"])
    }))

  it.effect("are handled one after the other within a group, and beside each other otherwise", () =>
    Effect.gen(function*() {
      const world = worldOf({ name: "orders.fifo" })
      const events: Array<string> = []
      yield* sendAll(world.queue, ["a1", "a2", "b1"], groupOf)
      const fiber = yield* Effect.forkChild(
        run(world, ({ body }) =>
          Effect.gen(function*() {
            events.push(`${body} begins`)
            yield* Effect.sleep("1 second")
            events.push(`${body} ends`)
          })),
        { startImmediately: true }
      )
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        events,
        ["a1 begins", "b1 begins", "a1 ends", "b1 ends", "a2 begins", "a2 ends"]
          .toSorted((one, other) => events.indexOf(one) - events.indexOf(other))
      )
      assert.isBelow(events.indexOf("a1 ends"), events.indexOf("a2 begins"))
      assert.isBelow(events.indexOf("b1 begins"), events.indexOf("a1 ends"))
    }))

  it.effect("are kept back together, and come again in order", () =>
    Effect.gen(function*() {
      const world = worldOf({ name: "orders.fifo" })
      yield* sendAll(world.queue, ["a1", "a2", "a3"], groupOf)
      const { forceOpen, release } = yield* CircuitBreaker
      yield* forceOpen("quotes")
      const begun: Array<string> = []
      const handle = ({ body }: SQSRecord) => Effect.sync(() => void begun.push(body)).pipe(withBreaker("quotes"))
      yield* run(world, handle)
      const [first, ...rest] = visibleIn(world.queue, 0)
      assert.deepStrictEqual(rest, [first, first])
      yield* release("quotes")
      yield* TestClock.adjust("10 minutes")
      yield* run(world, handle)
      assert.deepStrictEqual(begun, ["a1", "a2", "a3"])
    }).pipe(Effect.provide(Breakers({ openDuration: "20 seconds" }))))

  it.effect("go on after one that is malformed and was moved", () =>
    Effect.gen(function*() {
      const world = worldOf({ name: "orders.fifo" })
      yield* sendAll(world.queue, ["a1", "a2"], groupOf)
      yield* run(world, ({ body }) => body === "a1" ? new MalformedMessage({ reason: "bad" }) : Effect.void)
      assert.deepStrictEqual([bodies(world.queue), bodies(world.malformed)], [[], ["a1"]])
    }))

  it.effect("have an order that groups of other queues have not", () =>
    Effect.gen(function*() {
      const world = worldOf()
      const begun: Array<string> = []
      yield* sendAll(world.queue, ["a1", "a2"], groupOf)
      yield* run(world, ({ body }) => {
        begun.push(body)
        return Effect.fail("no")
      })
      assert.deepStrictEqual(begun, ["a1", "a2"])
    }))
})
