/** A Redis Cluster of six servers, of which a primary is killed and slots move. */
import { assert, describe, it as test, layer } from "@effect/vitest"
import { CircuitBreaker, TripRule } from "@reclose/core"
import { CircuitStore } from "@reclose/core/CircuitStore"
import { RedisClient, RedisStore } from "@reclose/redis"
import { Context, Effect, Exit, Fiber, Layer, Logger, Schedule, Stream } from "effect"
import { Redis } from "effect/persistence"
import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import { slotOf } from "../src/internal/slots.ts"
import { type ClusterNode, RedisCluster, startNode } from "./cluster.ts"
import { eventually, hear, heardOf, isOf, privateRedis, recordOf } from "./support.ts"

/** A prefix that no other test has. */
const ownPrefix = Effect.sync(() => `reclose-test-${randomUUID()}:`)

const isQuiet = Effect.provide(Logger.layer([]))

const urlOf = ({ port }: ClusterNode) => `redis://127.0.0.1:${port}`

const connect = Effect.fnUntraced(function*(prefix: string, options: Partial<RedisClient.ClusterOptions> = {}) {
  const { nodes: [first, ...others] } = yield* RedisCluster
  if (first === undefined) return assert.fail("there are six")
  const client = RedisClient.layerCluster({
    urls: [urlOf(first), ...others.map(urlOf)],
    maxReconnectDelay: "500 millis",
    pingInterval: "500 millis",
    pingTimeout: "1 second",
    ...options
  })
  const context = yield* Layer.build(Layer.provideMerge(RedisStore.layer({ prefix }), client))
  return { store: Context.get(context, CircuitStore), redis: Context.get(context, Redis.Redis) }
})

const breakerOn = Effect.fnUntraced(function*(prefix: string) {
  const { store } = yield* connect(prefix)
  const context = yield* Layer.build(
    CircuitBreaker.layer({ tripRule: TripRule.consecutive(1), flushEvery: "200 millis" }).pipe(
      Layer.provide(Layer.succeed(CircuitStore, store))
    )
  )
  return Context.get(context, CircuitBreaker)
})

/** Returns the primary that serves a key at first, and another one. */
const primariesOf = Effect.fnUntraced(function*(key: string) {
  const { primaries } = yield* RedisCluster
  const slot = slotOf(key)
  const own = primaries[slot < 5_461 ? 0 : slot < 10_923 ? 1 : 2]
  const other = primaries[slot < 5_461 ? 1 : 0]
  if (own === undefined || other === undefined) return assert.fail("there are three")
  return { own, other, slot: `${slot}` }
})

/** Returns a key that one of the three primaries serves at first. */
const keyIn = (prefix: string, part: 0 | 1 | 2): string => {
  const bounds = [0, 5_461, 10_923, 16_384]
  const isIn = (key: string) =>
    slotOf(prefix + key) >= (bounds[part] ?? 0) && slotOf(prefix + key) < (bounds[part + 1] ?? 0)
  return Array.from({ length: 1_000 }, (_, i) => `key-${i}`).find(isIn) ?? assert.fail("there is one")
}

const keys = Array.from({ length: 30 }, (_, i) => `service-${i}`)

describe("a store in a Redis Cluster", privateRedis(), () => {
  test.live(
    "is found soon after its start, however long a client may wait between attempts at last",
    () =>
      Effect.gen(function*() {
        const node = yield* startNode
        const options = { urls: [urlOf(node)], startTimeout: "0 millis", maxReconnectDelay: "5 minutes" } as const
        const redis = Context.get(yield* Layer.build(RedisClient.layerCluster(options)), Redis.Redis)
        assert.isTrue(Exit.isFailure(yield* Effect.exit(redis.send("GET", "quotes"))), "it serves no slot")
        yield* node.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        yield* eventually(redis.send("GET", "quotes"))
      }).pipe(isQuiet),
    30_000
  )

  layer(RedisCluster.layer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect("knows the slot of each key", () =>
      Effect.gen(function*() {
        const { nodes: [node] } = yield* RedisCluster
        const odd = [
          "",
          "{",
          "}",
          "{}",
          "{}a",
          "a{}b",
          "a{b}c",
          "a{b}{c}",
          "a{b",
          "}a{b}",
          "{{a}}",
          "ä{ö}ü",
          "🚀",
          "a{}{b}"
        ]
        for (const key of [...keys.slice(0, 2), ...odd]) {
          assert.strictEqual(slotOf(key), yield* node?.command("CLUSTER", "KEYSLOT", key) ?? Effect.die("none"), key)
        }
      }))

    it.effect("keeps, announces and lists keys of all nodes", () =>
      Effect.gen(function*() {
        const prefix = yield* ownPrefix
        const [here, there] = [yield* connect(prefix), yield* connect(prefix)]
        const heard = yield* hear(there.store)
        for (const key of keys) {
          assert.strictEqual((yield* here.store.replace(key, undefined, recordOf(1)))._tag, "Replaced")
          yield* heardOf(heard, isOf(key))
          assert.deepStrictEqual((yield* there.store.read(key)).record, recordOf(1))
        }
        assert.sameMembers([...(yield* Stream.runCollect(here.store.list("")))], keys)
        assert.strictEqual(yield* here.redis.send("GET", `${prefix}none`), null)
        assert.match(String(yield* Effect.flip(Effect.scoped(here.redis.reserve))), /RedisError/)
      }).pipe(isQuiet))

    it.effect("follows a slot that is being moved (ASK), and that has moved (MOVED)", () =>
      Effect.gen(function*() {
        const prefix = yield* ownPrefix
        const { store } = yield* connect(prefix)
        const { other, own, slot } = yield* primariesOf(`${prefix}quotes`)
        yield* store.replace("quotes", undefined, recordOf(1))
        const [from, to] = [
          String(yield* own.command("CLUSTER", "MYID")),
          String(yield* other.command("CLUSTER", "MYID"))
        ]
        yield* other.command("CLUSTER", "SETSLOT", slot, "IMPORTING", from)
        yield* own.command("CLUSTER", "SETSLOT", slot, "MIGRATING", to)
        yield* own.command("MIGRATE", "127.0.0.1", `${other.port}`, `${prefix}quotes`, "0", "5000")
        yield* other.command("SCRIPT", "FLUSH")
        assert.strictEqual((yield* store.replace("quotes", recordOf(1), recordOf(2)))._tag, "Replaced")
        assert.deepStrictEqual((yield* store.read("quotes")).record, recordOf(2))
        for (const node of [other, own]) yield* node.command("CLUSTER", "SETSLOT", slot, "NODE", to)
        assert.strictEqual((yield* store.replace("quotes", recordOf(2), recordOf(3)))._tag, "Replaced")
        assert.deepStrictEqual((yield* store.read("quotes")).record, recordOf(3))
      }).pipe(isQuiet))

    it.effect("works for a user that has the rights which the README lists", () =>
      Effect.gen(function*() {
        const prefix = yield* ownPrefix
        const { primaries } = yield* RedisCluster
        const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
        const rule = /^ACL SETUSER .*$/m.exec(readme)?.[0] ?? assert.fail("the README has no rule")
        const words = rule.replaceAll("reclose:", prefix).split(" ")
        for (const { command } of primaries) {
          yield* command(...words, "+cluster|slots", "+asking")
          yield* command("ACL", "LOG", "RESET")
        }
        const client = { username: "reclose", password: "a-long-secret" }
        const { store } = yield* connect(prefix, { client })
        const heard = yield* hear(store)
        for (const key of keys) {
          yield* store.replace(key, undefined, recordOf(1))
          yield* heardOf(heard, isOf(key))
        }
        assert.sameMembers([...(yield* Stream.runCollect(store.list("")))], keys)
        for (const { command } of primaries) assert.deepStrictEqual(yield* command("ACL", "LOG"), [])
      }).pipe(isQuiet))

    it.effect("starts when the first nodes of its list are not there, and when none is", () =>
      Effect.gen(function*() {
        const { primaries: [live] } = yield* RedisCluster
        if (live === undefined) return assert.fail("there are three")
        const { store } = yield* connect(yield* ownPrefix, { urls: ["redis://127.0.0.1:1", urlOf(live)] })
        yield* eventually(store.replace("quotes", undefined, recordOf(1)))
        const alone = yield* connect(yield* ownPrefix, { urls: ["redis://127.0.0.1:1"] })
        const error = yield* Effect.flip(alone.store.read("quotes"))
        assert.strictEqual(error.reason, "Unavailable")
        assert.match(error.message, /cluster at 127\.0\.0\.1:1 .*ECONNREFUSED.*asked again after 500ms at most/)
      }).pipe(isQuiet))

    it.effect("follows a primary that steps down for its replica", () =>
      Effect.gen(function*() {
        const prefix = yield* ownPrefix
        const { store } = yield* connect(prefix)
        const { nodes } = yield* RedisCluster
        const key = keyIn(prefix, 2)
        const { own } = yield* primariesOf(prefix + key)
        yield* store.replace(key, undefined, recordOf(1))
        yield* nodes[nodes.indexOf(own) + 3]?.command("CLUSTER", "FAILOVER") ?? Effect.die("there are six")
        const isReplica = Effect.map(own.command("ROLE"), (role) => String(role).startsWith("slave"))
        yield* eventually(Effect.filterOrFail(isReplica, (is) => is))
        assert.strictEqual((yield* store.replace(key, recordOf(1), recordOf(2)))._tag, "Replaced")
      }).pipe(isQuiet))

    // They come last: what follows has a server less.
    it.effect.each(
      [
        ["is killed", 0, (node: ClusterNode) => node.kill],
        ["hangs", 1, (node: ClusterNode) => node.pause]
      ] as const
    )(
      "fails no call when a primary %s under load, and shares circuits again after the failover",
      ([, part, end]) =>
        Effect.gen(function*() {
          const prefix = yield* ownPrefix
          const down = keyIn(prefix, part)
          const [here, there] = [yield* breakerOn(prefix), yield* breakerOn(prefix)]
          const { own } = yield* primariesOf(prefix + down)
          let failed = 0
          let succeeded = 0
          const load = Effect.forEach([here, there], ({ withBreaker }) =>
            Effect.forEach(keys, (key) =>
              Effect.exit(withBreaker(Effect.succeed("42"), key)).pipe(
                Effect.map((exit) =>
                  Exit.isSuccess(exit) ? succeeded++ : failed++
                )
              ), { concurrency: "unbounded", discard: true }), { discard: true })
          yield* load
          const loading = yield* Effect.forkScoped(Effect.repeat(load, Schedule.spaced("10 millis")))
          // Something to tell all the time: a key that fails, in each process, on each node.
          const failing = Effect.forEach(keys, (key) =>
            Effect.exit(here.withBreaker(Effect.fail("down"), `failing-${key}`)), { discard: true })
          yield* Effect.forkScoped(Effect.repeat(failing, Schedule.spaced("50 millis")))
          yield* there.withBreaker(Effect.succeed("42"), down)
          yield* Effect.sleep("500 millis")

          yield* end(own)
          yield* Effect.exit(here.withBreaker(Effect.fail("down"), down))
          yield* eventually(Effect.filterOrFail(there.state(down), ({ phase }) =>
            phase === "Open"))

          yield* Fiber.interrupt(loading)
          assert.isAbove(succeeded, 100)
          assert.strictEqual(failed, 0)
        }).pipe(isQuiet),
      60_000
    )
  })
})
