/**
 * Effect's `Redis` service on a client that may start without a server, that follows a failover, and that closes in time.
 *
 * @since 0.1.0
 */
import { PolicyError, type PolicyIssue } from "@reclose/core/PolicyError"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redis from "effect/persistence/Redis"
import type { RedisClientOptions } from "redis"
import { makeClient, makeCluster } from "./internal/Client.ts"
import type { Settings, Target } from "./internal/Connection.ts"
import { targetAt } from "./internal/Target.ts"

/**
 * Options of the `redis` package: credentials, TLS, the name of the connection, the number of the database. Those that
 * bound a connection and its queue are set by `Options`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientOptions extends
  Pick<
    RedisClientOptions,
    "username" | "password" | "credentialsProvider" | "name" | "database" | "socket" | "disableClientInfo"
  >
{
  /** The version of the protocol. Default 3. */
  readonly RESP?: 2 | 3 | undefined
}

/**
 * How a Redis is connected to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Where Redis is: `redis://user:password@host:port/database`, `rediss://` for TLS. Default `redis://127.0.0.1:6379`, or
   * what `client.socket` names.
   */
  readonly url?: string | undefined
  /** Options of the `redis` package. What the URL names comes before them. */
  readonly client?: ClientOptions | undefined
  /** How long building the layer waits for Redis before it goes on without: 0 to 1 minute. Default 2 seconds. */
  readonly startTimeout?: Duration.Input | undefined
  /** How long one attempt to connect and sign in may take: 10 milliseconds to 1 minute. Default 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** The time between two PINGs on each connection: 10 milliseconds to 1 hour. Default 5 seconds. */
  readonly pingInterval?: Duration.Input | undefined
  /**
   * How long a PING may stay unanswered before the connection is taken for dead and replaced: 10 milliseconds to 1 minute.
   * Default 5 seconds.
   */
  readonly pingTimeout?: Duration.Input | undefined
  /** How long closing waits for the answers to commands in flight: 0 to 1 minute. Default 1 second. */
  readonly closeTimeout?: Duration.Input | undefined
  /**
   * The longest time between two attempts to connect: 50 milliseconds to 1 hour. Default 2 seconds. The first attempt
   * follows after 50 milliseconds, the others after twice as long each time, give or take a fifth.
   */
  readonly maxReconnectDelay?: Duration.Input | undefined
  /** How many commands wait for their answers on one connection before others fail: 1 to 1,000,000. Default 1,000. */
  readonly maxCommands?: number | undefined
}

/**
 * How a Redis Cluster is connected to.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClusterOptions extends Omit<Options, "url"> {
  /**
   * Where some of its nodes are. They are asked for the others in turn, at first and whenever no other node answers. The
   * credentials and the TLS of the first serve for all nodes.
   */
  readonly urls: readonly [string, ...ReadonlyArray<string>]
}

const bounds = {
  startTimeout: ["2 seconds", "0 millis", "1 minute"],
  connectTimeout: ["5 seconds", "10 millis", "1 minute"],
  pingInterval: ["5 seconds", "10 millis", "1 hour"],
  pingTimeout: ["5 seconds", "10 millis", "1 minute"],
  closeTimeout: ["1 second", "0 millis", "1 minute"],
  maxReconnectDelay: ["2 seconds", "50 millis", "1 hour"]
} as const

const settingsOf = (options: Omit<Options, "url">, issues: Array<PolicyIssue>): Settings => {
  const durationOf = (field: keyof typeof bounds): Duration.Duration => {
    const [standard, least, most] = bounds[field]
    const value = options[field] ?? standard
    const duration = Option.getOrElse(Duration.fromInput(value), () => Duration.infinity)
    const [minimum, maximum] = [Duration.fromInputUnsafe(least), Duration.fromInputUnsafe(most)]
    if (!Duration.between(duration, { minimum, maximum })) {
      issues.push({ field, value, allowed: `a duration from ${least} to ${most}, such as "5 seconds"` })
    }
    return duration
  }
  const { maxCommands = 1_000 } = options
  if (!Number.isSafeInteger(maxCommands) || maxCommands < 1 || maxCommands > 1_000_000) {
    issues.push({ field: "maxCommands", value: maxCommands, allowed: "a whole number from 1 to 1,000,000" })
  }
  return {
    startTimeout: durationOf("startTimeout"),
    connectTimeout: durationOf("connectTimeout"),
    pingInterval: durationOf("pingInterval"),
    pingTimeout: durationOf("pingTimeout"),
    closeTimeout: durationOf("closeTimeout"),
    maxReconnectDelay: durationOf("maxReconnectDelay"),
    maxCommands
  }
}

const checked = <A>(read: (issues: Array<PolicyIssue>) => A): Effect.Effect<A, PolicyError> =>
  Effect.suspend(() => {
    const issues: Array<PolicyIssue> = []
    const value = read(issues)
    return issues.length > 0 ? Effect.fail(new PolicyError({ issues })) : Effect.succeed(value)
  })

const targetOf = (
  url: string | undefined,
  field: string,
  client: ClientOptions,
  issues: Array<PolicyIssue>
): Target => {
  const target = targetAt(url, client)
  // A password may stand in it, so the value is not repeated.
  if (target === undefined) {
    issues.push({
      field,
      value: "(not shown)",
      allowed: "a URL such as redis://user:password@host:6379/0, or rediss://"
    })
  }
  return target ?? { address: "", options: {} }
}

const make = Effect.fnUntraced(function*(options: Options) {
  const [target, settings] = yield* checked((issues) =>
    [targetOf(options.url, "url", options.client ?? {}, issues), settingsOf(options, issues)] as const
  )
  return yield* makeClient(target, settings)
})

/**
 * Provides Effect's `Redis` service for one server, or for an address that leads to the primary of several.
 *
 * **Details**
 *
 * - Building it waits for the first attempt to connect, `startTimeout` at most. If Redis is not there by then, it goes on
 *   without: commands fail at once, a warning says why, and it connects as soon as Redis is there. It fails with a
 *   `PolicyError` for an option that can't be used, and with nothing else.
 * - A lost connection is replaced for as long as the layer lasts, and the name of the host looked up anew each time. A
 *   command fails at once while there is none, with a `RedisError` whose cause names the host, the reason, and what follows.
 *   Each outage is logged as one warning, and one more for each new reason; its end as information.
 * - A connection is taken for lost when its socket ends, when a PING stays unanswered for `pingTimeout`, and when Redis
 *   answers `READONLY`: behind the same address may be another primary after a failover. If it is a replica again, the new
 *   connection is kept for 1 second at least, and each time twice as long up to 10 seconds, for a replica answers reads.
 * - Each subscription has a connection of its own. It waits until Redis is there, without a bound, and ends when a
 *   connection is lost, or when Redis has answered `READONLY`.
 *   `RedisStore` then subscribes again, and reads what it may have missed.
 * - Closing its scope waits for the answers to commands in flight, `closeTimeout` at most.
 *
 * **Example** (A store that starts with or without Redis)
 *
 * ```ts no-run
 * import { CircuitBreaker } from "@reclose/core"
 * import { RedisClient, RedisStore } from "@reclose/redis"
 * import { Layer } from "effect"
 *
 * const Breakers = CircuitBreaker.layer().pipe(
 *   Layer.provide(RedisStore.layer()),
 *   Layer.provide(RedisClient.layer({ url: "redis://reclose:a-long-secret@redis.example:6379" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Redis.Redis, PolicyError> =>
  Layer.effect(Redis.Redis, make(options))

/**
 * Provides what `layer` does, with options from `Config`.
 *
 * **Details**
 *
 * Fails with a `ConfigError` for an option that can't be read, and with a `PolicyError` for one that can't be used.
 *
 * **Example** (The address from the environment)
 *
 * ```ts no-run
 * import { RedisClient } from "@reclose/redis"
 * import { Config } from "effect"
 *
 * const Client = RedisClient.layerConfig({ url: Config.String("REDIS_URL") })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Redis.Redis, Config.ConfigError | PolicyError> =>
  Layer.effect(Redis.Redis, Effect.flatMap(Config.unwrap(options), make))

/**
 * Provides Effect's `Redis` service for a Redis Cluster.
 *
 * **Details**
 *
 * - It has one connection to each primary, which behaves as that of `layer` does. Each command goes to the primary that
 *   serves its key. `MOVED` and `ASK` are followed, five times at most.
 * - The cluster is asked for its topology (`CLUSTER SLOTS`) at first, after `MOVED`, and once in a second while a primary
 *   isn't connected. So a failover is followed about a second after the cluster itself has made it.
 * - The key of a command is its first argument, or the first key of a script. `SCRIPT` goes to all primaries, `SCAN` to one
 *   after the other, and a command without a key to any.
 * - A subscription hears what is published at any node.
 *
 * **Gotchas**
 *
 * `reserve` fails: a connection of its own would belong to one node. The user needs the rights `+cluster|slots` and
 * `+asking` as well.
 *
 * **Example** (A cluster of which three nodes are named)
 *
 * ```ts no-run
 * import { RedisClient } from "@reclose/redis"
 *
 * const Client = RedisClient.layerCluster({
 *   urls: ["redis://node-1.example:6379", "redis://node-2.example:6379", "redis://node-3.example:6379"]
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerCluster = (options: ClusterOptions): Layer.Layer<Redis.Redis, PolicyError> =>
  Layer.effect(
    Redis.Redis,
    Effect.gen(function*() {
      const client = options.client ?? {}
      const [roots, settings] = yield* checked((issues) => {
        const [first, ...others] = options.urls
        const at = (url: string, index: number) => targetOf(url, `urls[${index}]`, client, issues)
        return [[at(first, 0), ...others.map((url, i) => at(url, i + 1))], settingsOf(options, issues)] as const
      })
      return yield* makeCluster(roots, settings)
    })
  )
