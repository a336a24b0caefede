/** Messages whose circuit is open: for how long they are kept back, and what an outage costs them. */
import { assert, describe, it } from "@effect/vitest"
import { TripRule, withBreaker } from "@reclose/core"
import { SqsBatch } from "@reclose/lambda"
import type { SQSRecord } from "aws-lambda"
import { Data, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import {
  bodies,
  Breakers,
  forceOpen,
  hour,
  provided,
  run,
  sendAll,
  visibleIn,
  withoutSpread,
  type World,
  worldOf
} from "./world.ts"

/** What a client says that knows nothing of circuits. */
class NotSent extends Data.TaggedError("NotSent")<{ readonly cause: unknown }> {}

describe("a message whose circuit is open", () => {
  const guarded = ({ body }: SQSRecord) => Effect.void.pipe(withBreaker(body))

  it.effect("is kept back until its circuit lets calls through, or half as long again", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, Array.from({ length: 10 }, () => "quotes"))
      yield* forceOpen("quotes")
      yield* run(world, guarded)
      const waits = visibleIn(world.queue, 0)
      for (const wait of waits) {
        assert.isAtLeast(wait, 40_000)
        assert.isAtMost(wait, 80_000)
      }
      assert.isAbove(new Set(waits).size, 3)
    }).pipe(Effect.provide(Breakers({ openDuration: "40 seconds" }))))

  it.effect("is kept back, too, where the rejection is the cause of a client's own error", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes"])
      yield* forceOpen("quotes")
      const wrapped = (record: SQSRecord) =>
        Effect.mapError(guarded(record), (cause) => new NotSent({ cause: new NotSent({ cause }) }))
      yield* run(world, wrapped)
      assert.deepStrictEqual(visibleIn(world.queue, 0), [40_000])
    }).pipe(withoutSpread, Effect.provide(Breakers({ openDuration: "40 seconds" }))))

  it.effect("is kept back at least a second, also by a trial that ends soon", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes"])
      yield* forceOpen("quotes")
      yield* run(world, guarded)
      assert.deepStrictEqual(visibleIn(world.queue, 0), [1_000])
    }).pipe(withoutSpread, Effect.provide(Breakers({ openDuration: "10 millis" }))))

  it.effect("is kept back for seconds while another one probes, and not until the trial has to be over", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* Effect.exit(Effect.fail("down").pipe(withBreaker("quotes")))
      yield* TestClock.adjust("10 seconds")
      yield* sendAll(world.queue, ["quotes", "quotes"])
      const probes = ({ body }: SQSRecord) => Effect.sleep("1 second").pipe(withBreaker(body))
      const fiber = yield* Effect.forkChild(run(world, probes), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(visibleIn(world.queue, 10_000), [5_000])
    }).pipe(
      withoutSpread,
      Effect.provide(Breakers({
        tripRule: TripRule.consecutive(1),
        openDuration: "10 seconds",
        halfOpen: { maxDuration: "30 seconds" }
      }))
    ))

  it.effect("is kept back for 12 hours at most, counted from when it was received", () =>
    Effect.gen(function*() {
      const world = worldOf()
      const handle = ({ body }: SQSRecord) => Effect.andThen(Effect.sleep("5 seconds"), guarded({ body } as SQSRecord))
      yield* sendAll(world.queue, ["quotes"])
      yield* forceOpen("quotes")
      const fiber = yield* Effect.forkChild(run(world, handle), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(world.lines, [])
      const [wait = 0] = visibleIn(world.queue, 0)
      assert.isAtMost(wait, 12 * hour)
      assert.isAtLeast(wait, 12 * hour - 120_000)
    }).pipe(Effect.provide(Breakers({ openDuration: "1 day", maxOpenDuration: "1 day" }))))

  it.effect("is kept back for less from its second time on, since SQS does not say when it gave it out", () =>
    Effect.gen(function*() {
      const world = worldOf({ visibilityTimeout: 900 })
      yield* sendAll(world.queue, ["quotes"])
      world.queue.receive(10, 0)
      yield* TestClock.adjust("1 hour")
      // The poller has collected messages for five minutes before it calls the function.
      const Records = world.queue.receive(10, hour)
      yield* TestClock.adjust("5 minutes")
      yield* forceOpen("quotes")
      yield* provided(world)(SqsBatch.process({ Records: [...Records] }, guarded))
      assert.deepStrictEqual(world.lines, [])
      // From when it was given out on.
      const [wait = 0] = visibleIn(world.queue, hour)
      assert.isAtMost(wait, 12 * hour)
      assert.isAtLeast(wait, 12 * hour - 120_000)
    }).pipe(Effect.provide(Breakers({ openDuration: "1 day", maxOpenDuration: "1 day" }))))

  it.effect("is not kept back for longer than it exists", () =>
    Effect.gen(function*() {
      const world = worldOf({ retention: 3_600 })
      yield* sendAll(world.queue, ["quotes"])
      yield* TestClock.adjust("10 minutes")
      yield* forceOpen("quotes")
      yield* run(world, guarded, { retention: "1 hour" })
      assert.deepStrictEqual(visibleIn(world.queue, 0), [59 * 60_000])
      yield* TestClock.adjust("49 minutes")
      assert.strictEqual(yield* run(world, () => Effect.void), 1)
    }).pipe(Effect.provide(Breakers({ openDuration: "1 day", maxOpenDuration: "1 day" }))))

  it.effect("that can't be kept back is told of, and stays", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes"])
      const Records = [...world.queue.receive(10, 0)]
      // Its visibility timeout is over before the function is.
      yield* TestClock.adjust("3 minutes")
      yield* forceOpen("quotes")
      const response = yield* provided(world)(SqsBatch.process({ Records }, guarded))
      assert.deepStrictEqual(response, { batchItemFailures: [{ itemIdentifier: "orders-1" }] })
      assert.match(world.lines.join(), /orders-1 could not be kept back: MessageNotInflight/)
    }).pipe(Effect.provide(Breakers())))
})

describe("a long outage", () => {
  /** One message, an endpoint that is down for so long, and a poller that looks every ten seconds. */
  const outage = <E, R>(
    world: World,
    hours: number,
    handle: SqsBatch.HandleRecord<E, R>,
    options: SqsBatch.Options = {}
  ) =>
    Effect.gen(function*() {
      yield* sendAll(world.queue, ["order"])
      let isDown = true
      let handled = 0
      let given = 0
      const endpoint = Effect.suspend(() => isDown ? Effect.fail("down") : Effect.void).pipe(withBreaker("shipping"))
      const call = (record: SQSRecord) =>
        Effect.andThen(handle(record), Effect.andThen(endpoint, Effect.sync(() => ++handled)))
      // Others have opened the circuit, and go on trying.
      const others = Effect.exit(endpoint)
      for (let second = 0; second < (hours + 1) * 3_600 && handled === 0; second += 10) {
        isDown = second < hours * 3_600
        yield* others
        given += yield* run(world, call, options)
        yield* TestClock.adjust("10 seconds")
      }
      return { handled: handled > 0 && world.queue.all.length === 0, given, dead: bodies(world.dead).length }
    }).pipe(Effect.provide(Breakers({ tripRule: TripRule.consecutive(1), openDuration: "5 minutes" })))

  it.effect("walks a message that is not kept back into the dead-letter queue", () =>
    Effect.gen(function*() {
      const world = worldOf({ maxReceiveCount: 5 })
      // What a handler without this module does: any failure is a failure.
      const { dead, given } = yield* outage(world, 1, () => Effect.void.pipe(withBreaker("shipping"), Effect.orDie))
      assert.deepStrictEqual([dead, given], [1, 5])
    }))

  it.effect("takes one receive of a message for each opening, where it is kept back", () =>
    Effect.gen(function*() {
      const world = worldOf({ maxReceiveCount: 20 })
      const { dead, given, handled } = yield* outage(world, 1, () => Effect.void)
      assert.deepStrictEqual([handled, dead], [true, 0])
      assert.isAtMost(given, 13)
    }))

  it.effect("walks no message into the dead-letter queue that is sent anew in time, however long it is", () =>
    Effect.gen(function*() {
      const world = worldOf({ maxReceiveCount: 3 })
      const { dead, handled } = yield* outage(world, 12, () => Effect.void, { renew: { maxReceiveCount: 3 } })
      assert.deepStrictEqual([handled, dead], [true, 0])
    }))
})
