/**
 * Effect's `Redis` service on a client that may start without a server, that follows a failover, and that closes in time.
 *
 * @since 0.1.0
 */
export * as RedisClient from "./RedisClient.ts"

/**
 * Keeps the circuits of `@reclose/core` in Redis, shared between processes.
 *
 * @since 0.1.0
 */
export * as RedisStore from "./RedisStore.ts"
