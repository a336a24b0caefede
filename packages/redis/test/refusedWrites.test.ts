/** How many commands a breaker sends to a Redis that answers reads and refuses writes. */
import { assert, describe, layer } from "@effect/vitest"
import { CircuitBreaker, TripRule } from "@reclose/core"
import type { CircuitEvent } from "@reclose/core/CircuitEvent"
import { CircuitStore } from "@reclose/core/CircuitStore"
import { RedisClient, RedisStore } from "@reclose/redis"
import { Context, Effect, Layer, Logger, Schedule, Stream } from "effect"
import { command, connect, ownPrefix, PrivateRedis, privateRedis, RedisUrl } from "./support.ts"

const refusals = [
  ["has no memory left", ["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]],
  ["is a replica, as after a failover", ["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]],
  [
    "lacks replicas",
    ["CONFIG", "SET", "min-replicas-to-write", "1"],
    ["CONFIG", "SET", "min-replicas-to-write", "0"]
  ]
] as const

const scripts = Effect.map(
  command("INFO", "commandstats"),
  (info) => Number(/cmdstat_evalsha:calls=(\d+)/.exec(String(info))?.[1] ?? 0)
)

const stores = {
  NodeRedis: (prefix: string) => Effect.map(connect(prefix), ({ store }) => store),
  RedisClient: Effect.fnUntraced(function*(prefix: string) {
    const client = RedisClient.layer({ url: yield* RedisUrl })
    return Context.get(yield* Layer.build(Layer.provide(RedisStore.layer({ prefix }), client)), CircuitStore)
  })
}

const cases = (["NodeRedis", "RedisClient"] as const).flatMap((client) =>
  refusals.map(([reason, begin, end]) => ({ client, reason, begin, end }))
)

const connections = Effect.map(
  command("INFO", "stats"),
  (info) => Number(/total_connections_received:(\d+)/.exec(String(info))?.[1] ?? 0)
)

describe("a Redis that answers reads and refuses writes", privateRedis(), () => {
  layer(PrivateRedis, { excludeTestServices: true })((it) => {
    it.effect.each(cases)(
      "gets few commands from two breakers whose circuit opens: it $reason, through $client",
      ({ begin, client, end }) =>
        Effect.gen(function*() {
          const prefix = yield* ownPrefix
          const policy = { tripRule: TripRule.consecutive(1), openDuration: "200 millis" } as const
          const events: Array<CircuitEvent> = []
          const breakers = yield* Effect.forEach(["here", "there"], () =>
            Effect.gen(function*() {
              const store = yield* stores[client](prefix)
              const context = yield* Layer.build(
                CircuitBreaker.layer(policy).pipe(Layer.provide(Layer.succeed(CircuitStore, store)))
              )
              const breaker = yield* Effect.provideContext(CircuitBreaker, context)
              yield* Effect.forkScoped(
                Stream.runForEach(breaker.events, (event) => Effect.sync(() => events.push(event)))
              )
              yield* Effect.succeed("42").pipe(breaker.withBreaker("quotes"))
              return breaker
            }))
          yield* Effect.acquireRelease(command(...begin), () => command(...end))
          yield* command("CONFIG", "RESETSTAT")
          const call = Effect.forEach(
            breakers,
            (breaker) => Effect.exit(Effect.fail("down").pipe(breaker.withBreaker("quotes"))),
            { discard: true }
          )
          yield* Effect.repeat(call, Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "4 seconds" })))
          assert.isTrue(events.some(({ _tag }) => _tag === "StoreFailed"))
          // Three commands for each probe. A breaker that reads the key for each refused write of its own sends thousands.
          assert.isBelow(yield* scripts, 400)
          // At READONLY, RedisClient connects anew with its subscription: at once, after 1 second, after 2 more.
          assert.isBelow(yield* connections, 30)
        }).pipe(Effect.provide(Logger.layer([]))),
      30_000
    )
  })
})
