import { assert, describe, it } from "@effect/vitest"
import { TripRule } from "@reclose/core"
import { GuardedHttpClient, type HttpPolicy, TimeLimits } from "@reclose/http"
import { Cause, Effect, Exit, Fiber, Stream } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import type { IncomingMessage, ServerResponse } from "node:http"
import { type ClientName, clientNames, countsOf, guarded, guardedOver, stateOf } from "./clients.ts"
import { makeHttp2Upstream } from "./Http2Upstream.ts"
import { makeUpstream, until } from "./Upstream.ts"

const none = { succeeded: 0, failed: 0, ignored: 0, rejected: 0 }

const get = (url: string) => Effect.flatMap(GuardedHttpClient, (client) => client.get(url))

const limitOf = (exit: Exit.Exit<unknown, unknown>) =>
  exit._tag === "Success" ? undefined : TimeLimits.fromError(exit.cause.reasons.find(Cause.isFailReason)?.error)?.limit

const inSitu = (client: ClientName, policy: HttpPolicy.HttpPolicy = {}) => Effect.provide(guarded({ client, policy }))

/** Sends two events, and goes on as told. */
const events = (then: (request: IncomingMessage, response: ServerResponse) => void, type = "text/event-stream") =>
(
  request: IncomingMessage,
  response: ServerResponse
) => {
  response.writeHead(200, { "content-type": type })
  response.write("data: 1\n\n")
  response.write("data: 2\n\n", () => then(request, response))
}

describe.each(clientNames)("a stream of events, over %s", (client) => {
  it.live("that falls silent for longer than bodyIdle is a failure, and closed", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(events(() => {}))
      const response = yield* get(upstream.url("/"))
      assert.strictEqual(limitOf(yield* Effect.exit(Stream.runDrain(response.stream))), "bodyIdle")
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, failed: 1 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu(client, { timeLimits: { bodyIdle: "150 millis" } })))

  it.live("that goes on for longer than an explicit body limit is a failure, and closed", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(events((_, response) => {
        const timer = setInterval(() => response.write("data: 3\n\n"), 20)
        response.on("close", () => clearInterval(timer))
      }))
      const response = yield* get(upstream.url("/"))
      assert.strictEqual(limitOf(yield* Effect.exit(Stream.runDrain(response.stream))), "body")
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, failed: 1 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu(client, { timeLimits: { body: "300 millis" } })))

  it.live("that breaks off is a failure, and fails its reader", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(events((request) => request.socket.destroy()))
      const response = yield* get(upstream.url("/"))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Stream.runDrain(response.stream))))
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, failed: 1 })
    }).pipe(inSitu(client)))

  it.live("is one call with one place until its end, and then a success", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      let end = () => {}
      upstream.next.push(events((_, response) => {
        end = () => response.end()
      }))
      const response = yield* get(upstream.url("/"))
      const reading = yield* Effect.forkChild(Stream.runDrain(response.stream), { startImmediately: true })
      const second = yield* Effect.flip(get(upstream.url("/ok")))
      assert.strictEqual(second._tag, "Throttled")
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), none)
      end()
      yield* Fiber.join(reading)
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, succeeded: 1 })
    }).pipe(inSitu(client, { concurrency: { limit: 1, maxWait: "50 millis" }, timeLimits: { unread: "1 minute" } })))

  it.live("whose reader has enough is a success, and closed", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(events(() => {}))
      const response = yield* get(upstream.url("/"))
      yield* Stream.runDrain(Stream.take(response.stream, 1))
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, succeeded: 1 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu(client)))

  it.live("is a success with its headers if a policy says so, and still has its limits", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(events(() => {}))
      const response = yield* get(upstream.url("/"))
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, succeeded: 1 })
      assert.strictEqual(limitOf(yield* Effect.exit(Stream.runDrain(response.stream))), "bodyIdle")
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, succeeded: 1 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu(client, { settleOn: "headers", timeLimits: { bodyIdle: "150 millis" } })))
})

describe("a stream of events", () => {
  it.live("that falls silent is one failure with retries inside the breaker", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(events(() => {}))
      const response = yield* get(upstream.url("/"))
      assert.strictEqual(limitOf(yield* Effect.exit(Stream.runDrain(response.stream))), "bodyIdle")
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, failed: 1 })
      assert.strictEqual(upstream.requests.length, 1)
    }).pipe(inSitu("undici", { retry: { place: "inside" }, timeLimits: { bodyIdle: "150 millis" } })))

  it.live("ends by the limit of the call, too", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(events(() => {}))
      const response = yield* get(upstream.url("/"))
      assert.strictEqual(limitOf(yield* Effect.exit(Stream.runDrain(response.stream))), "call")
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, failed: 1 })
    }).pipe(inSitu("undici", { timeLimits: { call: "300 millis" } })))

  it.live("that is silent over HTTP/2 is a failure, and only its stream is closed", () =>
    Effect.gen(function*() {
      const upstream = yield* makeHttp2Upstream
      const response = yield* get(upstream.url("/events"))
      assert.strictEqual(limitOf(yield* Effect.exit(Stream.runDrain(response.stream))), "bodyIdle")
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, failed: 1 })
      assert.isTrue(yield* until(() => upstream.streams.size === 0))
      assert.strictEqual(upstream.sessions.size, 1)
    }).pipe(inSitu("undici", { timeLimits: { bodyIdle: "150 millis" } })))
})

const url = "http://models.example/"

/** A client that streams what a test sends, as a content type. */
const streaming = (type = "text/event-stream") => {
  let source: ReadableStreamDefaultController<Uint8Array> | undefined
  /** Statuses of the next responses, which have no body. */
  const next: Array<number> = []
  const client = HttpClient.make((request) =>
    Effect.sync(() => {
      const status = next.shift()
      if (status !== undefined) return HttpClientResponse.fromWeb(request, new Response(null, { status }))
      const body = new ReadableStream<Uint8Array>({ start: (controller) => void (source = controller) })
      return HttpClientResponse.fromWeb(request, new Response(body, { headers: { "content-type": type } }))
    })
  )
  return { client, next, send: () => source?.enqueue(new Uint8Array(1)) }
}

/** Reads a stream that sends a piece every so often, for so many times. */
const readWhile = (stream: ReturnType<typeof streaming>, pause: `${number} seconds`, times: number) =>
  Effect.gen(function*() {
    const response = yield* get(url)
    let pieces = 0
    const reading = yield* Effect.forkChild(
      Effect.exit(Stream.runForEach(response.stream, () => Effect.sync(() => void pieces++))),
      { startImmediately: true }
    )
    for (let i = 1; i <= times; i++) {
      yield* TestClock.adjust(pause)
      stream.send()
      yield* TestClock.withLive(until(() => pieces === i || reading.pollUnsafe() !== undefined))
    }
    return reading
  })

describe("by default", () => {
  it.effect.each([
    "text/event-stream",
    "Text/Event-Stream;charset=utf-8",
    "application/x-ndjson",
    "application/jsonl",
    "application/json-seq",
    "application/vnd.amazon.eventstream"
  ])("a stream of %s may take as long as it likes, and be silent for 2 minutes", (type) => {
    const stream = streaming(type)
    return Effect.gen(function*() {
      const reading = yield* readWhile(stream, "100 seconds", 10)
      yield* TestClock.adjust("119 seconds")
      assert.isUndefined(reading.pollUnsafe())
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(limitOf(yield* Fiber.join(reading)), "bodyIdle")
      assert.deepStrictEqual(yield* countsOf(url), { ...none, failed: 1 })
    }).pipe(Effect.provide(guardedOver(stream.client)))
  })

  it.effect("a stream of another type may take a minute", () => {
    const stream = streaming("application/octet-stream")
    return Effect.gen(function*() {
      const reading = yield* readWhile(stream, "20 seconds", 2)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(limitOf(yield* Fiber.join(reading)), "body")
      assert.deepStrictEqual(yield* countsOf(url), { ...none, failed: 1 })
    }).pipe(Effect.provide(guardedOver(stream.client)))
  })
})

describe("a stream of events as a probe", () => {
  const breaker = { tripRule: TripRule.consecutive(1), openDuration: "5 seconds" } as const

  /** Opens the circuit, waits until it admits a probe, and reads a stream. */
  const probing = (pause: `${number} seconds`, times: number) => {
    const stream = streaming()
    return Effect.gen(function*() {
      stream.next.push(503)
      yield* get(url)
      assert.strictEqual((yield* stateOf(url)).phase, "Open")
      yield* TestClock.adjust("5 seconds")
      yield* readWhile(stream, pause, times)
      return (yield* stateOf(url)).phase
    }).pipe(Effect.provide(guardedOver(stream.client, { breaker })))
  }

  it.effect("is still out while it has delivered for less than 10 seconds", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* probing("4 seconds", 2), "HalfOpen")
    }))

  it.effect("closes its circuit with the first piece that it delivers after 10 seconds", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* probing("4 seconds", 3), "Closed")
    }))

  it.effect("that is silent until halfOpen.maxDuration has passed opens its circuit again", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* probing("31 seconds", 1), "Open")
    }))
})
