/** The rights that the README asks for are enough, and no more than needed. */
import { assert, describe, layer } from "@effect/vitest"
import { CircuitStore } from "@reclose/core/CircuitStore"
import { RedisClient, RedisStore } from "@reclose/redis"
import { Context, Effect, Layer, Logger, Stream } from "effect"
import { readFileSync } from "node:fs"
import {
  command,
  connect,
  eventually,
  hear,
  heardOf,
  isOf,
  ownPrefix,
  PrivateRedis,
  privateRedis,
  recordOf,
  RedisUrl
} from "./support.ts"

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")

/** The rule of the README, for a prefix of a test's own. */
const ruleFor = (prefix: string): ReadonlyArray<string> => {
  const rule = /^ACL SETUSER .*$/m.exec(readme)?.[0] ?? assert.fail("the README has no rule")
  return rule.replaceAll("reclose:", prefix).split(" ")
}

const signedIn = { username: "reclose", password: "a-long-secret", disableOfflineQueue: true }

/** Does all that a store can do. */
const useAll = Effect.fnUntraced(function*(store: CircuitStore["Service"]) {
  const heard = yield* hear(store)
  yield* store.replace("quotes", undefined, recordOf(1))
  yield* heardOf(heard, isOf("quotes"))
  yield* command("SCRIPT", "FLUSH")
  assert.deepStrictEqual((yield* store.read("quotes")).record, recordOf(1))
  assert.strictEqual((yield* store.replace("quotes", recordOf(1), recordOf(2)))._tag, "Replaced")
  assert.deepStrictEqual([...(yield* Stream.runCollect(store.list("")))], ["quotes"])
})

describe("a user that has the rights which the README lists", privateRedis(), () => {
  layer(PrivateRedis, { excludeTestServices: true })((it) => {
    it.effect.each(["RedisClient", "NodeRedis"])(
      "can do all that a store does, through %s, with nothing denied",
      (client) =>
        Effect.gen(function*() {
          const prefix = yield* ownPrefix
          yield* command(...ruleFor(prefix))
          yield* command("ACL", "LOG", "RESET")
          yield* command("CONFIG", "RESETSTAT")
          const { disableOfflineQueue, ...user } = signedIn
          const store = client === "NodeRedis"
            ? (yield* connect(prefix, { ...user, disableOfflineQueue, disableClientInfo: true, pingInterval: 10 }))
              .store
            : Context.get(
              yield* Layer.build(
                RedisStore.layer({ prefix }).pipe(
                  Layer.provide(RedisClient.layer({ url: yield* RedisUrl, client: user, pingInterval: "10 millis" }))
                )
              ),
              CircuitStore
            )
          yield* useAll(store)
          const statistics = command("INFO", "commandstats")
          yield* eventually(Effect.filterOrFail(statistics, (text) => String(text).includes("cmdstat_ping")))
          assert.deepStrictEqual(yield* command("ACL", "LOG"), [])
        })
    )

    it.effect("can't touch another prefix, and is told so", () =>
      Effect.gen(function*() {
        const prefix = yield* ownPrefix
        yield* command(...ruleFor(prefix))
        const { store } = yield* connect(yield* ownPrefix, signedIn)
        const errors = [
          yield* Effect.flip(store.read("quotes")),
          yield* Effect.flip(store.replace("quotes", undefined, recordOf(1)))
        ]
        for (const error of errors) {
          assert.strictEqual(error.reason, "Denied")
          assert.match(error.message, /rights that the README of @reclose\/redis lists \(NOPERM/)
        }
      }))

    // Of the others, `+eval` is for a cluster, and `+ping` for the client.
    it.effect("needs each of them", () =>
      Effect.gen(function*() {
        const prefix = yield* ownPrefix
        const rights = ruleFor(prefix).filter((word) => word.startsWith("+") && !["+eval", "+ping"].includes(word))
        assert.isAbove(rights.length, 5)
        for (const right of rights) {
          yield* command(...ruleFor(prefix))
          yield* command("ACL", "SETUSER", "reclose", `-${right.slice(1)}`)
          yield* command("SCRIPT", "FLUSH")
          const denied = yield* Effect.scoped(Effect.gen(function*() {
            const { store } = yield* connect(prefix, signedIn)
            const heard = yield* hear(store)
            const next = yield* Effect.flatMap(store.read("quotes"), ({ record }) =>
              store.replace("quotes", record, recordOf((record?.version ?? 0) + 1)))
            yield* heardOf(heard, isOf("quotes"))
            yield* Stream.runDrain(store.list(""))
            return next
          })).pipe(Effect.timeout("2 seconds"), Effect.exit, Effect.provide(Logger.layer([])))
          assert.strictEqual(denied._tag, "Failure", right)
        }
      }), 30_000)

    it.effect("loses nothing when its right to the channel is taken: what is denied was not written", () =>
      Effect.gen(function*() {
        const prefix = yield* ownPrefix
        yield* command(...ruleFor(prefix))
        yield* command("ACL", "SETUSER", "reclose", "resetchannels")
        const { store } = yield* connect(prefix, signedIn)
        const error = yield* Effect.flip(store.replace("quotes", undefined, recordOf(1)))
        assert.strictEqual(error.reason, "Denied")
        assert.strictEqual((yield* store.read("quotes")).record, undefined)
      }))

    it.effect("is refused without its password", () =>
      Effect.gen(function*() {
        const prefix = yield* ownPrefix
        const operator = yield* connect(prefix)
        yield* Effect.acquireRelease(
          operator.redis.send("CONFIG", "SET", "requirepass", "a-long-secret"),
          () => Effect.orDie(operator.redis.send("CONFIG", "SET", "requirepass", ""))
        )
        // With the older protocol, which asks for nothing as it connects.
        const late = yield* connect(prefix, { RESP: 2 })
        const error = yield* Effect.flip(late.store.read("quotes"))
        assert.strictEqual(error.reason, "Denied")
        assert.match(error.message, /check its password.*NOAUTH/)
        const { store } = yield* connect(prefix, { password: "a-long-secret" })
        assert.strictEqual((yield* store.read("quotes")).record, undefined)
      }))
  })
})
