import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, Outcome, TripRule } from "@reclose/core"
import { GuardedHttpClient, type HttpPolicy, TimeLimits } from "@reclose/http"
import { ByteSize, Cause, Effect, Exit, Fiber, Stream } from "effect"
import { HttpClient, HttpClientError, HttpClientResponse, HttpIncomingMessage } from "effect/http"
import { TestClock } from "effect/testing"
import { type ClientName, clientNames, countsOf, guarded, guardedOver, kindOf, stateOf, text } from "./clients.ts"
import { makeUpstream, status, until } from "./Upstream.ts"

/** Longer than any test: each has the limit short that it is about. */
const limits = { headers: "30 seconds", body: "30 seconds", bodyIdle: "30 seconds", unread: "30 seconds" } as const

const get = (url: string) => Effect.flatMap(GuardedHttpClient, (client) => client.get(url))

const none = { succeeded: 0, failed: 0, ignored: 0, rejected: 0 }

/** Waits for the calls of a URL to be as they should, and says how they are. */
const settled = (url: string, expected: Partial<typeof none>) =>
  Effect.gen(function*() {
    let counts = yield* countsOf(url)
    const reached = () => JSON.stringify(counts) === JSON.stringify({ ...none, ...expected })
    for (let i = 0; i < 2_000 && !reached(); i++) {
      yield* Effect.sleep("5 millis")
      counts = yield* countsOf(url)
    }
    assert.deepStrictEqual(counts, { ...none, ...expected })
  })

const limitOf = (exit: Exit.Exit<unknown, unknown>) =>
  exit._tag === "Success" ? undefined : TimeLimits.fromError(exit.cause.reasons.find(Cause.isFailReason)?.error)?.limit

const inSitu = (client: ClientName, policy: HttpPolicy.HttpPolicy = {}) =>
  Effect.provide(guarded({ client, policy: { ...policy, timeLimits: { ...limits, ...policy.timeLimits } } }))

describe.each(clientNames)("the body of an answer, over %s", (client) => {
  it.live("a call is over when its body is, and not before", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/ok"))
      assert.deepStrictEqual(yield* countsOf(response.url), none)
      assert.strictEqual(yield* response.text, `{"status":200}`)
      assert.deepStrictEqual(yield* countsOf(response.url), { ...none, succeeded: 1 })
    }).pipe(inSitu(client)))

  it.live("it can be read again, in any form, as one call", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/ok"))
      assert.strictEqual(yield* response.text, `{"status":200}`)
      assert.deepStrictEqual(yield* response.json, { status: 200 })
      assert.strictEqual((yield* response.arrayBuffer).byteLength, 14)
      yield* settled(response.url, { succeeded: 1 })
    }).pipe(inSitu(client)))

  it.live("a form can be read, also after its body was looked at", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(status(200, { "content-type": "application/x-www-form-urlencoded" }, "symbol=ACME"))
      const response = yield* get(upstream.url("/"))
      assert.strictEqual((yield* response.formData).get("symbol"), "ACME")
      assert.strictEqual(yield* response.text, "symbol=ACME")
      yield* settled(response.url, { succeeded: 1 })
    }).pipe(inSitu(client, { classifyBody: () => Outcome.success })))

  it.live("a whole body that is no form says nothing against the dependency", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/ok"))
      assert.strictEqual(kindOf(yield* Effect.flip(response.formData)), "DecodeError")
      yield* settled(response.url, { succeeded: 1 })
    }).pipe(inSitu(client)))

  it.live("a form that breaks off is a failure", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/truncated"))
      yield* Effect.flip(response.formData)
      yield* settled(response.url, { failed: 1 })
    }).pipe(inSitu(client)))

  it.live("a stream that is read to its end is a success", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/large?bytes=300000"))
      const bytes = yield* Stream.runFold(response.stream, () => 0, (sum, chunk) => sum + chunk.length)
      assert.strictEqual(bytes, 300_000)
      yield* settled(response.url, { succeeded: 1 })
    }).pipe(inSitu(client)))

  it.live("a stream that breaks off is a failure, and fails its reader", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/truncated"))
      const error = yield* Effect.flip(Stream.runDrain(response.stream))
      assert.isTrue(HttpClientError.isHttpClientError(error))
      yield* settled(response.url, { failed: 1 })
    }).pipe(inSitu(client)))

  it.live("a stream that falls silent is a failure, and closed", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/hang-chunked"))
      assert.strictEqual(limitOf(yield* Effect.exit(Stream.runDrain(response.stream))), "bodyIdle")
      yield* settled(response.url, { failed: 1 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu(client, { timeLimits: { bodyIdle: "100 millis" } })))

  it.live("a stream that drips for too long is a failure, and closed", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/drip?millis=20"))
      assert.strictEqual(limitOf(yield* Effect.exit(Stream.runDrain(response.stream))), "body")
      yield* settled(response.url, { failed: 1 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu(client, { timeLimits: { body: "300 millis" } })))

  it.live("a stream is waited for no longer than for a whole body, however long it may be silent", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/hang-chunked"))
      assert.strictEqual(limitOf(yield* Effect.exit(Stream.runDrain(response.stream))), "body")
      yield* settled(response.url, { failed: 1 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu(client, { timeLimits: { body: "100 millis", bodyIdle: "2 seconds" } })))

  it.live("a second reader who finds it taken says nothing of the dependency", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/drip?millis=5"))
      let pieces = 0
      const reading = yield* Effect.forkChild(
        Stream.runForEach(Stream.take(response.stream, 10), () => Effect.sync(() => void pieces++))
      )
      assert.isTrue(yield* until(() => pieces > 1))
      const second = yield* Effect.forkChild(Effect.exit(response.text))
      const third = yield* Effect.forkChild(Effect.exit(Stream.runDrain(response.stream)))
      yield* Fiber.join(reading)
      yield* settled(response.url, { succeeded: 1 })
      yield* Fiber.interruptAll([second, third])
    }).pipe(inSitu(client)))

  it.live("who has read enough of a stream had a success, and its connection is closed", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/drip?millis=5"))
      assert.strictEqual((yield* Stream.runCollect(Stream.take(response.stream, 1))).length, 1)
      yield* settled(response.url, { succeeded: 1 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu(client)))

  it.live("a reader that takes its time is not the dependency's", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/large?bytes=300000"))
      // The pause is longer than a stream may be silent, and than a body may take.
      const bytes = yield* Stream.runFoldEffect(
        Stream.rechunk(response.stream, 1),
        () => 0,
        (sum, chunk) =>
          sum === 0
            ? Effect.as(
              Effect.andThen(Effect.sleep("700 millis"), settled(response.url, { succeeded: 1 })),
              chunk.length
            )
            : Effect.succeed(sum + chunk.length)
      )
      assert.strictEqual(bytes, 300_000)
      yield* settled(response.url, { succeeded: 1 })
    }).pipe(inSitu(client, { timeLimits: { bodyIdle: "500 millis", body: "600 millis", unread: "50 millis" } })))

  it.live("a reader that is interrupted says nothing, and the connection is closed", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/hang-body"))
      const fiber = yield* Effect.forkChild(response.text)
      yield* Effect.sleep("30 millis")
      yield* Fiber.interrupt(fiber)
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
      // Counted nowhere, not even among the ignored.
      yield* settled(response.url, {})
    }).pipe(inSitu(client)))

  it.live("a reader has its time limit, also after another one went", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      // With a scope of its own, a response stays open when one of its readers is interrupted.
      const scoped = HttpClient.withScope(yield* GuardedHttpClient)
      const response = yield* scoped.get(upstream.url("/hang-body"))
      const patient = yield* Effect.forkChild(Effect.exit(response.text), { startImmediately: true })
      const other = yield* Effect.forkChild(response.text, { startImmediately: true })
      yield* Effect.sleep("30 millis")
      yield* Fiber.interrupt(other)
      assert.strictEqual(limitOf(yield* Fiber.join(patient)), "body")
    }).pipe(inSitu(client, { timeLimits: { body: "300 millis" } })))

  it.live("a body that nobody reads is a success after a while, and can still be read", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/ok"))
      yield* settled(response.url, { succeeded: 1 })
      assert.strictEqual(yield* response.text, `{"status":200}`)
      yield* settled(response.url, { succeeded: 1 })
    }).pipe(inSitu(client, { timeLimits: { unread: "50 millis" } })))

  it.live("the body of a failing status has limits, too", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push((_, response) => {
        response.writeHead(500, { "content-length": "100" })
        response.write("oh")
      })
      const response = yield* get(upstream.url("/"))
      assert.strictEqual(limitOf(yield* Effect.exit(response.text)), "body")
      yield* settled(response.url, { failed: 1 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu(client, { timeLimits: { body: "300 millis" } })))

  it.live("interrupting a call closes its connection, and counts as nothing", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const fiber = yield* Effect.forkChild(text(upstream.url("/hang")))
      assert.isTrue(yield* until(() => upstream.requests.length === 1))
      yield* Fiber.interrupt(fiber)
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
      yield* settled(upstream.url("/hang"), {})
    }).pipe(inSitu(client)))
})

describe("the body of an answer", () => {
  it.live("a probe closes its circuit when its body is whole, not with its headers", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      yield* text(upstream.url("/status?code=500"))
      yield* Effect.sleep("60 millis")
      const response = yield* get(upstream.url("/ok"))
      assert.strictEqual((yield* stateOf(upstream.url("/"))).phase, "HalfOpen")
      yield* response.text
      assert.strictEqual((yield* stateOf(upstream.url("/"))).phase, "Closed")
    }).pipe(Effect.provide(guarded({
      policy: { timeLimits: { unread: "10 seconds" } },
      breaker: { tripRule: TripRule.consecutive(1), openDuration: "50 millis" }
    }))))

  it.live("a probe whose body breaks off opens its circuit again", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      yield* text(upstream.url("/status?code=500"))
      yield* Effect.sleep("60 millis")
      yield* Effect.flip(text(upstream.url("/truncated")))
      const state = yield* stateOf(upstream.url("/"))
      assert.deepStrictEqual([state.phase, state.consecutiveOpenings], ["Open", 2])
    }).pipe(Effect.provide(guarded({ breaker: { tripRule: TripRule.consecutive(1), openDuration: "50 millis" } }))))

  it.live("a whole body that is no JSON says nothing against the dependency", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/no-json"))
      yield* Effect.flip(response.json)
      yield* settled(response.url, { succeeded: 1 })
    }).pipe(inSitu("undici")))

  it.live("a body that is longer than its reader takes says nothing against the dependency", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/large"))
      const read = Effect.provideService(response.text, HttpIncomingMessage.MaxBodySize, ByteSize.bytes(10))
      assert.strictEqual(kindOf(yield* Effect.flip(read)), "DecodeError")
      yield* settled(response.url, { succeeded: 1 })
      // Of the clients, this one looks at it.
    }).pipe(inSitu("node:http")))

  it.live("settles with the headers where a policy says so", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* get(upstream.url("/truncated"))
      assert.deepStrictEqual(yield* countsOf(response.url), { ...none, succeeded: 1 })
      yield* Effect.flip(response.text)
      yield* settled(response.url, { succeeded: 1 })
    }).pipe(inSitu("undici", { settleOn: "headers" })))

  it.live("a HEAD has none", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const client = yield* GuardedHttpClient
      yield* client.head(upstream.url("/ok"))
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, succeeded: 1 })
    }).pipe(inSitu("undici")))

  // `fetch` follows redirects by itself.
  it.live.each(clientNames.filter((name) => name !== "fetch"))(
    "that of a redirect is closed by who follows it, over %s",
    (client) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        upstream.next.push((_, response) => {
          response.writeHead(302, { location: "/ok" })
          response.write("moved")
        })
        const following = HttpClient.followRedirects(yield* GuardedHttpClient)
        const response = yield* following.get(upstream.url("/old"))
        assert.strictEqual(yield* response.text, `{"status":200}`)
        assert.isTrue(yield* until(() => upstream.underWay === 0))
        yield* settled(response.url, { succeeded: 2 })
      }).pipe(inSitu(client))
  )

  it.live("all of a call may have a limit", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const began = performance.now()
      const url = upstream.url("/hang-body")
      assert.strictEqual(limitOf(yield* Effect.exit(text(url))), "call")
      assert.strictEqual(limitOf(yield* Effect.exit(text(upstream.url("/hang")))), "call")
      assert.isBelow(performance.now() - began, 10_000)
      yield* settled(url, { failed: 2 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(inSitu("undici", { timeLimits: { call: "80 millis" } })))

  it.live("calls that are under way when their client ends are ended, and their connections closed", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const calls = Effect.gen(function*() {
        const held = yield* get(upstream.url("/hang-body"))
        const reading = yield* get(upstream.url("/hang-body"))
        const fibers = [yield* Effect.forkDetach(text(upstream.url("/hang"))), yield* Effect.forkDetach(reading.text)]
        yield* Effect.sleep("50 millis")
        return { held, fibers }
      })
      const { fibers } = yield* calls.pipe(Effect.provide(guarded()))
      for (const fiber of fibers) assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }))
})

describe("a client that hangs", () => {
  it.live("is let go when the scope of its guard ends", () =>
    Effect.gen(function*() {
      const hung = HttpClient.make(() => Effect.never)
      const fiber = yield* Effect.provide(
        Effect.tap(Effect.forkDetach(text("http://hung.example/")), () => Effect.sleep("10 millis")),
        guardedOver(hung)
      )
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
    }))
})

describe("classifyBody", () => {
  const policy: HttpPolicy.HttpPolicy = {
    classifyBody: (_, body) => body.includes("degraded") ? Outcome.failure() : Outcome.success
  }

  it.live("a 200 that says it is degraded is a failure", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const degraded = (_: unknown, response: { end: (text: string) => void }) => response.end(`{"status":"degraded"}`)
      upstream.next.push(degraded)
      const response = yield* get(upstream.url("/ok"))
      assert.deepStrictEqual(yield* response.json, { status: "degraded" })
      yield* settled(response.url, { failed: 1 })
      yield* text(upstream.url("/ok"))
      yield* settled(response.url, { failed: 1, succeeded: 1 })
    }).pipe(inSitu("undici", policy)))

  it.live("a body that is read as a stream is not looked at", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push((_, response) => response.end("degraded"))
      const response = yield* get(upstream.url("/ok"))
      yield* Stream.runDrain(response.stream)
      yield* settled(response.url, { succeeded: 1 })
    }).pipe(inSitu("undici", policy)))

  it.live("if it throws, the call is ignored, its reader has the body, and an event tells", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const breaker = yield* CircuitBreaker
      const events = yield* Effect.forkChild(
        breaker.events.pipe(Stream.filter(({ _tag }) => _tag === "ClassifierFailed"), Stream.take(1), Stream.runDrain),
        { startImmediately: true }
      )
      assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
      yield* Fiber.join(events)
      yield* settled(upstream.url("/ok"), { ignored: 1 })
    }).pipe(inSitu("undici", {
      classifyBody: () => {
        throw new Error("a bug")
      }
    })))
})

describe("a classifier of a program's own", () => {
  it.live("judges the headers", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      yield* text(upstream.url("/ok"))
      yield* settled(upstream.url("/ok"), { failed: 1 })
    }).pipe(inSitu("undici", { classify: () => Outcome.failure() })))

  it.live("if it throws, the call dies with it, and is ignored", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const exit = yield* Effect.exit(text(upstream.url("/ok")))
      assert.isTrue(exit._tag === "Failure" && Cause.hasDies(exit.cause))
      yield* settled(upstream.url("/ok"), { ignored: 1 })
    }).pipe(inSitu("undici", {
      classify: () => {
        throw new Error("a bug")
      }
    })))
})

describe("the time that is left for a body", () => {
  it.effect("is what a stream's reader has not waited yet", () => {
    let source: ReadableStreamDefaultController<Uint8Array> | undefined
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (source = controller) })
    const client = HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, new Response(body))))
    return Effect.gen(function*() {
      const response = yield* get("http://quotes.example/latest")
      let pieces = 0
      const reading = yield* Effect.forkChild(
        Stream.runForEach(response.stream, () => Effect.sync(() => void pieces++)),
        { startImmediately: true }
      )
      yield* TestClock.adjust("8 seconds")
      source?.enqueue(new Uint8Array(1))
      assert.isTrue(yield* TestClock.withLive(until(() => pieces === 1)))
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(reading.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(limitOf(yield* Fiber.await(reading)), "body")
    }).pipe(
      Effect.provide(guardedOver(client, { policy: { timeLimits: { body: "10 seconds", bodyIdle: "9 seconds" } } }))
    )
  })
})
