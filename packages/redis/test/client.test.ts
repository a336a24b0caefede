/** A client that starts without Redis, follows a failover and closes in time. */
import { assert, describe, it as test, layer } from "@effect/vitest"
import { CircuitBreaker, TripRule } from "@reclose/core"
import { CircuitStore } from "@reclose/core/CircuitStore"
import { PolicyError } from "@reclose/core/PolicyError"
import { RedisClient, RedisStore } from "@reclose/redis"
import { Context, Effect, Exit, Fiber, Layer, Logger, Queue, Scope } from "effect"
import { Redis } from "effect/persistence"
import {
  command,
  eventually,
  hear,
  heardOf,
  isMissed,
  isOf,
  makeSwitch,
  ownPrefix,
  PrivateRedis,
  privateRedis,
  recordOf,
  RedisServer,
  RedisUrl
} from "./support.ts"

const quick = { maxReconnectDelay: "100 millis", pingInterval: "200 millis", pingTimeout: "500 millis" } as const

const clientLayer = (options: RedisClient.Options) => RedisClient.layer({ ...quick, ...options })

/** What one process holds: a client and a store on it. */
const connect = Effect.fnUntraced(function*(prefix: string, options?: RedisClient.Options) {
  const url = yield* RedisUrl
  const client = clientLayer({ url, ...options })
  const context = yield* Layer.build(Layer.provideMerge(RedisStore.layer({ prefix }), client))
  return { store: Context.get(context, CircuitStore), redis: Context.get(context, Redis.Redis) }
})

const breakerOn = Effect.fnUntraced(function*(prefix: string, options?: RedisClient.Options) {
  const { store } = yield* connect(prefix, options)
  const context = yield* Layer.build(
    CircuitBreaker.layer({ tripRule: TripRule.consecutive(1), flushEvery: "100 millis" }).pipe(
      Layer.provide(Layer.succeed(CircuitStore, store))
    )
  )
  return Context.get(context, CircuitBreaker)
})

/** Collects what is logged. */
const logInto = (lines: Array<string>) =>
  Logger.layer([Logger.make(({ logLevel, message }) => lines.push(`${logLevel} ${String(message)}`))])

const isQuiet = Effect.provide(Logger.layer([]))

const connections = Effect.map(command("CLIENT", "LIST"), (list) => String(list).trim().split("\n").length)

/** Fails the test for an effect that takes this long, which is far longer than it may. */
const bounded = Effect.timeout("10 seconds")

describe("a client of Redis", privateRedis(), () => {
  layer(PrivateRedis, { excludeTestServices: true })((it) => {
    it.effect("starts without Redis, says so, runs calls unshared, and shares circuits once Redis is there", () => {
      const lines: Array<string> = []
      return Effect.gen(function*() {
        const server = yield* RedisServer
        const prefix = yield* ownPrefix
        yield* server.kill
        const [here, there] = [yield* breakerOn(prefix), yield* breakerOn(prefix)]
        assert.strictEqual(yield* Effect.succeed("42").pipe(here.withBreaker("quotes")), "42")
        assert.strictEqual(yield* Effect.succeed("42").pipe(there.withBreaker("quotes")), "42")
        const [, address = ""] = /redis:\/\/(.*)/.exec(server.url) ?? []
        assert.match(
          lines[0] ?? "",
          new RegExp(
            `Warn Redis at ${address} is not connected \\(.*ECONNREFUSED.*commands fail at once; the next attempts`
          )
        )
        // Nothing is said twice: about a subscription, or about each attempt.
        yield* Effect.sleep("1 second")
        assert.strictEqual(lines.filter((line) => line.startsWith("Warn")).length, 2)
        yield* server.restart
        yield* Effect.exit(Effect.fail("down").pipe(here.withBreaker("quotes")))
        yield* eventually(Effect.filterOrFail(there.state("quotes"), ({ phase }) => phase === "Open"))
        assert.isTrue(lines.some((line) => line === `Info Redis at ${address} is connected`))
      }).pipe(Effect.provide(logInto(lines)))
    }, 30_000)

    it.effect(
      "starts while Redis hangs, after startTimeout, and works once Redis answers",
      () =>
        Effect.gen(function*() {
          const server = yield* RedisServer
          yield* Effect.acquireRelease(server.pause, () => server.resume)
          const { store } = yield* bounded(connect(yield* ownPrefix, { startTimeout: "200 millis" }))
          yield* server.resume
          yield* eventually(store.replace("quotes", undefined, recordOf(1)))
        }).pipe(isQuiet),
      30_000
    )

    it.effect(
      "fails at once while Redis is away, and names the host, the reason and what follows",
      () =>
        Effect.gen(function*() {
          const server = yield* RedisServer
          const { store } = yield* connect(yield* ownPrefix)
          yield* store.read("quotes")
          yield* server.kill
          yield* eventually(Effect.flip(store.read("quotes")))
          const error = yield* eventually(
            Effect.filterOrFail(Effect.flip(store.read("quotes")), ({ message }) => message.includes("not connected"))
          )
          assert.strictEqual(error.reason, "Unavailable")
          assert.match(error.message, /Redis at 127\.0\.0\.1:\d+ is not connected \(.+\).*100ms apart at most/)
          yield* server.restart
          yield* eventually(store.replace("quotes", undefined, recordOf(1)))
        }).pipe(isQuiet),
      30_000
    )

    it.effect("logs an outage once, however often it tries to connect meanwhile", () => {
      const lines: Array<string> = []
      return Effect.gen(function*() {
        const server = yield* RedisServer
        const { store } = yield* connect(yield* ownPrefix)
        yield* server.kill
        yield* Effect.sleep("1 second")
        yield* server.restart
        yield* eventually(store.read("quotes"))
        // The socket was closed, and then nothing listened.
        assert.isAtMost(lines.filter((line) => line.includes("is not connected")).length, 2)
        assert.strictEqual(lines.filter((line) => line.endsWith("is connected")).length, 1)
      }).pipe(Effect.provide(logInto(lines)))
    }, 30_000)

    it.effect(
      "leaves a primary that was demoted, and writes to the one that its address leads to now",
      () =>
        Effect.gen(function*() {
          const old = yield* RedisServer
          const promoted = Context.get(yield* Layer.build(Layer.fresh(RedisServer.layer)), RedisServer)
          const address = yield* makeSwitch(old.url)
          const prefix = yield* ownPrefix
          const { store } = yield* connect(prefix, { url: address.url })
          const heard = yield* hear(store)
          yield* store.replace("quotes", undefined, recordOf(1))
          yield* heardOf(heard, isOf("quotes"))
          // Open connections stay with the old one, as those through a load balancer or to a fixed address do.
          yield* address.leadTo(promoted.url)
          yield* Effect.acquireRelease(
            command("REPLICAOF", "127.0.0.1", new URL(promoted.url).port),
            () => command("REPLICAOF", "NO", "ONE")
          )
          const error = yield* Effect.flip(store.replace("other", undefined, recordOf(1)))
          assert.match(error.message, /READONLY/)
          yield* eventually(store.replace("other", undefined, recordOf(1)))
          const onPromoted = Effect.provideService(command("EXISTS", `${prefix}other`), RedisUrl, promoted.url)
          assert.strictEqual(yield* onPromoted, 1)
          // The subscription has moved along.
          yield* heardOf(heard, isMissed)
          yield* store.replace("third", undefined, recordOf(1))
          yield* heardOf(heard, isOf("third"))
        }).pipe(isQuiet),
      30_000
    )

    it.effect(
      "replaces a connection that is dead without a word, while commands are still sent on it",
      () =>
        Effect.gen(function*() {
          const server = yield* RedisServer
          const address = yield* makeSwitch(server.url)
          const { store } = yield* connect(yield* ownPrefix, { url: address.url })
          yield* store.read("quotes")
          yield* address.swallow
          yield* Effect.forkScoped(Effect.forever(Effect.delay(Effect.exit(store.read("quotes")), "50 millis")))
          yield* Effect.forkScoped(
            Effect.forever(Effect.delay(Effect.forkScoped(Effect.exit(store.read("quotes"))), "50 millis"))
          )
          yield* bounded(eventually(store.read("quotes").pipe(Effect.timeout("200 millis"))))
        }).pipe(isQuiet),
      30_000
    )

    it.effect("closes in time with commands that Redis never answers", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer
        const scope = yield* Scope.make()
        const { store } = yield* Scope.provide(
          connect(yield* ownPrefix, { pingInterval: "1 hour", closeTimeout: "100 millis" }),
          scope
        )
        yield* store.read("quotes")
        yield* Scope.provide(hear(store), scope)
        yield* Effect.acquireRelease(server.pause, () => server.resume)
        const reading = yield* Effect.forkChild(Effect.flip(store.read("quotes")), { startImmediately: true })
        yield* bounded(Scope.close(scope, Exit.void))
        assert.strictEqual((yield* bounded(Fiber.join(reading))).reason, "Unavailable")
      }).pipe(isQuiet), 30_000)

    it.effect("closes in time while it connects into a black hole", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer
        const scope = yield* Scope.make()
        const { store } = yield* Scope.provide(connect(yield* ownPrefix, { connectTimeout: "1 minute" }), scope)
        yield* store.read("quotes")
        yield* Scope.provide(hear(store), scope)
        yield* Effect.acquireRelease(server.pause, () => server.resume)
        // Its connections are dead now, and new ones connect to a socket that nobody answers.
        yield* eventually(
          Effect.filterOrFail(Effect.flip(store.read("quotes")), ({ message }) => message.includes("not connected"))
        )
        yield* bounded(Scope.close(scope, Exit.void))
      }).pipe(isQuiet), 30_000)

    it.effect("leaves no connection behind, reserved ones and subscriptions included", () =>
      Effect.gen(function*() {
        const before = yield* eventually(Effect.filterOrFail(connections, (count) => count === 1))
        const scope = yield* Scope.make()
        const { redis, store } = yield* Scope.provide(connect(yield* ownPrefix), scope)
        yield* Scope.provide(hear(store), scope)
        const reserved = yield* Scope.provide(redis.reserve, scope)
        assert.strictEqual(yield* reserved.send("PING"), "PONG")
        assert.strictEqual(yield* connections, before + 3)
        yield* Scope.close(scope, Exit.void)
        yield* eventually(Effect.filterOrFail(connections, (count) => count === before))
      }))

    it.effect.each([2, 3] as const)(
      "watches its connections in version %i of the protocol, subscriptions included",
      (RESP) =>
        Effect.gen(function*() {
          const { store } = yield* connect(yield* ownPrefix, {
            client: { RESP },
            pingInterval: "20 millis",
            pingTimeout: "1 second"
          })
          const heard = yield* hear(store)
          const pings = Effect.map(
            command("INFO", "commandstats"),
            (info) => Number(/cmdstat_ping:calls=(\d+)/.exec(String(info))?.[1] ?? 0)
          )
          const before = yield* pings
          yield* eventually(Effect.filterOrFail(pings, (count) => count > before + 20))
          yield* store.replace("quotes", undefined, recordOf(1))
          // What comes first is the change: no connection was lost meanwhile.
          assert.deepStrictEqual(yield* Queue.take(heard), {
            _tag: "Changed",
            key: "quotes",
            version: 1,
            generation: 0
          })
        })
    )

    it.effect("connects under a name and a password in the URL, and to a database", () =>
      Effect.gen(function*() {
        const { host } = new URL(yield* RedisUrl)
        yield* command("ACL", "SETUSER", "a:b", "on", ">p@ss/word", "+@all", "~*", "&*")
        const url = `redis://${encodeURIComponent("a:b")}:${encodeURIComponent("p@ss/word")}@${host}/3`
        const { redis } = yield* connect(yield* ownPrefix, { url })
        assert.strictEqual(yield* redis.send("ACL", "WHOAMI"), "a:b")
        assert.match(String(yield* redis.send("CLIENT", "INFO")), / db=3 /)
      }))

    it.effect("takes a % in a password that was not encoded for itself", () =>
      Effect.gen(function*() {
        const { host } = new URL(yield* RedisUrl)
        yield* command("ACL", "SETUSER", "percent", "on", ">100%secret", "+@all", "~*", "&*")
        const { redis } = yield* connect(yield* ownPrefix, { url: `redis://percent:100%secret@${host}` })
        assert.strictEqual(yield* redis.send("ACL", "WHOAMI"), "percent")
      }))

    it.effect("never shows its password, and says so when Redis refuses it", () => {
      const lines: Array<string> = []
      return Effect.gen(function*() {
        const { host } = new URL(yield* RedisUrl)
        const { store } = yield* connect(yield* ownPrefix, { url: `redis://stranger:a-secret@${host}` })
        const error = yield* Effect.flip(store.read("quotes"))
        assert.strictEqual(error.reason, "Denied")
        assert.notInclude(lines.join() + error.message, "a-secret")
      }).pipe(Effect.provide(logInto(lines)))
    })
  })
})

test.effect.each([
  [{ url: "localhost:6379" }, ["url"]],
  [{ url: "http://user:secret@localhost" }, ["url"]],
  [{ url: "redis://localhost/orders" }, ["url"]],
  [{ url: "redis://" }, ["url"]],
  [{ maxCommands: 0 }, ["maxCommands"]],
  [{ maxCommands: 1.5, pingTimeout: "2 minutes" }, ["pingTimeout", "maxCommands"]],
  [{ connectTimeout: "0 millis", maxReconnectDelay: "1 millis" }, ["connectTimeout", "maxReconnectDelay"]],
  [{ closeTimeout: "2 minutes", startTimeout: "2 minutes", pingInterval: "2 hours" }, [
    "startTimeout",
    "pingInterval",
    "closeTimeout"
  ]]
] as ReadonlyArray<readonly [RedisClient.Options, ReadonlyArray<string>]>)(
  "a client is refused with each option that can't be used named: %j",
  ([options, fields]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(RedisClient.layer(options)))
      assert.instanceOf(error, PolicyError)
      assert.sameMembers(error.issues.map(({ field }) => field), [...fields])
      assert.notInclude(error.message, "secret")
    })
)
