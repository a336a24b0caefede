import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, RetryBudget, TripRule } from "@reclose/core"
import { GuardedHttpClient, HttpRetry, TimeLimits } from "@reclose/http"
import { Effect, Exit, Fiber, Layer, Stream } from "effect"
import { HttpBody, HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { clients, countsOf, guarded, guardedBy, guardedOver, text } from "./clients.ts"
import { makeUpstream, status, until } from "./Upstream.ts"

const quick = { delay: "1 millis", jitter: 0 } as const

const execute = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(GuardedHttpClient, (client) => client.execute(request))

/** A client that answers one status after the other, and the last one for ever. */
const answering = (...statuses: ReadonlyArray<readonly [number, Record<string, string>?]>) => {
  const sent: Array<number> = []
  const client = HttpClient.make((request) =>
    Effect.map(Effect.clockWith((clock) => clock.currentTimeMillis), (now) => {
      const [status, headers] = statuses[Math.min(sent.length, statuses.length - 1)] ?? [200]
      sent.push(now)
      return HttpClientResponse.fromWeb(request, new Response(null, { status, headers: headers ?? {} }))
    })
  )
  return { sent, client }
}

/** A client that takes whatever is no success for an error. */
const strict = Layer.provide(
  Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, HttpClient.filterStatusOk)),
  clients.undici
)

const url = "http://upstream.example/"

describe("HttpRetry.isRepeatable", () => {
  const bodies = {
    none: HttpBody.empty,
    text: HttpBody.text("a"),
    bytes: HttpBody.uint8Array(new Uint8Array(1)),
    stream: HttpBody.stream(Stream.empty),
    form: HttpBody.formData(new FormData()),
    "raw text": HttpBody.raw("a"),
    "raw stream": HttpBody.raw(new ReadableStream())
  }
  const may = (
    method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE" | "HEAD" | "OPTIONS" | "QUERY",
    body: HttpBody.HttpBody
  ) => HttpRetry.isRepeatable(HttpClientRequest.setBody(HttpClientRequest.make(method)(url), body))

  it.each(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "QUERY"] as const)("%s is", (method) => {
    assert.isTrue(may(method, HttpBody.empty))
  })

  it.each(["POST", "PATCH"] as const)("%s is not, unless a key or a policy says so", (method) => {
    const request = HttpClientRequest.make(method)(url)
    assert.isFalse(HttpRetry.isRepeatable(request))
    assert.isTrue(HttpRetry.isRepeatable(HttpClientRequest.setHeader(request, "Idempotency-Key", "1")))
    assert.isTrue(HttpRetry.isRepeatable(request, { unsafe: true }))
  })

  it.each(Object.entries(bodies))("a PUT with a body of %s is, unless it can be read once only", (name, body) => {
    assert.strictEqual(may("PUT", body), !name.includes("stream"))
  })

  it("nothing makes a stream readable twice", () => {
    const request = HttpClientRequest.setBody(HttpClientRequest.put(url), bodies.stream)
    assert.isFalse(HttpRetry.isRepeatable(request, { unsafe: true }))
  })
})

describe("retries", () => {
  it.live("a failure is tried again, each time as a call of its own", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(status(503), status(500))
      assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
      assert.strictEqual(upstream.requests.length, 3)
      assert.deepInclude(yield* countsOf(upstream.url("/")), { succeeded: 1, failed: 2 })
    }).pipe(Effect.provide(guarded({ policy: { retry: quick } }))))

  it.live("inside the breaker, all attempts are one call", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(status(503), status(500))
      assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
      assert.strictEqual(upstream.requests.length, 3)
      assert.deepInclude(yield* countsOf(upstream.url("/")), { succeeded: 1, failed: 0 })
    }).pipe(Effect.provide(guarded({ policy: { retry: { ...quick, place: "inside" } } }))))

  it.live("inside the breaker, each attempt has its own limits, and a body that breaks off still counts", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(() => {})
      const error = yield* Effect.flip(text(upstream.url("/hang-body")))
      assert.strictEqual(TimeLimits.fromError(error)?.limit, "body")
      assert.strictEqual(upstream.requests.length, 2)
      assert.deepInclude(yield* countsOf(upstream.url("/")), { succeeded: 0, failed: 1 })
      assert.isTrue(yield* until(() => upstream.sockets.size === 0))
    }).pipe(Effect.provide(guarded({
      policy: { timeLimits: { headers: "700 millis", body: "300 millis" }, retry: { ...quick, place: "inside" } }
    }))))

  it.live("the last answer is the caller's, body and all", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const response = yield* execute(HttpClientRequest.get(upstream.url("/status?code=503")))
      assert.strictEqual(response.status, 503)
      assert.strictEqual(yield* response.text, `{"status":503}`)
      assert.strictEqual(upstream.requests.length, 3)
    }).pipe(Effect.provide(guarded({ policy: { retry: quick } }))))

  it.live.each<[string, Layer.Layer<HttpClient.HttpClient>]>([
    ["that nobody wants", clients.undici],
    ["that the client takes for errors", strict]
  ])("answers %s give their connection back", ([, client]) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      // Longer than what a client takes in by itself: if nobody reads it, it never ends.
      const long = status(503, {}, "x".repeat(10_000_000))
      upstream.next.push(long, long)
      assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
      assert.strictEqual(upstream.requests.length, 3)
      assert.isTrue(yield* until(() => upstream.underWay === 0))
    }).pipe(
      Effect.provide(guardedBy(client, { policy: { retry: quick }, breaker: { tripRule: TripRule.consecutive(100) } }))
    ))

  it.live("who goes while waiting for one leaves no connection behind", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(status(503, {}, "x".repeat(10_000_000)))
      const fiber = yield* Effect.forkChild(text(upstream.url("/ok")))
      while ((yield* countsOf(upstream.url("/"))).failed === 0) yield* Effect.sleep("5 millis")
      yield* Fiber.interrupt(fiber)
      assert.isTrue(yield* until(() => upstream.underWay === 0))
      assert.strictEqual(upstream.requests.length, 1)
    }).pipe(Effect.provide(guarded({ policy: { retry: { delay: "1 minute", maxDelay: "1 minute" } } }))))

  it.effect("none is sent once the client has ended, since nobody would watch its time", () =>
    Effect.gen(function*() {
      const { client, sent } = answering([503])
      const fiber = yield* Effect.gen(function*() {
        const fiber = yield* Effect.forkDetach(text(url), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        return fiber
      }).pipe(
        Effect.provide(
          guardedOver(client, { policy: { retry: { delay: "1 minute", maxDelay: "1 minute", jitter: 0 } } })
        )
      )
      yield* TestClock.adjust("2 minutes")
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      assert.deepStrictEqual(sent, [0])
    }))

  it.live("no connection and a time limit are tried again", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push((request) => void request.socket.resetAndDestroy(), () => {})
      assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
    }).pipe(Effect.provide(guarded({ policy: { retry: quick, timeLimits: { headers: "700 millis" } } }))))

  it.live("what says nothing against the dependency is not", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      yield* text(upstream.url("/status?code=404"))
      yield* text(upstream.url("/status?code=301"))
      assert.strictEqual(upstream.requests.length, 2)
    }).pipe(Effect.provide(guarded({ policy: { retry: quick } }))))

  it.live("what a classifier calls a failure is", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      yield* text(upstream.url("/status?code=404"))
      assert.strictEqual(upstream.requests.length, 3)
    }).pipe(Effect.provide(guarded({ policy: { retry: quick, classify: { statuses: { "404": "Failure" } } } }))))

  it.live("a POST is sent once", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      yield* execute(HttpClientRequest.post(upstream.url("/status?code=503")))
      assert.strictEqual(upstream.requests.length, 1)
      yield* execute(
        HttpClientRequest.post(upstream.url("/status?code=503")).pipe(
          HttpClientRequest.setHeader("idempotency-key", "1")
        )
      )
      assert.strictEqual(upstream.requests.length, 4)
    }).pipe(Effect.provide(guarded({ policy: { retry: quick } }))))

  it.live("a circuit that opens ends them", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const error = yield* Effect.flip(text(upstream.url("/status?code=503")))
      assert.strictEqual(error._tag, "CircuitOpen")
      assert.strictEqual(upstream.requests.length, 1)
    }).pipe(Effect.provide(guarded({ policy: { retry: quick }, breaker: { tripRule: TripRule.consecutive(1) } }))))

  it.live("a circuit is waited for if asked", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(status(503))
      assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
      assert.strictEqual(upstream.requests.length, 2)
    }).pipe(Effect.provide(guarded({
      policy: { retry: { ...quick, waitForCircuit: "1 second" } },
      breaker: { tripRule: TripRule.consecutive(1), openDuration: "50 millis" }
    }))))

  it.live("a request that is not guarded is sent once", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      yield* text(upstream.url("/status?code=503"))
      assert.strictEqual(upstream.requests.length, 1)
      assert.deepStrictEqual(yield* Effect.flatMap(CircuitBreaker, ({ list }) => list), [])
    }).pipe(Effect.provide(guarded({ policy: { retry: quick, key: () => undefined } }))))
})

describe("the time of retries", () => {
  const under = (policy: HttpRetry.RetryPolicy, client: HttpClient.HttpClient, steps: number) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(text(url), { startImmediately: true })
      for (let i = 0; i < steps; i++) yield* TestClock.adjust("100 millis")
      return yield* Fiber.join(fiber)
    }).pipe(Effect.provide(guardedOver(client, { policy: { retry: policy } })))

  it.effect("grows up to its bound", () =>
    Effect.gen(function*() {
      const { client, sent } = answering([503])
      yield* under({ times: 4, delay: "100 millis", maxDelay: "300 millis", jitter: 0 }, client, 20)
      assert.deepStrictEqual(sent, [0, 100, 300, 600, 900])
    }))

  it.effect("is as long as Retry-After asks for", () =>
    Effect.gen(function*() {
      const { client, sent } = answering([429, { "retry-after": "2" }], [200])
      yield* under({}, client, 30)
      assert.deepStrictEqual(sent, [0, 2_000])
    }))

  it.effect("is none if Retry-After asks for too much", () =>
    Effect.gen(function*() {
      const { client, sent } = answering([503, { "retry-after": "11" }], [200])
      yield* under({}, client, 1)
      assert.deepStrictEqual(sent, [0])
    }))

  it.effect("is shorter by the jitter at most", () =>
    Effect.gen(function*() {
      const { client, sent } = answering([503])
      yield* under({ times: 3, delay: "1 second", factor: 1, jitter: 0.5 }, client, 40)
      const waits = sent.slice(1).map((at, i) => at - (sent[i] ?? 0))
      // The clock moves by 100 milliseconds.
      assert.isTrue(waits.length === 3 && waits.every((wait) => wait >= 500 && wait <= 1_000), String(waits))
    }))
})

describe("the budget of retries", () => {
  it.live("bounds their share, however many callers retry", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      yield* Effect.all(Array.from({ length: 100 }, () => text(upstream.url("/status?code=503"))), { concurrency: 10 })
      // A fifth of a hundred calls, and the retries that each call would have had are not made.
      assert.isAtMost(upstream.requests.length, 120)
      assert.isAtLeast(upstream.requests.length, 110)
    }).pipe(Effect.provide(guarded({
      policy: { retry: { ...quick, budget: { ratio: 0.2, minimumPerSecond: 0 } } },
      breaker: { tripRule: TripRule.consecutive(1_000) }
    }))))

  it.live("is that of the program, if it has one", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      yield* text(upstream.url("/status?code=503"))
      assert.strictEqual(upstream.requests.length, 1)
      const budget = yield* RetryBudget
      assert.deepInclude(yield* budget.state(new URL(upstream.url("/")).origin), { calls: 1, retries: 0, refused: 1 })
    }).pipe(
      Effect.provide(
        guarded({ policy: { retry: quick } }).pipe(
          Layer.provideMerge(RetryBudget.layer({ ratio: 0, minimumPerSecond: 0 }))
        )
      )
    ))
})
