/** Batches from queues of the model, delivered as Lambda does, on the test's clock. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, type CircuitOpen, CircuitStore, type Policy, TripRule, withBreaker } from "@reclose/core"
import {
  DeadLetter,
  InvalidOptions,
  type LambdaContext,
  LambdaContext as Invocation,
  MalformedMessage,
  SqsBatch,
  SqsError,
  SqsQueue
} from "@reclose/lambda"
import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Logger, Random, Schema } from "effect"
import { TestClock } from "effect/testing"
import { deliver } from "./sqs/EventSource.ts"
import { modelQueue } from "./sqs/modelQueue.ts"
import { Queue } from "./sqs/SqsModel.ts"
import { contextOf } from "./support.ts"

const hour = 3_600_000
const malformedUrl = "https://sqs.eu-central-1.amazonaws.com/123456789012/malformed"

interface World {
  readonly queue: Queue
  readonly dead: Queue
  readonly malformed: Queue
  readonly lines: Array<string>
}

const worldOf = (
  options: {
    readonly name?: string
    readonly maxReceiveCount?: number
    readonly retention?: number
    readonly visibilityTimeout?: number
  } = {}
): World => {
  const dead = new Queue({ name: "dead" })
  return {
    dead,
    malformed: new Queue({ name: "malformed" }),
    lines: [],
    queue: new Queue({
      name: options.name ?? "orders",
      visibilityTimeout: options.visibilityTimeout ?? 120,
      ...(options.retention === undefined ? {} : { retention: options.retention }),
      ...(options.maxReceiveCount === undefined
        ? {}
        : { redrive: { maxReceiveCount: options.maxReceiveCount, to: dead } })
    })
  }
}

type Services = SqsQueue | DeadLetter | LambdaContext

/** What a function gets, with an invocation of so many milliseconds. */
const provided =
  (world: World, millis = 30_000, queue: Layer.Layer<SqsQueue> = modelQueue(world.queue, world.malformed)) =>
  <A, E, R>(effect: Effect.Effect<A, E, R | Services>) => {
    const logger = Logger.make<unknown, void>(({ cause, message }) =>
      void world.lines.push(`${String(message)}: ${Cause.pretty(cause)}`)
    )
    const services = Layer.mergeAll(
      DeadLetter.layer({ queueUrl: malformedUrl }).pipe(Layer.provideMerge(queue)),
      Layer.effect(Invocation, contextOf(millis)),
      Logger.layer([logger])
    )
    return Effect.provide(effect, services) as Effect.Effect<A, E, Exclude<R, Services>>
  }

/** Gives the function a batch. Answers how many messages it was given. */
const run = <E, R>(
  world: World,
  handle: SqsBatch.HandleRecord<E, R>,
  options: SqsBatch.Options = {},
  environment: { readonly millis?: number; readonly queue?: Layer.Layer<SqsQueue> } = {}
) =>
  provided(world, environment.millis, environment.queue)(
    deliver(world.queue, 10, (event) => SqsBatch.process(event, handle, options))
  )

const sendAll = (
  queue: Queue,
  bodies: ReadonlyArray<string>,
  groupOf: (body: string) => string | undefined = () => undefined
) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    for (const body of bodies) {
      const groupId = groupOf(body)
      queue.send({ body, groupId, deduplicationId: groupId === undefined ? undefined : body }, now)
    }
  })

const bodies = ({ all }: Queue) => all.map(({ body }) => body)
const visibleIn = (queue: Queue, now: number) => queue.all.map(({ visibleAt }) => visibleAt - now)

/** Chance that is always the same: nothing is added to a wait. */
const withoutSpread = Effect.provideService(Random.Random, {
  nextDoubleUnsafe: () => 0,
  nextIntUnsafe: () => 0
})

const Breakers = (policy: Policy.Policy = {}) =>
  CircuitBreaker.layer(policy).pipe(Layer.provide(CircuitStore.layerMemory))
const forceOpen = (key: string) => Effect.flatMap(CircuitBreaker, ({ forceOpen }) => forceOpen(key))

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

describe("a message that is sent anew", () => {
  const renew = { maxReceiveCount: 3 }
  const rejected = ({ body }: SQSRecord) => Effect.void.pipe(withBreaker(body))
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
      yield* forceOpen("quotes")
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
      yield* forceOpen("quotes")
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
      yield* forceOpen("quotes")
      yield* worn(world)
      yield* run(world, rejected, { renew })
      assert.deepStrictEqual(visibleIn(world.queue, 120_000), [900_000])
      yield* TestClock.adjust("15 minutes")
      yield* run(world, rejected, { renew })
      assert.deepStrictEqual(visibleIn(world.queue, 1_020_000), [hour])
    }).pipe(withoutSpread, Effect.provide(Breakers({ openDuration: "1 hour" }))))

  it.effect("is kept back instead while it has receives left", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["quotes"])
      yield* forceOpen("quotes")
      yield* run(world, rejected, { renew })
      assert.deepStrictEqual(world.queue.all.map(({ id, receives }) => [id, receives]), [["orders-1", 1]])
    }).pipe(Effect.provide(Breakers())))

  it.effect("is kept back instead, and told of, where it is too old, has too many attributes, or can't be sent", () =>
    Effect.gen(function*() {
      const old = worldOf()
      yield* sendAll(old.queue, ["quotes"])
      yield* forceOpen("quotes")
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
          send: ({ queueUrl }) => Effect.fail(new SqsError({ operation: "send", queueUrl, message: "denied" }))
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
      yield* forceOpen("quotes")
      yield* worn(world)
      yield* run(world, rejected, { renew })
      assert.deepStrictEqual(world.queue.all.map(({ id }) => id), ["orders.fifo-1"])
      assert.deepStrictEqual(world.lines, [])
    }).pipe(Effect.provide(Breakers())))
})

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
      yield* TestClock.adjust("1 minute")
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

describe("a malformed message", () => {
  const Order = Schema.Struct({ id: Schema.String })
  const decode = (record: SQSRecord) => SqsBatch.decodeJson(Order, record)

  it.effect("goes to the dead-letter queue with its reason, and is done", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, [`{"id":"7"}`, "{", `{"id":7}`])
      yield* run(world, decode)
      assert.deepStrictEqual(bodies(world.queue), [])
      assert.deepStrictEqual(bodies(world.malformed), ["{", `{"id":7}`])
      const told = world.malformed.all.map(({ attributes }) => attributes)
      assert.deepStrictEqual(told.map((attributes) => attributes["reclose.messageId"]?.stringValue), [
        "orders-2",
        "orders-3"
      ])
      assert.deepStrictEqual(told.map((attributes) => attributes["reclose.queue"]?.stringValue), [
        world.queue.arn,
        world.queue.arn
      ])
      assert.match(told[1]?.["reclose.reason"]?.stringValue ?? "", /Expected string.*\["id"\]/s)
    }))

  it.effect("stays in its queue if it can't be moved, and is told of", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["{"])
      yield* run(world, decode, {}, { queue: modelQueue(world.queue) })
      assert.deepStrictEqual(bodies(world.queue), ["{"])
      assert.match(world.lines.join(), /orders-1 is malformed.*could not be moved.*there is no queue at/s)
    }))

  it.effect("keeps its attributes as far as there is room, after those that say why", () =>
    Effect.gen(function*() {
      const world = worldOf()
      const attributes = Object.fromEntries(
        Array.from({ length: 10 }, (_, at) => [`a${at}`, { dataType: "String", stringValue: "x" }])
      )
      world.queue.send({ body: "{", attributes }, 0)
      yield* run(world, decode)
      const names = Object.keys(world.malformed.all[0]?.attributes ?? {})
      assert.strictEqual(names.length, 10)
      assert.includeMembers(names, ["reclose.reason", "reclose.messageId", "reclose.queue", "a0", "a6"])
    }))

  it.effect("has a reason that SQS takes, whatever it says", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["a", "b"])
      yield* run(world, ({ body }) =>
        new MalformedMessage({ reason: body === "a" ? "" : `\u0000${"ü".repeat(2_000)}\ud800` }))
      const reasons = world.malformed.all.map(({ attributes }) =>
        attributes["reclose.reason"]?.stringValue
      )
      assert.deepStrictEqual(reasons, ["none", `\ufffd${"ü".repeat(999)}`])
    }))
})

describe("options that can't be", () => {
  const bad: SqsBatch.Options = {
    concurrency: 0,
    deadlineMargin: "1 hour",
    retention: "1 second",
    renew: { maxReceiveCount: 1, maxAge: "1 second" }
  }

  it("are all named at once", () => {
    try {
      SqsBatch.handler(() => Effect.void, bad)
      assert.fail("it took them")
    } catch (error) {
      assert.deepStrictEqual(
        error instanceof InvalidOptions ? error.issues.map(({ field }) => field) : error,
        ["concurrency", "deadlineMargin", "retention", "renew.maxReceiveCount", "renew.maxAge"]
      )
    }
  })

  it.effect("are a defect of a batch", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(provided(worldOf())(SqsBatch.process({ Records: [] }, () => Effect.void, bad)))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
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
