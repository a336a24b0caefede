/** Messages that are sent anew before their receives are used up. */
import { assert, describe, it } from "@effect/vitest"
import { withBreaker } from "@reclose/core"
import { SqsError, SqsQueue } from "@reclose/lambda"
import type { SQSRecord } from "aws-lambda"
import { Clock, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { modelQueue } from "../sqs/modelQueue.ts"
import { Breakers, hour, open, run, sendAll, visibleIn, withoutSpread, type World, worldOf } from "./world.ts"

describe("a message that is sent anew", () => {
  const renew = { maxReceiveCount: 3 }
  const rejected = ({ body }: SQSRecord) => Effect.andThen(open(body), Effect.void.pipe(withBreaker(body)))
  const text = (stringValue: string) => ({ dataType: "String", stringValue })

  /** Receives the messages often enough that the next time is the last but one. */
  const worn = (world: World) =>
    Effect.gen(function*() {
      world.queue.receive(10, yield* Clock.currentTimeMillis)
      yield* TestClock.adjust("2 minutes")
    })

  it.effect("is one with the same body and attributes, no receives, a delay, and where it comes from", () =>
    Effect.gen(function*() {
      const world = worldOf()
      const binary = { dataType: "Binary", binaryValue: "AQID" }
      world.queue.send({ body: "quotes", attributes: { tenant: text("a"), raw: binary }, groupId: "fair" }, 0)
      yield* worn(world)
      yield* run(world, rejected, { renew })
      const [message, ...more] = world.queue.all
      assert.deepStrictEqual([more, message?.body, message?.receives, message?.groupId], [[], "quotes", 0, "fair"])
      assert.deepStrictEqual(message?.attributes, {
        tenant: text("a"),
        raw: binary,
        "reclose.originalId": text("orders-1"),
        "reclose.firstSent": text("0"),
        "reclose.receives": text("2")
      })
      assert.deepStrictEqual(visibleIn(world.queue, 120_000), [30_000])
    }).pipe(withoutSpread, Effect.provide(Breakers())))

  it.effect("goes on telling where it came from at first, and adds up its receives", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes"])
      for (let times = 0; times < 3; times++) {
        yield* worn(world)
        yield* run(world, rejected, { renew })
        yield* TestClock.adjust("30 seconds")
      }
      const { attributes } = world.queue.all[0] ?? { attributes: {} }
      assert.deepStrictEqual(attributes, {
        "reclose.originalId": text("orders-1"),
        "reclose.firstSent": text("0"),
        "reclose.receives": text("6")
      })
    }).pipe(withoutSpread, Effect.provide(Breakers())))

  it.effect("waits for 15 minutes at most, and is kept back for the rest", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes"])
      yield* worn(world)
      yield* run(world, rejected, { renew })
      assert.deepStrictEqual(visibleIn(world.queue, 120_000), [900_000])
      yield* TestClock.adjust("15 minutes")
      yield* run(world, rejected, { renew })
      assert.deepStrictEqual(visibleIn(world.queue, 1_020_000), [hour - 900_000])
    }).pipe(withoutSpread, Effect.provide(Breakers({ openDuration: "1 hour" }))))

  it.effect("is not delayed for longer than its queue keeps it", () =>
    Effect.gen(function*() {
      const world = worldOf({ retention: 300 })
      yield* sendAll(world.queue, ["quotes"])
      yield* worn(world)
      yield* run(world, rejected, { renew, retention: "5 minutes" })
      assert.deepStrictEqual(visibleIn(world.queue, 120_000), [240_000])
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(yield* run(world, () => Effect.void), 1)
    }).pipe(withoutSpread, Effect.provide(Breakers({ openDuration: "1 hour" }))))

  it.effect("is kept back instead while it has receives left", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes"])
      yield* run(world, rejected, { renew })
      assert.deepStrictEqual(world.queue.all.map(({ id, receives }) => [id, receives]), [["orders-1", 1]])
    }).pipe(Effect.provide(Breakers())))

  it.effect("is kept back instead, and told of, where it is too old, has too many attributes, or can't be sent", () =>
    Effect.gen(function*() {
      const old = worldOf()
      yield* sendAll(old.queue, ["quotes"])
      yield* worn(old)
      yield* run(old, rejected, { renew: { ...renew, maxAge: "1 minute" } })

      const full = worldOf()
      const attributes = Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`a${at}`, text("x")]))
      full.queue.send({ body: "quotes", attributes }, yield* Clock.currentTimeMillis)
      yield* worn(full)
      yield* run(full, rejected, { renew })

      const deaf = worldOf()
      yield* sendAll(deaf.queue, ["quotes"])
      yield* worn(deaf)
      const noSending = Layer.effect(
        SqsQueue,
        Effect.map(SqsQueue, ({ changeVisibility }) => ({
          changeVisibility,
          send: ({ queue }) => Effect.fail(new SqsError({ operation: "send", queue, message: "denied" }))
        }))
      ).pipe(Layer.provide(modelQueue(deaf.queue)))
      yield* run(deaf, rejected, { renew }, { queue: noSending })

      for (const { queue } of [old, full, deaf]) {
        assert.deepStrictEqual(queue.all.map(({ id, receives }) => [id, receives]), [["orders-1", 2]])
      }
      assert.match(old.lines.join(), /too old to be sent anew/)
      assert.match(full.lines.join(), /too many attributes to be sent anew/)
      assert.match(deaf.lines.join(), /could not be sent anew, and is kept back instead.*denied/s)
    }).pipe(Effect.provide(Breakers())))

  it.effect("is none of a FIFO queue, whose order it would break", () =>
    Effect.gen(function*() {
      const world = worldOf({ name: "orders.fifo" })
      yield* sendAll(world.queue, ["quotes"], () => "group")
      yield* worn(world)
      yield* run(world, rejected, { renew })
      assert.deepStrictEqual(world.queue.all.map(({ id }) => id), ["orders.fifo-1"])
      assert.deepStrictEqual(world.lines, [])
    }).pipe(Effect.provide(Breakers())))
})
