/** What a benchmark of shared state runs on: a server, and stores on it with connections of their own. */
import { NodeRedis } from "@effect/platform-node"
import type { CircuitStore } from "@reclose/core"
import { DynamoClient, DynamoStore, DynamoTable } from "@reclose/dynamodb"
import { RedisStore } from "@reclose/redis"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redis from "effect/persistence/Redis"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type Commands, commandsIn } from "./commandStats.ts"
import { countingProxy } from "./countingProxy.ts"
import { dynoxide, type Program, redisServer, type Server, start } from "./servers.ts"

export interface Backend {
  readonly server: Server
  /** A store with connections of its own, under a prefix. */
  readonly connect: (prefix: string) => Layer.Layer<CircuitStore, unknown>
  /** The same; what it sends is counted, which may cost time. */
  readonly connectCounted: (prefix: string) => Layer.Layer<CircuitStore, unknown>
  /** Waits until so many stores with this prefix hear of changes; where changes are asked for, nobody has to wait. */
  readonly hears: (prefix: string, stores: number) => Effect.Effect<void>
  /** What counted stores have sent so far, by name. */
  readonly commands: Effect.Effect<Commands>
}

export interface RedisBackend extends Backend {
  /** A connection of its own, for others who keep something in Redis. */
  readonly client: () => Layer.Layer<Redis.Redis, unknown>
}

/** What this machine can measure, and what it can't, in words. */
export interface Backends {
  readonly redis: RedisBackend | undefined
  readonly dynamodb: Backend | undefined
  readonly leftOut: ReadonlyArray<string>
  /** The versions of the servers, by name. */
  readonly versions: Readonly<Record<string, string>>
}

const onRedis = Effect.fnUntraced(function*(
  program: Program
): Effect.fn.Return<RedisBackend, unknown, Scope.Scope> {
  const server = yield* start(program)
  const url = `redis://127.0.0.1:${server.port}`
  // As the store's documentation asks for. The client would tell of each lost connection, and the server gets killed.
  const client = () =>
    NodeRedis.layer({ url, disableOfflineQueue: true, commandsQueueMaxLength: 1_000 }).pipe(
      Layer.provide(Logger.layer([]))
    )
  const redis = Context.get(yield* Layer.build(client()), Redis.Redis)
  const subscribers = (prefix: string) =>
    Effect.map(redis.send<ReadonlyArray<unknown>>("PUBSUB", "NUMSUB", `${prefix}changes`), ([, count]) => Number(count))
  const connect = (prefix: string) => Layer.provide(RedisStore.layer({ prefix }), client())
  return {
    server,
    client,
    connect,
    connectCounted: connect,
    hears: (prefix, stores) =>
      subscribers(prefix).pipe(
        Effect.repeat({ until: (count) => count >= stores, schedule: Schedule.spaced("5 millis") }),
        Effect.timeout("10 seconds"),
        Effect.orDie,
        Effect.asVoid
      ),
    commands: Effect.orDie(Effect.map(redis.send("INFO", "commandstats"), (info) => commandsIn(String(info))))
  }
})

const tableName = "circuits"

const onDynamo = Effect.fnUntraced(function*(program: Program): Effect.fn.Return<Backend, unknown, Scope.Scope> {
  const server = yield* start(program)
  const proxy = yield* countingProxy(server.port)
  const client = (port: number) =>
    DynamoClient.layer({
      endpoint: `http://127.0.0.1:${port}`,
      region: "local",
      credentials: { accessKeyId: "local", secretAccessKey: "local" }
    })
  yield* Effect.provide(DynamoTable.createTable({ tableName }), client(server.port))
  const connect = (port: number) => (prefix: string) =>
    Layer.provide(DynamoStore.layer({ tableName, prefix }), client(port))
  return {
    server,
    connect: connect(server.port),
    connectCounted: connect(proxy.port),
    hears: () => Effect.void,
    commands: Effect.sync(() => new Map([["requests", proxy.requests()]]))
  }
})

/** Starts the servers that this machine has. */
export const openBackends: Effect.Effect<Backends, unknown, Scope.Scope> = Effect.gen(function*() {
  const redis = redisServer()
  const dynamo = dynoxide()
  const programs = [redis, dynamo]
  return {
    redis: redis.missing === undefined ? yield* onRedis(redis) : undefined,
    dynamodb: dynamo.missing === undefined ? yield* onDynamo(dynamo) : undefined,
    leftOut: programs.flatMap(({ missing, name }) => missing === undefined ? [] : [`what needs ${name}: ${missing}`]),
    versions: Object.fromEntries(
      programs.filter(({ missing }) => missing === undefined).map(({ name, version }) => [name, version])
    )
  }
})
