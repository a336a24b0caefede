/**
 * Circuits in Redis, shared between processes: a `CircuitStore` on Effect's own `Redis` service.
 *
 * **Details**
 *
 * Each circuit is one string: `<prefix><key>` holds the version, a space and the text of the record. Each operation is
 * one script on that one key, so it is one round trip, atomic, and at home in a cluster.
 *
 * @since 0.1.0
 */
import { CircuitStore } from "@reclose/core/CircuitStore"
import { PolicyError } from "@reclose/core/PolicyError"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import { changes } from "./internal/Changes.ts"
import { list } from "./internal/KeyList.ts"
import { read, replace } from "./internal/Register.ts"

/**
 * How circuits are kept in Redis.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Stands before the key of each circuit, and names the channel that tells of changes: `<prefix>changes`. Programs
   * share a circuit if they share its key and this. Default `"reclose:"`.
   *
   * 1 to 64 printable ASCII characters, none of them a space, a brace, `*`, `?`, `[`, `]` or `\`. Braces would put all
   * circuits on one node of a cluster, the others would mean something else in an ACL rule.
   */
  readonly prefix?: string | undefined
}

const defaultPrefix = "reclose:"

const isPrefix = (prefix: string): boolean => /^[!-~]{1,64}$/.test(prefix) && !/[{}*?[\]\\]/.test(prefix)

const make = Effect.fnUntraced(function*({ prefix = defaultPrefix }: Options) {
  if (!isPrefix(prefix)) {
    return yield* new PolicyError({
      issues: [{
        field: "prefix",
        value: prefix,
        allowed: "1 to 64 printable ASCII characters, none of them a space, a brace or one of * ? [ ] \\"
      }]
    })
  }
  const redis = yield* Redis.Redis
  const channel = `${prefix}changes`
  return CircuitStore.make({
    read: read(redis, prefix),
    replace: replace(redis, prefix, channel),
    changes: changes(redis, channel),
    list: list(redis, prefix)
  })
})

/**
 * Keeps circuits in the Redis that the program provides.
 *
 * **Details**
 *
 * - Building it sends nothing: it fails with a `PolicyError` for a `prefix` that can't be used, and with nothing else.
 * - `read` and `replace` are one `EVALSHA` each. The scripts are loaded at first use, and again when Redis has lost them.
 * - A record expires with its `timeToLive`, by Redis's clock; one without stays until it is replaced.
 * - `changes` holds one connection of its own for each run. It says `Missed` when its subscription stands, every 30
 *   seconds, and once in 5 seconds at most for messages that it doesn't understand. A subscription that fails is logged as
 *   a warning and made again for as long as the stream runs: after half a second at first, and every 10 seconds later, give
 *   or take a fifth.
 * - `list` scans all keys of the database in pages of 1,000: it is for operators. In a cluster it sees what the
 *   client's `SCAN` sees: all primaries with `RedisClient`, one node with most others.
 * - Time is Redis's own, to the millisecond.
 *
 * **Gotchas**
 *
 * - It never waits less than its client does: breakers bound each operation by themselves, other callers have to. An
 *   operation that was interrupted may still be done by a client that sent or queued it.
 * - Most clients queue commands without bound while they are not connected, and don't tell that they have connected again.
 *   `RedisClient` queues none, and ends a subscription with its connection. The README says how to set up `NodeRedis`.
 *
 * **Example** (Circuits that all processes share)
 *
 * ```ts no-run
 * import { CircuitBreaker, TripRule } from "@reclose/core"
 * import { RedisClient, RedisStore } from "@reclose/redis"
 * import { Layer } from "effect"
 *
 * const Breakers = CircuitBreaker.layer({ tripRule: TripRule.consecutive(5) }).pipe(
 *   Layer.provide(RedisStore.layer({ prefix: "shop:" })),
 *   Layer.provide(RedisClient.layer({ url: "redis://redis.example:6379" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<CircuitStore, PolicyError, Redis.Redis> =>
  Layer.effect(CircuitStore, make(options))

/**
 * Keeps circuits in the Redis that the program provides, with options from `Config`.
 *
 * **Details**
 *
 * Takes the options of `layer`, each as a `Config`. Fails with a `ConfigError` for one that can't be read, and with a
 * `PolicyError` for one that can't be used.
 *
 * **Example** (A prefix from the environment)
 *
 * ```ts no-run
 * import { RedisStore } from "@reclose/redis"
 * import { Config } from "effect"
 *
 * const Store = RedisStore.layerConfig({
 *   prefix: Config.String("CIRCUITS_PREFIX").pipe(Config.withDefault("reclose:"))
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<CircuitStore, Config.ConfigError | PolicyError, Redis.Redis> =>
  Layer.effect(CircuitStore, Effect.flatMap(Config.unwrap(options), make))
