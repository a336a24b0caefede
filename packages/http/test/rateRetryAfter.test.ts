import { assert, describe, it } from "@effect/vitest"
import { type HttpPolicy, Throttled } from "@reclose/http"
import { Duration, Effect, Fiber } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { clientNames, guarded, guardedOver, text } from "./clients.ts"
import { makeUpstream, raw } from "./Upstream.ts"

const url = "http://upstream.example/"

/** A client that answers its first request with a 429, and records when it sends which URL. */
const limiting = (retryAfter: string | undefined, status = 429) => {
  const sent: Array<number> = []
  const client = HttpClient.make((request) =>
    Effect.map(Effect.clockWith((clock) => clock.currentTimeMillis), (now) => {
      const isFirst = sent.push(now) === 1
      return HttpClientResponse.fromWeb(
        request,
        new Response(
          null,
          isFirst
            ? { status, headers: retryAfter === undefined ? {} : { "retry-after": retryAfter } }
            : { status: 200 }
        )
      )
    })
  )
  return { client, sent }
}

const rateLimit = { limit: 1, window: "1 second", maxWait: "1 minute" } as const

/** Runs requests at once, for two minutes. */
const timesOf = (
  { client, sent }: ReturnType<typeof limiting>,
  urls: ReadonlyArray<string>,
  policy: HttpPolicy.HttpPolicy = { rateLimit }
) =>
  Effect.gen(function*() {
    const fibers = yield* Effect.forEach(urls, (url) =>
      Effect.forkChild(Effect.exit(text(url)), { startImmediately: true }))
    for (let i = 0; i < 120; i++) {
      yield* TestClock.adjust("1 second")
    }
    yield* Effect.forEach(fibers, Fiber.join)
    return sent
  }).pipe(Effect.provide(guardedOver(client, { policy })))

const throttledOf = (
  { client }: { readonly client: HttpClient.HttpClient },
  policy: HttpPolicy.HttpPolicy = { rateLimit: { ...rateLimit, maxWait: "1 second" } }
) =>
  Effect.gen(function*() {
    yield* Effect.exit(text(url))
    const error = yield* Effect.flip(text(url))
    assert.instanceOf(error, Throttled)
    return error as Throttled
  }).pipe(Effect.provide(guardedOver(client, { policy })))

describe("a rate limit after a 429 with Retry-After", () => {
  it.effect("sends what waits for its turn after that time, at its rate", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* timesOf(limiting("5"), [url, url, url]), [0, 5_000, 6_000])
    }))

  it.effect("sends requests of other keys at once", () =>
    Effect.gen(function*() {
      const times = yield* timesOf(limiting("5"), [url, "http://other.example/"])
      assert.deepStrictEqual(times, [0, 0])
    }))

  it.effect("goes on at its rate if there is no Retry-After", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* timesOf(limiting(undefined), [url, url]), [0, 1_000])
    }))

  it.effect("goes on at its rate if the status is another one", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* timesOf(limiting("5", 404), [url, url]), [0, 1_000])
    }))

  it.effect("waits also where a policy calls a 429 a success", () =>
    Effect.gen(function*() {
      const policy: HttpPolicy.HttpPolicy = { rateLimit, classify: { statuses: { "429": "Success" } } }
      assert.deepStrictEqual(yield* timesOf(limiting("5"), [url, url], policy), [0, 5_000])
    }))

  it.effect.each(["inside", "outside"] as const)(
    "waits no longer than a retry %s the breaker",
    (place) =>
      Effect.gen(function*() {
        const policy: HttpPolicy.HttpPolicy = { rateLimit, retry: { place, jitter: 0 } }
        assert.deepStrictEqual((yield* timesOf(limiting("5"), [url, url], policy))[1], 5_000)
      })
  )

  it.effect("waits where the client takes a 429 for an error", () =>
    Effect.gen(function*() {
      const { client, sent } = limiting("5")
      assert.deepStrictEqual(yield* timesOf({ client: HttpClient.filterStatusOk(client), sent }, [url, url]), [
        0,
        5_000
      ])
    }))

  it.effect("fails at once what would wait for longer than maxWait, and says why", () =>
    Effect.gen(function*() {
      const error = yield* throttledOf(limiting("30"))
      assert.deepInclude({ ...error }, { by: "rateLimit", waited: Duration.zero, retryAfter: Duration.seconds(30) })
      assert.include(error.message, "answered 429 and asked to wait")
    }))

  it.effect("waits for an hour at most", () =>
    Effect.gen(function*() {
      const error = yield* throttledOf(limiting("604800"))
      assert.deepStrictEqual(error.retryAfter, Duration.hours(1))
    }))

  it.live.each(clientNames)("takes the longest of several values, over %s", (client) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(raw("HTTP/1.1 429 Slow\r\nretry-after: 30\r\nretry-after: 60\r\ncontent-length: 0\r\n\r\n"))
      yield* text(upstream.url("/"))
      const error = yield* Effect.flip(text(upstream.url("/ok")))
      assert.instanceOf(error, Throttled)
      assert.isAbove(Duration.toSeconds((error as Throttled).retryAfter ?? Duration.zero), 50)
      assert.strictEqual(upstream.requests.length, 1)
    }).pipe(Effect.provide(guarded({ client, policy: { rateLimit: { limit: 100 } } }))))
})
