/**
 * A store for Effect's rate limiter that holds a bounded number of keys. Effect's own in memory keeps every key for as long
 * as it lives, and keys are made of requests.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { RateLimiterStore } from "effect/persistence/RateLimiter"

interface Counter {
  count: number
  expiresAt: number
}

interface Bucket {
  tokens: number
  lastRefill: number
}

/** How many keys are looked at for each new one: idle ones go faster than new ones come. */
const sweptPerKey = 2

/** Entries by key, those that were used longest ago first. */
class LeastRecentlyUsed<A> {
  private readonly maxKeys: number
  /** Whether an entry says no more than that its key is new. */
  private readonly isIdle: (entry: A, now: number) => boolean
  private readonly entries = new Map<string, A>()

  constructor(maxKeys: number, isIdle: (entry: A, now: number) => boolean) {
    this.maxKeys = maxKeys
    this.isIdle = isIdle
  }

  /** Returns the entry of a key, or makes one, for which idle ones are dropped, and if need be the one used longest ago. */
  use(key: string, now: number, make: () => A): A {
    const known = this.entries.get(key)
    this.entries.delete(key)
    if (known === undefined) this.makeRoom(now)
    const entry = known ?? make()
    this.entries.set(key, entry)
    return entry
  }

  private makeRoom(now: number): void {
    let swept = 0
    for (const [key, entry] of this.entries) {
      const isFull = this.entries.size >= this.maxKeys
      if (swept++ === sweptPerKey || !isFull && !this.isIdle(entry, now)) return
      this.entries.delete(key)
    }
  }
}

/** Only what a client asks of it: the adaptive limits of Effect are not among that. */
const unused = Effect.die(new Error("the limiter of a guarded client has no adaptive limits"))

export const boundedLimiterStore = (maxKeys: number): RateLimiterStore["Service"] => {
  const counters = new LeastRecentlyUsed<Counter>(maxKeys, ({ expiresAt }, now) => expiresAt <= now)
  // Every client has one limit and one window, so all buckets refill alike.
  let refill = 0
  let size = 0
  const buckets = new LeastRecentlyUsed<Bucket>(
    maxKeys,
    ({ lastRefill, tokens }, now) => tokens + Math.floor((now - lastRefill) / refill) >= size
  )
  return RateLimiterStore.of({
    fixedWindow: ({ key, limit, refillRate, tokens }) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const counter = counters.use(key, now, () => ({ count: 0, expiresAt: now }))
        if (counter.expiresAt <= now) {
          counter.count = 0
          counter.expiresAt = now
        }
        if (limit !== undefined && counter.count + tokens > limit) {
          return [counter.count + tokens, counter.expiresAt - now] as const
        }
        counter.count += tokens
        counter.expiresAt += Duration.toMillis(refillRate) * tokens
        return [counter.count, counter.expiresAt - now] as const
      }),
    tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        refill = Duration.toMillis(refillRate)
        size = limit
        const bucket = buckets.use(key, now, () => ({ tokens: limit, lastRefill: now }))
        const refilled = Math.max(0, Math.floor((now - bucket.lastRefill) / refill))
        bucket.tokens = Math.min(limit, bucket.tokens + refilled)
        bucket.lastRefill = bucket.tokens >= limit ? now : bucket.lastRefill + refilled * refill
        const left = bucket.tokens - tokens
        if (allowOverflow || left >= 0) bucket.tokens = left
        return [left, Math.max(0, now - bucket.lastRefill)] as const
      }),
    adaptiveConsume: () => unused,
    adaptiveFeedback: () => unused
  })
}
