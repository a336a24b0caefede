/** What a store tells of written keys, and that it says so when something may have been missed. */
import { assert, describe, it, layer } from "@effect/vitest"
import { type Change, CircuitStore } from "@reclose/core/CircuitStore"
import { RedisStore } from "@reclose/redis"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Logger, Queue, Scope, Stream } from "effect"
import { Redis } from "effect/persistence"
import { TestClock } from "effect/testing"
import {
  command,
  connect,
  eventually,
  fakeRedis,
  hear,
  heardOf,
  isMissed,
  isOf,
  listenTo,
  ownPrefix,
  PrivateRedis,
  privateRedis,
  recordOf,
  RedisServer
} from "./support.ts"

/** How many connections are subscribed to something. */
const subscriptions = Effect.map(
  command("CLIENT", "LIST", "TYPE", "pubsub"),
  (list) => String(list).split("\n").filter((line) => line !== "").length
)

/** A client that gives up when its connection is lost, instead of connecting again by itself. */
const givingUp = { socket: { reconnectStrategy: false } } as const

describe("the changes of a store in Redis", privateRedis(), () => {
  layer(PrivateRedis, { excludeTestServices: true })((it) => {
    it.effect("tell every process of a written key, with its version and generation", () =>
      Effect.gen(function*() {
        const prefix = yield* ownPrefix
        const [one, two, elsewhere] = [
          yield* connect(prefix),
          yield* connect(prefix),
          yield* connect(yield* ownPrefix)
        ]
        const heard = [yield* hear(one.store), yield* hear(two.store)]
        yield* elsewhere.store.replace("elsewhere", undefined, recordOf(1))
        for (const key of ["quotes", "12 a {b} 🚀", "1 2 3"]) {
          yield* one.store.replace(key, undefined, recordOf(7, { generation: 3 }))
          for (const queue of heard) {
            const change: Change = { _tag: "Changed", key, version: 7, generation: 3 }
            assert.deepStrictEqual(yield* Queue.take(queue), change)
          }
        }
      }))

    it.effect("tell nothing of who came too late", () =>
      Effect.gen(function*() {
        const { store } = yield* connect(yield* ownPrefix)
        const heard = yield* hear(store)
        yield* store.replace("quotes", undefined, recordOf(1))
        yield* store.replace("quotes", undefined, recordOf(2))
        yield* store.replace("other", undefined, recordOf(3))
        const versions = [yield* Queue.take(heard), yield* Queue.take(heard)].map((change) =>
          change._tag === "Changed" && change.version
        )
        assert.deepStrictEqual(versions, [1, 3])
      }))

    it.effect("say Missed of a message that is none of ours", () =>
      Effect.gen(function*() {
        const prefix = yield* ownPrefix
        const { store } = yield* connect(prefix)
        const heard = yield* hear(store)
        yield* command("PUBLISH", `${prefix}changes`, "a message of another format")
        assert.deepStrictEqual(yield* Queue.take(heard), { _tag: "Missed" })
      }))

    it.effect("go on when Redis was restarted under a client that connects again by itself", () =>
      Effect.gen(function*() {
        const { store } = yield* connect(yield* ownPrefix)
        const server = yield* RedisServer
        const heard = yield* hear(store)
        yield* server.kill
        yield* server.restart
        yield* eventually(Effect.filterOrFail(subscriptions, (count) => count === 1))
        yield* store.replace("quotes", undefined, recordOf(1))
        yield* heardOf(heard, isOf("quotes"))
      }))

    it.effect(
      "say Missed and go on when Redis was restarted under a client that gives up",
      () =>
        Effect.gen(function*() {
          const prefix = yield* ownPrefix
          const [listener, writer] = [yield* connect(prefix, givingUp), yield* connect(prefix)]
          const server = yield* RedisServer
          const heard = yield* hear(listener.store)
          yield* server.kill
          yield* server.restart
          yield* heardOf(heard, isMissed)
          yield* writer.store.replace("quotes", undefined, recordOf(1))
          yield* heardOf(heard, isOf("quotes"))
        }).pipe(Effect.provide(Logger.layer([]))),
      15_000
    )

    it.effect("begin as soon as they can, where Redis is down at first", () =>
      Effect.gen(function*() {
        const { store } = yield* connect(yield* ownPrefix)
        const server = yield* RedisServer
        yield* server.kill
        const heard = yield* listenTo(store)
        yield* server.restart
        yield* heardOf(heard, isMissed)
        yield* eventually(store.replace("quotes", undefined, recordOf(1)))
        yield* heardOf(heard, isOf("quotes"))
      }).pipe(Effect.provide(Logger.layer([]))), 15_000)

    it.effect("end with whoever hears them, and leave no connection", () =>
      Effect.gen(function*() {
        const { store } = yield* connect(yield* ownPrefix)
        const scope = yield* Scope.make()
        yield* Scope.provide(hear(store), scope)
        assert.strictEqual(yield* subscriptions, 1)
        yield* Scope.close(scope, Exit.void)
        yield* eventually(Effect.filterOrFail(subscriptions, (count) => count === 0))
      }))

    it.effect("can be let go of while the client connects to a Redis that hangs", () =>
      Effect.gen(function*() {
        const { store } = yield* connect(yield* ownPrefix)
        const server = yield* RedisServer
        yield* Effect.acquireRelease(server.pause, () => server.resume)
        const hearing = yield* Effect.forkChild(Stream.runDrain(store.changes ?? Stream.empty))
        yield* Effect.sleep("100 millis")
        yield* Fiber.interrupt(hearing)
        yield* server.resume
        yield* eventually(Effect.filterOrFail(subscriptions, (count) => count === 0))
        assert.strictEqual((yield* store.read("quotes")).record, undefined)
      }))
  })
})

type Subscribe = Redis.Redis["Service"]["subscribe"]

/** The changes that a store tells of, where subscribing does this. */
const hearing = (subscribe: Subscribe) =>
  Effect.gen(function*() {
    const Store = Layer.provide(RedisStore.layer(), fakeRedis(() => Effect.die("was asked"), subscribe))
    return yield* listenTo(yield* Effect.provide(CircuitStore, Store))
  })

const broken = new Redis.RedisError({ cause: new Error("NOPERM this user has no permissions to run 'subscribe'") })

const failed = Effect.gen(function*() {
  const queue = yield* Queue.unbounded<Redis.RedisMessage, Redis.RedisError>()
  yield* Queue.fail(queue, broken)
  return queue
})

describe("a subscription", () => {
  it.effect("says Missed when it stands, and every 30 seconds", () =>
    Effect.gen(function*() {
      const heard = yield* hearing(() => Queue.unbounded())
      yield* heardOf(heard, isMissed)
      for (let i = 0; i < 3; i++) {
        yield* TestClock.adjust("29 seconds")
        assert.strictEqual(yield* Queue.size(heard), 0)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* Queue.takeAll(heard), [{ _tag: "Missed" }])
      }
    }))

  it.effect.each([
    "",
    "quotes",
    "1 quotes",
    "x 1 quotes",
    "1 1 ",
    "12345678901234567 1 quotes",
    "9007199254740992 1 quotes",
    "1 9007199254740992 quotes"
  ])("says Missed of a message that it does not understand: %j", (message) =>
    Effect.gen(function*() {
      const messages = yield* Queue.unbounded<Redis.RedisMessage>()
      const heard = yield* hearing(() => Effect.succeed(messages))
      yield* heardOf(heard, isMissed)
      yield* Queue.offer(messages, { channel: "reclose:changes", message })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* Queue.takeAll(heard), [{ _tag: "Missed" }])
    }))

  it.effect("says Missed once in 5 seconds, however many messages it does not understand", () =>
    Effect.gen(function*() {
      const messages = yield* Queue.unbounded<Redis.RedisMessage>()
      const heard = yield* hearing(() => Effect.succeed(messages))
      yield* heardOf(heard, isMissed)
      const foreign = { channel: "reclose:changes", message: "a message of another format" }
      for (let i = 0; i < 100; i++) {
        yield* Queue.offerAll(messages, [foreign, foreign])
        yield* TestClock.adjust("100 millis")
      }
      // At once, after 5 seconds, and after 10 for the messages of the last 5.
      assert.strictEqual((yield* Queue.takeAll(heard)).length, 3)
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(yield* Queue.size(heard), 0)
      const known = { channel: "reclose:changes", message: "1 0 quotes" }
      yield* Queue.offerAll(messages, [foreign, known])
      yield* TestClock.adjust(0)
      assert.sameDeepMembers(yield* Queue.takeAll(heard), [
        { _tag: "Missed" },
        { _tag: "Changed", key: "quotes", version: 1, generation: 0 }
      ])
    }))

  it.effect("that can't be had is asked for again, later and later, and each time is logged with what to do", () =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      let attempts = 0
      const Log = Logger.layer([
        Logger.make(({ cause, message }) => logged.push(`${String(message)} ${Cause.pretty(cause)}`))
      ])
      const heard = yield* Effect.provide(
        hearing(() => Effect.suspend(() => (attempts++, failed))),
        Log
      )
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(attempts > 3 && attempts < 7, String(attempts))
      const before = attempts
      yield* TestClock.adjust("10 minutes")
      assert.isTrue(attempts - before >= 50 && attempts - before <= 76, String(attempts - before))
      assert.strictEqual(logged.length, attempts)
      assert.match(logged[0] ?? "", /reclose:changes failed.*every 30 seconds.*Redis refuses this user/s)
      assert.strictEqual(yield* Queue.size(heard), 20)
    }))

  it.effect("that ends is made again soon, in whatever way it ended", () =>
    Effect.gen(function*() {
      const made: Array<Queue.Queue<Redis.RedisMessage, Redis.RedisError>> = []
      const heard = yield* Effect.provide(
        hearing(() => Effect.tap(Queue.unbounded(), (queue) => Effect.sync(() => made.push(queue)))),
        Logger.layer([])
      )
      const ends = [
        (queue: (typeof made)[number]) => Queue.fail(queue, broken),
        (queue: (typeof made)[number]) => Queue.shutdown(queue),
        (queue: (typeof made)[number]) => Queue.failCause(queue, Cause.die("a bug"))
      ]
      for (const end of ends) {
        yield* heardOf(heard, isMissed)
        const queue = made.at(-1)
        if (queue === undefined) return assert.fail("nobody subscribed")
        yield* Queue.offer(queue, { channel: "reclose:changes", message: "1 0 quotes" })
        yield* heardOf(heard, isOf("quotes"))
        yield* end(queue)
        yield* TestClock.adjust("1 second")
      }
      yield* heardOf(heard, isMissed)
      assert.strictEqual(made.length, 4)
    }))

  it.effect("is asked for again, in whatever way it could not be had", () =>
    Effect.gen(function*() {
      const unavailable: ReadonlyArray<Effect.Effect<Queue.Queue<Redis.RedisMessage, Redis.RedisError>>> = [
        Effect.die("a bug"),
        Effect.interrupt,
        Effect.tap(Queue.unbounded<Redis.RedisMessage, Redis.RedisError>(), Queue.shutdown),
        failed
      ]
      let attempts = 0
      const heard = yield* Effect.provide(
        hearing(() => Effect.suspend(() => unavailable[attempts++] ?? Queue.unbounded())),
        Logger.layer([])
      )
      yield* TestClock.adjust("20 seconds")
      yield* heardOf(heard, isMissed)
      assert.strictEqual(attempts, 5)
    }))

  it.effect("that is faster than who hears it drops the oldest, and says Missed", () =>
    Effect.gen(function*() {
      const messages = yield* Queue.unbounded<Redis.RedisMessage>()
      const gate = yield* Deferred.make<void>()
      const Store = Layer.provide(
        RedisStore.layer(),
        fakeRedis(() => Effect.die("was asked"), () => Effect.succeed(messages))
      )
      const store = yield* Effect.provide(CircuitStore, Store)
      const heard: Array<Change> = []
      yield* Effect.forkScoped(
        Stream.runForEach(store.changes ?? Stream.empty, (change) =>
          Effect.andThen(Deferred.await(gate), Effect.sync(() => heard.push(change))))
      )
      const all = Array.from({ length: 10_000 }, (_, i) => ({ channel: "reclose:changes", message: `${i} 0 quotes` }))
      yield* TestClock.adjust("1 second")
      yield* Queue.offerAll(messages, all)
      yield* TestClock.adjust("1 second")
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust("1 second")
      assert.isBelow(heard.length, 3_000)
      assert.isTrue(isMissed(heard.at(-1) ?? { _tag: "Missed" }))
      assert.isAbove(heard.filter(isMissed).length, 1)
    }))
})
