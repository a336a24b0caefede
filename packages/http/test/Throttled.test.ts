import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, TripRule } from "@reclose/core"
import { GuardedHttpClient, type HttpPolicy, Throttled } from "@reclose/http"
import { Clock, Duration, Effect, Fiber, Layer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { SteppedClock } from "../../core/test/SteppedClock.ts"
import { countsOf, guarded, guardedOver, stateOf, text } from "./clients.ts"
import { makeUpstream, status, until } from "./Upstream.ts"

const url = "http://upstream.example/"

/** A client that answers at once, and tells when it was asked. */
const recording = () => {
  const sent: Array<number> = []
  const client = HttpClient.make((request) =>
    Effect.map(Effect.clockWith((clock) => clock.currentTimeMillis), (now) => {
      sent.push(now)
      return HttpClientResponse.fromWeb(request, new Response("ok"))
    })
  )
  return { sent, client }
}

const times = <A, E, R>(count: number, effect: Effect.Effect<A, E, R>) =>
  Effect.all(Array.from({ length: count }, () => effect), { concurrency: "unbounded" })

const flipped = (error: unknown) => error instanceof Throttled ? error.by : String(error)

describe("concurrency", () => {
  const policy: HttpPolicy.HttpPolicy = { concurrency: { limit: 3 } }

  it.live("no more than so many are under way at once, and all come through", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      yield* times(12, text(upstream.url("/slow?millis=20")))
      assert.strictEqual(upstream.requests.length, 12)
      assert.strictEqual(upstream.busiest, 3)
    }).pipe(Effect.provide(guarded({ policy }))))

  it.live("a place is held until the end of the body", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const client = yield* GuardedHttpClient
      const held = yield* client.get(upstream.url("/ok"))
      const waiting = yield* Effect.forkChild(text(upstream.url("/ok")))
      yield* Effect.sleep("50 millis")
      assert.strictEqual(upstream.requests.length, 1)
      yield* held.text
      yield* Fiber.join(waiting)
    }).pipe(Effect.provide(guarded({ policy: { concurrency: { limit: 1 }, timeLimits: { unread: "10 seconds" } } }))))

  it.live("who waits for too long is told, and counts as nothing", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const busy = yield* Effect.forkChild(text(upstream.url("/hang")))
      assert.isTrue(yield* until(() => upstream.requests.length === 1))
      const error = yield* Effect.flip(text(upstream.url("/ok")))
      assert.instanceOf(error, Throttled)
      assert.deepInclude({ ...error as Throttled }, { by: "concurrency", limit: 1, waited: Duration.millis(30) })
      assert.include(
        String((error as Throttled).message),
        "found no place: 1 at once is the limit, and that was so for 30ms"
      )
      assert.strictEqual(upstream.requests.length, 1)
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { succeeded: 0, failed: 0, ignored: 0, rejected: 0 })
      yield* Fiber.interrupt(busy)
      // The place is free again.
      yield* text(upstream.url("/ok"))
    }).pipe(Effect.provide(guarded({ policy: { concurrency: { limit: 1, maxWait: "30 millis" } } }))))

  it.live("no more than so many wait", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const fibers = yield* Effect.forEach([1, 2, 3, 4], () =>
        Effect.forkChild(Effect.catch(text(upstream.url("/slow?millis=50")), (error) =>
          Effect.succeed(flipped(error)))))
      const ends = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(
        ends.map((end) =>
          end === "concurrency"
        ),
        [false, false, true, true]
      )
    }).pipe(Effect.provide(guarded({ policy: { concurrency: { limit: 1, maxWaiting: 1 } } }))))

  it.live("who is interrupted while waiting takes no place with it", () =>
    Effect.gen(function*() {
      // Counted here, since a server hears of an interruption a little later.
      let active = 0
      let busiest = 0
      const slow = HttpClient.make((request) =>
        Effect.suspend(() => {
          busiest = Math.max(busiest, ++active)
          return Effect.as(Effect.sleep("3 millis"), HttpClientResponse.fromWeb(request, new Response("ok")))
        }).pipe(Effect.ensuring(Effect.sync(() => active--)))
      )
      yield* Effect.gen(function*() {
        for (let i = 0; i < 20; i++) {
          const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(text(url)))
          yield* Effect.sleep(Duration.millis(i % 5))
          for (const fiber of fibers.toReversed()) yield* Fiber.interrupt(fiber)
        }
        yield* times(3, text(url))
      }).pipe(Effect.provide(guardedOver(slow, { policy: { concurrency: { limit: 1 } } })))
      assert.deepStrictEqual([busiest, active], [1, 0])
    }))

  it.live("who is interrupted while waiting leaves the line to others", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const busy = yield* Effect.forkChild(text(upstream.url("/hang")))
      assert.isTrue(yield* until(() => upstream.requests.length === 1))
      for (let i = 0; i < 3; i++) {
        const waiting = yield* Effect.forkChild(text(upstream.url("/ok")), { startImmediately: true })
        assert.strictEqual((yield* Effect.flip(text(upstream.url("/ok"))))._tag, "Throttled")
        assert.isUndefined(waiting.pollUnsafe())
        yield* Fiber.interrupt(waiting)
      }
      yield* Fiber.interrupt(busy)
      assert.strictEqual(upstream.requests.length, 1)
    }).pipe(Effect.provide(guarded({
      policy: { concurrency: { limit: 1, maxWaiting: 1, maxWait: "1 minute" } }
    }))))

  it.live("each key has its own places", () =>
    Effect.gen(function*() {
      const one = yield* makeUpstream()
      const two = yield* makeUpstream()
      const busy = yield* Effect.forkChild(text(one.url("/hang")))
      assert.isTrue(yield* until(() => one.requests.length === 1))
      yield* text(two.url("/ok"))
      yield* Fiber.interrupt(busy)
    }).pipe(Effect.provide(guarded({ policy: { concurrency: { limit: 1, maxWait: 0 } } }))))

  it.live("a call that its circuit rejects waits for no place", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const busy = yield* Effect.forkChild(text(upstream.url("/hang")))
      assert.isTrue(yield* until(() => upstream.requests.length === 1))
      const breaker = yield* CircuitBreaker
      yield* breaker.forceOpen(new URL(upstream.url("/")).origin)
      assert.strictEqual((yield* Effect.flip(text(upstream.url("/ok"))))._tag, "CircuitOpen")
      yield* Fiber.interrupt(busy)
    }).pipe(Effect.provide(guarded({ policy: { concurrency: { limit: 1, maxWait: "10 seconds" } } }))))

  it.live("the wait for a place is not the dependency's", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      yield* times(9, text(upstream.url("/slow?millis=150")))
      assert.strictEqual((yield* stateOf(upstream.url("/"))).phase, "Closed")
    }).pipe(Effect.provide(guarded({
      policy: { concurrency: { limit: 1, maxWait: "30 seconds" } },
      breaker: {
        tripRule: TripRule.slowCallRate({ slowerThan: "1 second", threshold: 0.1, window: 6, minimumCalls: 1 })
      }
    }))))
})

describe("rateLimit", () => {
  it.effect("no more than so many are sent in a window, and who waits comes through", () =>
    Effect.gen(function*() {
      const { client, sent } = recording()
      yield* Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(times(6, text(url)))
        for (let i = 0; i < 40; i++) yield* TestClock.adjust("100 millis")
        yield* Fiber.join(fiber)
      }).pipe(Effect.provide(guardedOver(client, {
        policy: { rateLimit: { limit: 2, algorithm: "fixed-window", maxWait: "1 minute" } }
      })))
      const perSecond = [0, 1, 2].map((second) => sent.filter((at) => Math.floor(at / 1_000) === second).length)
      assert.deepStrictEqual(perSecond, [2, 2, 2])
    }))

  it.effect("who would have to wait for too long is told at once", () =>
    Effect.gen(function*() {
      const { client, sent } = recording()
      yield* Effect.gen(function*() {
        yield* text(url)
        const error = yield* Effect.flip(text(url))
        assert.deepInclude({ ...error as Throttled }, { by: "rateLimit", limit: 1, waited: Duration.zero })
        yield* TestClock.adjust("10 seconds")
        yield* text(url)
      }).pipe(Effect.provide(guardedOver(client, {
        policy: { rateLimit: { limit: 1, window: "10 seconds", maxWait: "5 seconds" } }
      })))
      assert.deepStrictEqual(sent, [0, 10_000])
    }))

  it.effect.each(["token-bucket", "fixed-window"] as const)(
    "a wall clock that is set back keeps nobody waiting: %s",
    (algorithm) => {
      const clock = new SteppedClock()
      const { client, sent } = recording()
      return Effect.gen(function*() {
        yield* text(url)
        yield* clock.setWall(-3_600_000)
        yield* clock.step("10 seconds")
        yield* text(url)
        assert.strictEqual(sent.length, 2)
      }).pipe(
        Effect.provide(
          guardedOver(client, { policy: { rateLimit: { limit: 1, window: "10 seconds", maxWait: 0, algorithm } } })
        ),
        Effect.provideService(Clock.Clock, clock)
      )
    }
  )

  it.effect("a call that its circuit rejects takes no turn", () =>
    Effect.gen(function*() {
      const { client, sent } = recording()
      yield* Effect.gen(function*() {
        const breaker = yield* CircuitBreaker
        const key = new URL(url).origin
        yield* breaker.forceOpen(key)
        for (let i = 0; i < 5; i++) assert.strictEqual((yield* Effect.flip(text(url)))._tag, "CircuitOpen")
        yield* breaker.reset(key)
        yield* text(url)
      }).pipe(
        Effect.provide(guardedOver(client, { policy: { rateLimit: { limit: 1, window: "1 hour", maxWait: 0 } } }))
      )
      assert.strictEqual(sent.length, 1)
    }))

  it.effect("no more than so many wait", () =>
    Effect.gen(function*() {
      const { client } = recording()
      yield* Effect.gen(function*() {
        yield* text(url)
        const fibers = yield* Effect.forEach([1, 2, 3, 4], () =>
          Effect.forkChild(
            Effect.catch(text(url), (error) => Effect.succeed(flipped(error))),
            { startImmediately: true }
          ))
        for (let i = 0; i < 10; i++) {
          yield* TestClock.adjust("1 second")
        }
        const ends = yield* Effect.forEach(fibers, Fiber.join)
        assert.deepStrictEqual(ends, ["ok", "rateLimit", "rateLimit", "rateLimit"])
      }).pipe(Effect.provide(guardedOver(client, {
        policy: { rateLimit: { limit: 1, maxWait: "1 minute", maxWaiting: 1 } }
      })))
    }))

  it.effect("those who wait for one dependency keep nobody from another one", () =>
    Effect.gen(function*() {
      const { client } = recording()
      yield* Effect.gen(function*() {
        yield* text(url)
        yield* Effect.forkChild(text(url), { startImmediately: true })
        assert.strictEqual(flipped(yield* Effect.flip(text(url))), "rateLimit")
        assert.strictEqual(yield* text("http://another.example/"), "ok")
      }).pipe(Effect.provide(guardedOver(client, {
        policy: { rateLimit: { limit: 1, maxWait: "1 minute", maxWaiting: 1 } }
      })))
    }))

  it.effect("who goes while waiting leaves the line to others", () =>
    Effect.gen(function*() {
      const { client } = recording()
      yield* Effect.gen(function*() {
        yield* text(url)
        for (let i = 0; i < 3; i++) {
          const waiting = yield* Effect.forkChild(text(url), { startImmediately: true })
          assert.strictEqual(flipped(yield* Effect.flip(text(url))), "rateLimit")
          assert.isUndefined(waiting.pollUnsafe())
          yield* Fiber.interrupt(waiting)
        }
      }).pipe(Effect.provide(guardedOver(client, {
        policy: { rateLimit: { limit: 1, maxWait: "1 minute", maxWaiting: 1 } }
      })))
    }))

  it.effect("where nobody may wait, whose turn it is goes on while another one asks a limiter that takes its time", () =>
    Effect.gen(function*() {
      const { client, sent } = recording()
      const limiter = Layer.effect(
        RateLimiter.RateLimiter,
        Effect.map(RateLimiter.make, (limiter) => ({
          ...limiter,
          consume: (options: Parameters<typeof limiter.consume>[0]) => Effect.delay(limiter.consume(options), 5)
        }))
      ).pipe(Layer.provide(RateLimiter.layerStoreMemory))
      yield* Effect.gen(function*() {
        const fibers = yield* Effect.forEach([1, 2], () => Effect.forkChild(text(url), { startImmediately: true }))
        yield* TestClock.adjust(5)
        yield* Effect.forEach(fibers, Fiber.join)
      }).pipe(
        Effect.provide(Layer.provide(
          guardedOver(client, { policy: { rateLimit: { limit: 2, window: "1 minute", maxWaiting: 0 } } }),
          limiter
        ))
      )
      assert.strictEqual(sent.length, 2)
    }))

  it.effect("is the program's own limiter, if it has one", () =>
    Effect.gen(function*() {
      const { client, sent } = recording()
      const limits = RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory))
      const policy: HttpPolicy.HttpPolicy = { rateLimit: { limit: 1, window: "1 hour", maxWait: 0 } }
      // Two clients, one limit.
      yield* Effect.gen(function*() {
        yield* Effect.provide(text(url), guardedOver(client, { policy }), { local: true })
        assert.strictEqual(
          flipped(yield* Effect.flip(Effect.provide(text(url), guardedOver(client, { policy }), { local: true }))),
          "rateLimit"
        )
      }).pipe(Effect.provide(limits))
      assert.strictEqual(sent.length, 1)
    }))

  it.effect("a limiter whose store fails limits nothing", () =>
    Effect.gen(function*() {
      const { client, sent } = recording()
      const broken = RateLimiter.RateLimiterError.make({
        reason: RateLimiter.RateLimitStoreError.make({ message: "no store" })
      })
      const limiter = Layer.effect(
        RateLimiter.RateLimiter,
        Effect.map(RateLimiter.make, (limiter) => ({ ...limiter, consume: () => Effect.fail(broken) }))
      ).pipe(Layer.provide(RateLimiter.layerStoreMemory))
      yield* times(3, text(url)).pipe(
        Effect.provide(Layer.provide(guardedOver(client, { policy: { rateLimit: { limit: 1 } } }), limiter))
      )
      assert.strictEqual(sent.length, 3)
    }))

  it.effect("a limiter that hangs limits nothing, and holds up nobody for long", () =>
    Effect.gen(function*() {
      const { client, sent } = recording()
      const limiter = Layer.effect(
        RateLimiter.RateLimiter,
        Effect.map(RateLimiter.make, (limiter) => ({ ...limiter, consume: () => Effect.never }))
      ).pipe(Layer.provide(RateLimiter.layerStoreMemory))
      yield* Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(text(url), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(fiber), "ok")
      }).pipe(Effect.provide(Layer.provide(guardedOver(client, { policy: { rateLimit: { limit: 1 } } }), limiter)))
      assert.deepStrictEqual(sent, [1_000])
    }))
})

describe("a policy with all of it", () => {
  it.live("who found no place is not retried", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const busy = yield* Effect.forkChild(text(upstream.url("/hang")))
      assert.isTrue(yield* until(() => upstream.requests.length === 1))
      const began = performance.now()
      assert.strictEqual(flipped(yield* Effect.flip(text(upstream.url("/ok")))), "concurrency")
      assert.isBelow(performance.now() - began, 10_000)
      yield* Fiber.interrupt(busy)
    }).pipe(Effect.provide(guarded({
      policy: {
        retry: { delay: "20 seconds", maxDelay: "20 seconds", jitter: 0 },
        concurrency: { limit: 1, maxWait: 0 }
      }
    }))))

  it.live("retries wait for their place like everybody else, and give it back", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(status(503), status(503), status(503))
      yield* times(6, text(upstream.url("/slow?millis=10")))
      assert.strictEqual(upstream.requests.length, 9)
      assert.isAtMost(upstream.busiest, 2)
    }).pipe(Effect.provide(guarded({
      policy: { retry: { delay: "1 millis" }, concurrency: { limit: 2 }, rateLimit: { limit: 1_000 } },
      breaker: { tripRule: TripRule.consecutive(10) }
    }))))
})
