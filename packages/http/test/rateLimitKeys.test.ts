/** What the limiter of a client keeps of keys that come from outside. */
import { assert, describe, it } from "@effect/vitest"
import { type HttpPolicy, Throttled } from "@reclose/http"
import { Clock, Duration, Effect, Layer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { boundedLimiterStore } from "../src/internal/boundedLimiterStore.ts"
import { guardedOver, text } from "./clients.ts"

const answering = HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, new Response("ok"))))

const url = (host: number | string) => `http://host-${host}.example/`

const endOf = (host: number | string) =>
  Effect.catch(text(url(host)), (error) => Effect.succeed(error instanceof Throttled ? error.by : String(error)))

const limited = (rateLimit: HttpPolicy.HttpPolicy["rateLimit"]) =>
  Effect.provide(guardedOver(answering, { policy: { rateLimit }, breaker: { maxKeys: 10 } }))

describe.each(["token-bucket", "fixed-window"] as const)("the keys of a rate limit, by %s", (algorithm) => {
  it.effect(
    "are bounded by default: the first of 10,001 hosts is forgotten, and no other",
    () =>
      Effect.gen(function*() {
        for (let i = 0; i <= 10_000; i++) assert.strictEqual(yield* endOf(i), "ok")
        assert.strictEqual(yield* endOf(1), "rateLimit")
        assert.strictEqual(yield* endOf(10_000), "rateLimit")
        assert.strictEqual(yield* endOf(0), "ok")
      }).pipe(limited({ limit: 1, window: "1 hour", maxWait: 0, algorithm })),
    60_000
  )

  it.effect("make room by those that were used longest ago, and a key that is in use keeps its limit", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* endOf("busy"), "ok")
      for (let i = 0; i < 50; i++) {
        yield* endOf(i)
        assert.strictEqual(yield* endOf("busy"), "rateLimit")
      }
      assert.strictEqual(yield* endOf(49), "rateLimit")
      assert.strictEqual(yield* endOf(0), "ok")
    }).pipe(limited({ limit: 1, window: "1 hour", maxWait: 0, algorithm, maxKeys: 3 })))

  it.effect("that are idle make room before one that is in use", () =>
    Effect.gen(function*() {
      for (const host of ["a", "b"]) yield* endOf(host)
      yield* TestClock.adjust("1 hour")
      yield* endOf("busy")
      for (let i = 0; i < 2; i++) yield* endOf(i)
      assert.strictEqual(yield* endOf("busy"), "rateLimit")
    }).pipe(limited({ limit: 1, window: "1 hour", maxWait: 0, algorithm, maxKeys: 3 })))

  it.effect("are counted as Effect's own store counts them", () =>
    Effect.gen(function*() {
      const ours = yield* Effect.provideService(
        RateLimiter.make,
        RateLimiter.RateLimiterStore,
        boundedLimiterStore(100)
      )
      const effects = yield* Effect.provide(RateLimiter.make, RateLimiter.layerStoreMemory)
      let seed = 1
      const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below
      for (let i = 0; i < 5_000; i++) {
        if (random(3) === 0) yield* TestClock.adjust(random(700))
        const options = {
          key: `${random(5)}`,
          limit: 3,
          window: Duration.millis(1_000),
          algorithm,
          onExceeded: "fail"
        } as const
        const [one, other] = yield* Effect.all([
          Effect.exit(ours.consume(options)),
          Effect.exit(effects.consume(options))
        ])
        assert.deepStrictEqual(one, other, `at ${i}, ${yield* Clock.currentTimeMillis}`)
      }
    }).pipe(Effect.provide(Layer.empty)))
})
