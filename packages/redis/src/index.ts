/**
 * Keeps the circuits of `@reclose/core` in Redis, shared between processes.
 *
 * @since 0.1.0
 */
export * as RedisStore from "./RedisStore.ts"
