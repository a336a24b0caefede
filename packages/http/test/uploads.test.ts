import { assert, describe, it } from "@effect/vitest"
import { GuardedHttpClient, type HttpPolicy, TimeLimits } from "@reclose/http"
import { Cause, Duration, Effect, Exit, Fiber, Schedule, Stream } from "effect"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { Readable } from "node:stream"
import { type ClientName, clientNames, clientSockets, countsOf, guarded } from "./clients.ts"
import { makeHttp2Upstream } from "./Http2Upstream.ts"
import { type Answer, makeUpstream, status, until } from "./Upstream.ts"

const none = { succeeded: 0, failed: 0, ignored: 0, rejected: 0 }

const put = (url: string, body: HttpBody.HttpBody) =>
  Effect.flatMap(
    GuardedHttpClient,
    (client) => client.execute(HttpClientRequest.setBody(HttpClientRequest.put(url), body))
  )

const sendAndRead = (url: string, body: HttpBody.HttpBody) => Effect.flatMap(put(url, body), ({ text }) => text)

const limitOf = (exit: Exit.Exit<unknown, unknown>) =>
  exit._tag === "Success" ? undefined : TimeLimits.fromError(exit.cause.reasons.find(Cause.isFailReason)?.error)?.limit

const inSitu = (client: ClientName, policy: HttpPolicy.HttpPolicy) => Effect.provide(guarded({ client, policy }))

/** Answers when it has read the request's body, which it begins to do after a while. */
const readsAfter = (millis: number): Answer => (request, response) => {
  setTimeout(() => {
    request.on("end", () => status(200)(request, response)).resume()
  }, millis)
}

/** Pieces of 1 KB, one after each pause. */
const paced = (pieces: number, pause: Duration.Input) =>
  Stream.fromSchedule(Schedule.spaced(pause)).pipe(Stream.take(pieces), Stream.map(() => new Uint8Array(1_024)))

/** 4 MB, one piece after the other. */
const pieces = () => Array.from({ length: 62 }, () => new Uint8Array(65_536))

const bodies: Record<string, () => HttpBody.HttpBody> = {
  "a raw stream of the web": () => HttpBody.raw(ReadableStream.from(pieces())),
  "a raw stream of Node": () => HttpBody.raw(Readable.from(pieces(), { objectMode: false })),
  "bytes": () => HttpBody.uint8Array(new Uint8Array(4_000_000)),
  "text": () => HttpBody.text("x".repeat(4_000_000)),
  "a form": () => {
    const form = new FormData()
    form.append("file", new Blob([new Uint8Array(4_000_000)]))
    return HttpBody.formData(form)
  },
  "a raw text": () => HttpBody.raw("x".repeat(4_000_000)),
  "a stream": () =>
    HttpBody.stream(Stream.range(1, 62).pipe(Stream.rechunk(1), Stream.map(() => new Uint8Array(65_536)))),
  "a stream of one piece": () => HttpBody.stream(Stream.succeed(new Uint8Array(4_000_000)))
}

describe("an upload", () => {
  it.live.each(["bytes", "a stream"])(
    "of %s over HTTP/2 that takes longer than the limit for headers is a success",
    (name) =>
      Effect.gen(function*() {
        const upstream = yield* makeHttp2Upstream
        assert.strictEqual(yield* sendAndRead(upstream.url("/upload"), bodies[name]!()), "whole")
        assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, succeeded: 1 })
      }).pipe(inSitu("undici", { timeLimits: { headers: "400 millis" } }))
  )

  it.live("whose own stream fails says nothing about the dependency with retries inside the breaker either", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.always = readsAfter(0)
      const failing = HttpBody.stream(Stream.concat(paced(1, "1 millis"), Stream.fail(new Error("no file"))))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(sendAndRead(upstream.url("/"), failing))))
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, ignored: 1 })
      assert.isAtMost(upstream.requests.length, 1)
    }).pipe(inSitu("undici", { retry: { place: "inside" } })))

  it.live.each(clientNames)(
    "of a stream belongs to the scope of HttpClient.withScope, over %s",
    (client) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        const inner = HttpClient.withScope(yield* HttpClient.HttpClient)
        const outer = HttpClient.withScope(yield* GuardedHttpClient)
        for (const client of [inner, outer]) {
          upstream.next.push((_, response) => void response.writeHead(200).write("begin"))
          const request = HttpClientRequest.put(upstream.url("/")).pipe(
            HttpClientRequest.setBody(HttpBody.stream(paced(2, "1 millis")))
          )
          yield* Effect.scoped(Effect.asVoid(client.execute(request)))
          assert.isTrue(yield* until(() => upstream.sockets.size === 0))
        }
      }).pipe(inSitu(client, {}))
  )
})

describe.each(clientNames)("an upload, over %s", (client) => {
  it.live.each(Object.keys(bodies))(
    "of %s that takes longer than the limit for headers is a success",
    (name) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        upstream.next.push(readsAfter(900))
        assert.strictEqual(yield* sendAndRead(upstream.url("/"), bodies[name]!()), `{"status":200}`)
        assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, succeeded: 1 })
      }).pipe(inSitu(client, { timeLimits: { headers: "400 millis" } }))
  )

  it.live("whose own stream pauses for longer than the limit for headers is a success", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(readsAfter(0))
      assert.strictEqual(
        yield* sendAndRead(upstream.url("/"), HttpBody.stream(paced(3, "500 millis"))),
        `{"status":200}`
      )
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, succeeded: 1 })
    }).pipe(inSitu(client, { timeLimits: { headers: "300 millis" } })))

  it.live("that is read whole and never answered fails by the limit for headers, from its end on", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      let readWhole = 0
      upstream.next.push((request) => void request.on("end", () => void (readWhole = performance.now())).resume())
      const exit = yield* Effect.exit(sendAndRead(upstream.url("/"), HttpBody.stream(paced(4, "100 millis"))))
      assert.strictEqual(limitOf(exit), "headers")
      assert.isAtLeast(performance.now() - readWhole, 200)
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, failed: 1 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu(client, { timeLimits: { headers: "300 millis" } })))

  it.live("whose own stream fails says nothing about the dependency", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(readsAfter(0))
      const failing = HttpBody.stream(Stream.concat(paced(1, "1 millis"), Stream.fail(new Error("no file"))))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(sendAndRead(upstream.url("/"), failing))))
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, ignored: 1 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu(client, {})))

  it.live.each<[string, () => HttpBody.HttpBody]>([
    ["whose own stream pauses", () => HttpBody.stream(Stream.concat(paced(1, "1 millis"), Stream.never))],
    ["of bytes that are not read", () => HttpBody.uint8Array(new Uint8Array(16_000_000))]
  ])("%s is ended when its client ends, and its connection closed", ([, body]) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const sockets = yield* clientSockets
      upstream.always = () => {}
      const sending = yield* Effect.gen(function*() {
        const fiber = yield* Effect.forkDetach(sendAndRead(upstream.url("/"), body()))
        assert.isTrue(yield* until(() => upstream.requests.length === 1))
        return fiber
      }).pipe(inSitu(client, {}))
      assert.isTrue(yield* until(() => sending.pollUnsafe() !== undefined))
      assert.isTrue(yield* until(() => sockets.size === 0))
    }))

  it.live("whose raw stream fails says nothing about the dependency", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(readsAfter(0))
      const failing = async function*() {
        yield "begin"
        throw new Error("no file")
      }
      const body = HttpBody.raw(Readable.from(failing()))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(sendAndRead(upstream.url("/"), body))))
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, ignored: 1 })
    }).pipe(inSitu(client, {})))

  it.live("whose own stream never goes on ends by the limit of the call, and counts nowhere", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(readsAfter(0))
      const hanging = HttpBody.stream(Stream.concat(paced(1, "1 millis"), Stream.never))
      assert.strictEqual(limitOf(yield* Effect.exit(sendAndRead(upstream.url("/"), hanging))), "call")
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), none)
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu(client, { timeLimits: { headers: "100 millis", call: "400 millis" } })))

  it.effect("that is never read fails within the limit for headers and 64 seconds", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const sockets = yield* clientSockets
      // Reads nothing, and so takes in no more than buffers hold.
      upstream.always = () => {}
      let taken = 0
      const endless = Stream.forever(Stream.sync(() => {
        taken++
        return new Uint8Array(65_536)
      })).pipe(Stream.rechunk(1))
      const sending = yield* Effect.forkChild(Effect.exit(sendAndRead(upstream.url("/"), HttpBody.stream(endless))), {
        startImmediately: true
      })
      yield* TestClock.withLive(Effect.gen(function*() {
        yield* until(() => upstream.requests.length === 1)
        for (let last = -1; last !== taken;) {
          last = taken
          yield* Effect.sleep("200 millis")
        }
      }))
      yield* TestClock.adjust("30 seconds")
      assert.isUndefined(sending.pollUnsafe())
      yield* TestClock.adjust("65 seconds")
      assert.strictEqual(limitOf(yield* TestClock.withLive(Fiber.join(sending))), "headers")
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, failed: 1 })
      // A server that doesn't read doesn't see the end of its connection either.
      assert.isTrue(yield* TestClock.withLive(until(() => sockets.size === 0)))
    }).pipe(inSitu(client, { timeLimits: { headers: "30 seconds" } })))

  it.effect("of bytes that are never read fails within the limit for headers and the time for its size", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.always = () => {}
      const body = HttpBody.uint8Array(new Uint8Array(131_072 * 10))
      const sending = yield* Effect.forkChild(Effect.exit(sendAndRead(upstream.url("/"), body)), {
        startImmediately: true
      })
      yield* TestClock.withLive(until(() => upstream.requests.length === 1))
      yield* TestClock.adjust("39 seconds")
      assert.isUndefined(sending.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(limitOf(yield* TestClock.withLive(Fiber.join(sending))), "headers")
    }).pipe(inSitu(client, { timeLimits: { headers: "30 seconds" } })))
})
