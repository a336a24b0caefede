/** A store whose Redis restarts, hangs, forgets its scripts or is gone. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import {
  command,
  connect,
  eventually,
  ownPrefix,
  PrivateRedis,
  privateRedis,
  recordOf,
  RedisServer
} from "./support.ts"

const bounded = Effect.timeout("200 millis")

/** How often each command was run since the count began. */
const counts = Effect.map(command("INFO", "commandstats"), (info) =>
  Object.fromEntries(
    Array.from(String(info).matchAll(/cmdstat_(\S+?):calls=(\d+)/g), ([, name, calls]) => [name, Number(calls)])
  ))

describe("a store in a Redis that is not always there", privateRedis(), () => {
  layer(PrivateRedis, { excludeTestServices: true })((it) => {
    it.effect("sends one command for each operation", () =>
      Effect.gen(function*() {
        const { store } = yield* connect(yield* ownPrefix)
        yield* store.read("quotes")
        yield* store.replace("quotes", undefined, recordOf(1))
        yield* command("CONFIG", "RESETSTAT")
        for (let version = 1; version <= 10; version++) {
          yield* store.read("quotes")
          yield* store.replace("quotes", recordOf(version), recordOf(version + 1))
        }
        const { evalsha, get, publish, set, time, ...others } = yield* counts
        assert.deepStrictEqual({ evalsha, get, publish, set, time }, {
          evalsha: 20,
          get: 20,
          publish: 10,
          set: 10,
          time: 20
        })
        const own = Object.keys(others).filter((name) => !/^(?:hello|client\||config\||info)/.test(name))
        assert.deepStrictEqual(own, [])
      }))

    it.effect("goes on when Redis has forgotten its scripts", () =>
      Effect.gen(function*() {
        const { store } = yield* connect(yield* ownPrefix)
        for (const version of [1, 2, 3]) {
          yield* command("SCRIPT", "FLUSH")
          const answer = yield* store.replace(
            "quotes",
            version === 1 ? undefined : recordOf(version - 1),
            recordOf(version)
          )
          assert.strictEqual(answer._tag, "Replaced")
          yield* command("SCRIPT", "FLUSH")
          assert.deepStrictEqual((yield* store.read("quotes")).record, recordOf(version))
        }
      }))

    it.effect("goes on, with nothing held, when Redis was restarted", () =>
      Effect.gen(function*() {
        const { store } = yield* connect(yield* ownPrefix)
        const server = yield* RedisServer
        yield* store.replace("quotes", undefined, recordOf(1))
        yield* server.kill
        yield* server.restart
        yield* eventually(Effect.filterOrFail(store.read("quotes"), ({ record }) => record === undefined))
        const answer = yield* store.replace("quotes", recordOf(1), recordOf(2))
        assert.strictEqual(answer._tag, "Conflict")
        assert.strictEqual((yield* store.replace("quotes", undefined, recordOf(2)))._tag, "Replaced")
      }))

    it.effect("fails at once while Redis is down, with a client that queues nothing, and goes on later", () =>
      Effect.gen(function*() {
        const { store } = yield* connect(yield* ownPrefix, { disableOfflineQueue: true })
        const server = yield* RedisServer
        yield* store.read("quotes")
        yield* server.kill
        const error = yield* Effect.flip(store.read("quotes"))
        assert.strictEqual(error._tag, "CircuitStoreError")
        assert.strictEqual(error.reason, "Unavailable")
        assert.match(error.message, /could not be reached/)
        yield* server.restart
        yield* eventually(store.replace("quotes", undefined, recordOf(1)))
      }))

    it.effect("lets go of an operation at once when a caller does, while Redis hangs, and goes on later", () =>
      Effect.gen(function*() {
        const server = yield* RedisServer
        for (const warm of [false, true]) {
          const { store } = yield* connect(yield* ownPrefix)
          if (warm) {
            yield* store.replace("quotes", undefined, recordOf(1))
            yield* store.read("quotes")
          }
          yield* Effect.acquireRelease(server.pause, () => server.resume)
          const ends = yield* Effect.all([
            Effect.exit(bounded(store.read("quotes"))),
            Effect.exit(bounded(store.replace("other", undefined, recordOf(1)))),
            Effect.exit(bounded(store.read("third")))
          ], { concurrency: "unbounded" })
          assert.deepStrictEqual(ends.map((end) => end._tag), ["Failure", "Failure", "Failure"])
          const hanging = yield* Effect.forkChild(store.read("quotes"), { startImmediately: true })
          yield* Fiber.interrupt(hanging)
          yield* server.resume
          assert.strictEqual((yield* store.read("quotes")).record?.version, warm ? 1 : undefined)
          // What was let go may be done all the same: compare and set makes either right.
          const other = (yield* store.read("other")).record
          assert.strictEqual(
            (yield* store.replace("other", other, recordOf((other?.version ?? 0) + 1)))._tag,
            "Replaced"
          )
        }
      }))

    it.effect(
      "notices a connection that is dead without a word, with a client that the README sets up",
      () =>
        Effect.gen(function*() {
          const { store } = yield* connect(yield* ownPrefix, {
            disableOfflineQueue: true,
            pingInterval: 100,
            socket: { socketTimeout: 1_000, reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 2_000) }
          })
          const server = yield* RedisServer
          yield* store.read("quotes")
          yield* Effect.acquireRelease(server.pause, () => server.resume)
          assert.strictEqual((yield* Effect.flip(store.read("quotes"))).reason, "Timeout")
          assert.strictEqual((yield* Effect.flip(store.read("quotes"))).reason, "Unavailable")
          yield* server.resume
          yield* eventually(store.read("quotes"))
        }),
      15_000
    )

    it.effect("lets others have their script when the first to ask for it lets go", () =>
      Effect.gen(function*() {
        const { store } = yield* connect(yield* ownPrefix)
        const server = yield* RedisServer
        yield* Effect.acquireRelease(server.pause, () => server.resume)
        const first = yield* Effect.forkChild(store.read("quotes"), { startImmediately: true })
        const second = yield* Effect.forkChild(store.read("quotes"), { startImmediately: true })
        yield* Fiber.interrupt(first)
        yield* server.resume
        assert.strictEqual((yield* Fiber.join(second)).record, undefined)
      }))

    it.effect("leaves no connection behind", () =>
      Effect.gen(function*() {
        const connections = Effect.map(command("CLIENT", "LIST"), (list) => String(list).trim().split("\n").length)
        const before = yield* eventually(Effect.filterOrFail(connections, (count) => count === 1))
        const scope = yield* Scope.make()
        const prefix = yield* ownPrefix
        const { store } = yield* Scope.provide(connect(prefix), scope)
        yield* store.read("quotes")
        assert.isAbove(yield* connections, before)
        yield* Scope.close(scope, Exit.void)
        yield* eventually(Effect.filterOrFail(connections, (count) => count === before))
      }))
  })
})
