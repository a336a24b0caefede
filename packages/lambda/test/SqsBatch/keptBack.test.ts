/** Messages whose circuit is open: for how long they are kept back, and what an outage costs them. */
import { assert, describe, it } from "@effect/vitest"
import { type CircuitBreaker, type CircuitOpen, TripRule, withBreaker } from "@reclose/core"
import { MalformedMessage, SqsBatch, SqsQueue } from "@reclose/lambda"
import type { SQSRecord } from "aws-lambda"
import { Data, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import {
  bodies,
  Breakers,
  forceOpen,
  hour,
  open,
  provided,
  release,
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
      yield* open("quotes")
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
      yield* open("quotes")
      const wrapped = (record: SQSRecord) =>
        Effect.mapError(guarded(record), (cause) => new NotSent({ cause: new NotSent({ cause }) }))
      yield* run(world, wrapped)
      assert.deepStrictEqual(visibleIn(world.queue, 0), [40_000])
    }).pipe(withoutSpread, Effect.provide(Breakers({ openDuration: "40 seconds" }))))

  it.effect("is kept back at least a second, also by a trial that ends soon", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes"])
      yield* open("quotes")
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
      yield* open("quotes")
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
      yield* open("quotes")
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
      yield* open("quotes")
      yield* run(world, guarded, { retention: "1 hour" })
      assert.deepStrictEqual(visibleIn(world.queue, 0), [59 * 60_000])
      yield* TestClock.adjust("49 minutes")
      assert.strictEqual(yield* run(world, () => Effect.void), 1)
    }).pipe(Effect.provide(Breakers({ openDuration: "1 day", maxOpenDuration: "1 day" }))))

  it.effect("comes back a few times in the last minute before it expires, and never at once", () =>
    Effect.gen(function*() {
      const world = worldOf({ retention: 3_600 })
      yield* sendAll(world.queue, ["quotes"])
      yield* TestClock.adjust("59 minutes")
      yield* open("quotes")
      let given = 0
      for (let tenths = 0; tenths < 600; tenths++) {
        given += yield* run(world, guarded, { retention: "1 hour" })
        yield* TestClock.adjust("100 millis")
      }
      assert.isAtLeast(given, 2)
      assert.isAtMost(given, 10)
    }).pipe(Effect.provide(Breakers({ openDuration: "1 day", maxOpenDuration: "1 day" }))))

  it.effect("is kept back by its circuit alone if the queue keeps it for longer than the options say", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes"])
      yield* TestClock.adjust("2 hours")
      yield* open("quotes")
      yield* run(world, guarded, { retention: "1 hour" })
      assert.deepStrictEqual(visibleIn(world.queue, 2 * hour), [40_000])
    }).pipe(withoutSpread, Effect.provide(Breakers({ openDuration: "40 seconds" }))))

  it.effect("is kept back for a second if its circuit is half-open before the batch is over", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes", "slow"])
      yield* open("quotes")
      const handle = ({ body }: SQSRecord) =>
        body === "slow" ? Effect.sleep("5 seconds") : guarded({ body } as SQSRecord)
      const fiber = yield* Effect.forkChild(run(world, handle), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(visibleIn(world.queue, 5_000), [1_000])
    }).pipe(withoutSpread, Effect.provide(Breakers({ openDuration: "2 seconds" }))))

  it.effect("that can't be kept back is told of, and stays", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes"])
      const Records = [...world.queue.receive(10, 0)]
      // Its visibility timeout is over before the function is.
      yield* TestClock.adjust("3 minutes")
      yield* open("quotes")
      const response = yield* provided(world)(SqsBatch.process({ Records }, guarded))
      assert.deepStrictEqual(response, { batchItemFailures: [{ itemIdentifier: "orders-1" }] })
      assert.match(world.lines.join(), /orders-1 could not be kept back: MessageNotInflight/)
    }).pipe(Effect.provide(Breakers())))
})

describe("SQS that does not answer", () => {
  const silent = Layer.succeed(SqsQueue, { changeVisibility: () => Effect.never, send: () => Effect.never })
  const quarter = { millis: 900_000, queue: silent }
  const renew = { maxReceiveCount: 2 }

  it.effect.each(
    [
      { what: "keeping messages back", body: "quotes", options: {}, seconds: 10 },
      { what: "renewing one, and then keeping it back", body: "quotes", options: { renew }, seconds: 20 },
      { what: "moving a malformed one", body: "{", options: {}, seconds: 10 }
    ]
  )(
    "takes ten seconds of an invocation and not half of it: $what",
    ({ body, options, seconds }) =>
      Effect.gen(function*() {
        const world = worldOf()
        yield* sendAll(world.queue, [body])
        const handle = ({ body }: SQSRecord): Effect.Effect<void, MalformedMessage | CircuitOpen, CircuitBreaker> =>
          body === "{"
            ? new MalformedMessage({ reason: "no JSON" })
            : Effect.andThen(open(body), Effect.void.pipe(withBreaker(body)))
        const fiber = yield* Effect.forkChild(run(world, handle, options, quarter), { startImmediately: true })
        yield* TestClock.adjust(Duration.seconds(seconds))
        assert.isDefined(fiber.pollUnsafe())
        assert.match(world.lines.join(), /there was no time/)
      }).pipe(Effect.provide(Breakers()))
  )
})

describe("a message whose circuit is forced open", () => {
  const guarded = ({ body }: SQSRecord) => Effect.void.pipe(withBreaker(body))

  it.effect("is kept back for longer with each receive, from 5 minutes to an hour", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes"])
      yield* forceOpen("quotes")
      const waits: Array<number> = []
      let now = 0
      for (let times = 0; times < 6; times++) {
        yield* run(world, guarded)
        const [wait = 0] = visibleIn(world.queue, now)
        waits.push(wait / 60_000)
        now += wait
        yield* TestClock.adjust(wait)
      }
      assert.deepStrictEqual(waits, [5, 10, 20, 40, 60, 60])
    }).pipe(withoutSpread, Effect.provide(Breakers())))

  it.effect("is kept back for as long as the circuit would open, if that is more", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes"])
      yield* forceOpen("quotes")
      yield* run(world, guarded)
      assert.deepStrictEqual(visibleIn(world.queue, 0), [2 * hour])
    }).pipe(withoutSpread, Effect.provide(Breakers({ openDuration: "2 hours", maxOpenDuration: "1 day" }))))

  it.effect("counts the receives of the messages that it was renewed from", () =>
    Effect.gen(function*() {
      const world = worldOf()
      const receives = { "reclose.receives": { dataType: "String", stringValue: "4" } }
      world.queue.send({ body: "quotes", attributes: receives }, 0)
      yield* forceOpen("quotes")
      yield* run(world, guarded)
      assert.deepStrictEqual(visibleIn(world.queue, 0), [hour])
    }).pipe(withoutSpread, Effect.provide(Breakers())))

  it.effect.each(["many", "NaN", "-5", "1e309"])(
    "is kept back for 5 minutes to an hour if an attribute is no count: %j",
    (text) =>
      Effect.gen(function*() {
        const world = worldOf()
        world.queue.send({
          body: "quotes",
          attributes: { "reclose.receives": { dataType: "String", stringValue: text } }
        }, 0)
        yield* forceOpen("quotes")
        yield* run(world, guarded, { retention: "1 day" })
        assert.deepStrictEqual(visibleIn(world.queue, 0), [300_000])
      }).pipe(withoutSpread, Effect.provide(Breakers()))
  )

  /** Holds a circuit open for so many hours, with a poller that looks every minute. */
  const repair = (world: World, hours: number, options: SqsBatch.Options = {}) =>
    Effect.gen(function*() {
      yield* sendAll(world.queue, ["quotes"])
      yield* forceOpen("quotes")
      let isForced = true
      let given = 0
      let minutes = 0
      for (; world.queue.all.length > 0 && minutes < hours * 60 + 120; minutes++) {
        if (isForced && minutes >= hours * 60) {
          isForced = false
          yield* release("quotes")
        }
        given += yield* run(world, guarded, options)
        yield* TestClock.adjust("1 minute")
      }
      return { dead: bodies(world.dead).length, given, isLeft: world.queue.all.length > 0, late: minutes - hours * 60 }
    }).pipe(Effect.provide(Breakers()))

  it.effect("outlives a repair of 12 hours with the receives that the guide asks for, and comes within the hour", () =>
    Effect.gen(function*() {
      const { dead, given, isLeft, late } = yield* repair(worldOf({ maxReceiveCount: 39 }), 12)
      assert.deepStrictEqual([dead, isLeft], [0, false])
      assert.isAtMost(given, 16)
      assert.isAtMost(late, 63)
    }))

  it.effect("outlives a repair of two days where messages are renewed", () =>
    Effect.gen(function*() {
      const { dead, isLeft } = yield* repair(worldOf({ maxReceiveCount: 5 }), 48, { renew: { maxReceiveCount: 5 } })
      assert.deepStrictEqual([dead, isLeft], [0, false])
    }))
})

describe("a message that the function's own limits keep from being handled", () => {
  /** As `@reclose/http` has it. */
  class Throttled extends Data.TaggedError("Throttled")<{
    readonly key: string
    readonly by: "concurrency" | "rateLimit"
    readonly limit: number
    readonly waited: Duration.Duration
  }> {}

  it.effect.each(["concurrency", "rateLimit"] as const)(
    "is kept back for longer with each receive: %s",
    (by) =>
      Effect.gen(function*() {
        const world = worldOf()
        yield* sendAll(world.queue, ["quotes"])
        const throttled = new Throttled({ key: "quotes", by, limit: 1, waited: Duration.zero })
        const waits: Array<number> = []
        let now = 0
        for (let times = 0; times < 9; times++) {
          yield* run(world, () => Effect.fail(times % 2 === 0 ? throttled : new NotSent({ cause: throttled })))
          const [wait = 0] = visibleIn(world.queue, now)
          waits.push(wait / 1_000)
          now += wait
          yield* TestClock.adjust(wait)
        }
        assert.deepStrictEqual(waits, [10, 20, 40, 80, 160, 320, 640, 900, 900])
        assert.deepStrictEqual(world.lines, [])
      }).pipe(withoutSpread)
  )

  it.effect("is renewed before its receives are used up", () =>
    Effect.gen(function*() {
      const world = worldOf({ maxReceiveCount: 2 })
      yield* sendAll(world.queue, ["quotes"])
      const throttled = new Throttled({ key: "quotes", by: "concurrency", limit: 1, waited: Duration.zero })
      yield* run(world, () => Effect.fail(throttled), { renew: { maxReceiveCount: 2 } })
      assert.deepStrictEqual(world.queue.all.map(({ id, receives }) => [id, receives]), [["orders-2", 0]])
      assert.deepStrictEqual(visibleIn(world.queue, 0), [10_000])
    }).pipe(withoutSpread))
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
