import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitOpen, CircuitStore, Policy, PolicyError, TripRule } from "@reclose/core"
import { HttpBreaker, HttpOutcome, Throttled, TimeLimits } from "@reclose/http"
import { Duration, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { AiError } from "effect/ai"
import { HttpClient, type HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { guarded, guardedOver, text } from "./clients.ts"
import { makeUpstream, status } from "./Upstream.ts"

const answering = (code: number) =>
  HttpClient.make((request) =>
    Effect.succeed(HttpClientResponse.fromWeb(request, new Response(null, { status: code })))
  )

const Breakers = CircuitBreaker.layer({ tripRule: TripRule.consecutive(1) }).pipe(
  Layer.provide(CircuitStore.layerMemory)
)

describe("HttpBreaker.make", () => {
  it.effect("keys are of requests as they are sent", () =>
    Effect.gen(function*() {
      const inner = answering(500).pipe(HttpClient.mapRequest(HttpClientRequest.prependUrl("http://quotes.example/v1")))
      const client = yield* HttpBreaker.make(inner, { key: { routes: ["/v1/:symbol"] } })
      yield* client.get("/ACME")
      const error = yield* Effect.flip(client.get("/INIT"))
      assert.strictEqual(error._tag === "CircuitOpen" && error.key, "http://quotes.example/v1/:symbol")
    }).pipe(Effect.scoped, Effect.provide(Breakers)))

  it.effect("what a client makes of a response is judged", () =>
    Effect.gen(function*() {
      const client = yield* HttpBreaker.make(HttpClient.filterStatusOk(answering(503)))
      assert.strictEqual((yield* Effect.flip(client.get("http://a/")))._tag, "HttpClientError")
      assert.strictEqual((yield* Effect.flip(client.get("http://a/")))._tag, "CircuitOpen")
    }).pipe(Effect.scoped, Effect.provide(Breakers)))

  it.effect("a URL that is none fails by itself, without a circuit", () =>
    Effect.gen(function*() {
      const client = yield* HttpBreaker.make(answering(200))
      const error = yield* Effect.flip(client.get("http://"))
      assert.strictEqual(error._tag === "HttpClientError" && error.reason._tag, "InvalidUrlError")
      assert.deepStrictEqual(yield* Effect.flatMap(CircuitBreaker, ({ list }) => list), [])
    }).pipe(Effect.scoped, Effect.provide(Breakers)))

  it.effect.each(["", "a\n\u0000b", "\ud800", "x".repeat(5_000)])(
    "no key of a function is a defect",
    (key) =>
      Effect.gen(function*() {
        const client = yield* HttpBreaker.make(answering(200), { key: () => key })
        assert.strictEqual((yield* client.get("http://a/")).status, 200)
        const keys = (yield* Effect.flatMap(CircuitBreaker, ({ list }) => list)).map((circuit) => circuit.key)
        assert.isTrue(key === "" ? keys.length === 0 : keys.length === 1 && keys.every(Policy.isKey))
      }).pipe(Effect.scoped, Effect.provide(Breakers))
  )

  it.effect("a client that never answers is given up on, by the clock of the program", () =>
    Effect.gen(function*() {
      const client = yield* HttpBreaker.make(HttpClient.make(() => Effect.never), {
        timeLimits: { headers: "7 seconds" }
      })
      const fiber = yield* Effect.forkChild(Effect.flip(client.get("http://user:secret@a/?token=secret")))
      yield* TestClock.adjust("6999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, TimeLimits.TimeLimitExceeded)
      assert.deepStrictEqual(error.duration, Duration.seconds(7))
      assert.strictEqual(
        error.message,
        `GET http://REDACTED:REDACTED@a/ sent no response headers within 7s: if it may take longer, raise the time limit "headers"`
      )
      assert.strictEqual((yield* Effect.flip(client.get("http://a/")))._tag, "CircuitOpen")
    }).pipe(Effect.scoped, Effect.provide(Breakers)))

  it.effect("waits of many calls end each at its time", () =>
    Effect.gen(function*() {
      const client = yield* HttpBreaker.make(HttpClient.make(() => Effect.never), {
        timeLimits: { headers: "1 second" },
        key: () => undefined
      })
      const ended: Array<number> = []
      for (let i = 0; i < 5; i++) {
        yield* Effect.forkChild(
          Effect.andThen(Effect.flip(client.get(`http://a/${i}`)), Effect.sync(() => ended.push(i))),
          { startImmediately: true }
        )
        yield* TestClock.adjust("100 millis")
      }
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(ended, [0])
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(ended, [0, 1, 2])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(ended, [0, 1, 2, 3, 4])
    }).pipe(Effect.scoped, Effect.provide(Breakers)))
})

describe("HttpBreaker.layer", () => {
  it.live("guards programs that know of no guard", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(status(500))
      assert.strictEqual((yield* HttpClient.get(upstream.url("/ok"))).status, 500)
      const error = yield* Effect.flip(HttpClient.get(upstream.url("/ok")))
      assert.strictEqual(error._tag, "HttpClientError")
      assert.strictEqual(error.reason._tag, "EncodeError")
      assert.match(error.message, /^Circuit ".*" is open; .* \(GET http.*\)$/)
      assert.strictEqual(HttpBreaker.guardError(error)?._tag, "CircuitOpen")
      assert.strictEqual(upstream.requests.length, 1)
    }).pipe(Effect.provide(guarded({ breaker: { tripRule: TripRule.consecutive(1) } }))))

  it.live("both of its services are one client with one set of circuits", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(status(500))
      yield* HttpClient.get(upstream.url("/ok"))
      assert.strictEqual((yield* Effect.flip(text(upstream.url("/ok"))))._tag, "CircuitOpen")
    }).pipe(Effect.provide(guarded({ breaker: { tripRule: TripRule.consecutive(1) } }))))

  it.effect("a mistake in the policy fails it", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Layer.build(guardedOver(answering(200), { policy: { concurrency: { limit: 0 } } }))
      )
      assert.instanceOf(error, PolicyError)
      assert.deepStrictEqual(error.issues.map(({ field }) => field), ["concurrency.limit"])
    }).pipe(Effect.scoped))
})

describe("Effect's own judgement of what the service HttpClient fails with", () => {
  const thrice = Schedule.recurs(3)

  /** Counts how often the guarded client is asked, retried by Effect. */
  const retried = (url: string) =>
    Effect.gen(function*() {
      let asked = 0
      const client = HttpClient.transformResponse(
        yield* HttpClient.HttpClient,
        (response) => Effect.suspend(() => (asked++, response))
      )
      const error = yield* Effect.flip(HttpClient.retryTransient(client, thrice).get(url))
      return { asked, error }
    })

  const outcomeOf = (error: HttpClientError.HttpClientError) =>
    Effect.map(HttpClient.circuitBreakerClassifier(Exit.fail(error)), ({ _tag }) => _tag)

  it.live("a rejection of an open circuit is neither retried nor counted, and is found inside", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* breaker.forceOpen("http://a.example")
      const { asked, error } = yield* retried("http://a.example/")
      assert.strictEqual(asked, 1)
      assert.isFalse(HttpClient.isTransientError(error))
      assert.strictEqual(yield* outcomeOf(error), "Ignored")
      assert.isFalse(HttpOutcome.classify(Exit.fail(error), 0)._tag === "Failure")
      assert.instanceOf(error.cause, CircuitOpen)
      assert.strictEqual(HttpBreaker.guardError(error), error.cause)
      // As clients of models wrap it.
      assert.isTrue(error.reason._tag === "EncodeError")
      if (error.reason._tag !== "EncodeError") return
      const wrapped = AiError.NetworkError.fromHttpClientError(
        error as HttpClientError.HttpClientError & { readonly reason: HttpClientError.RequestError }
      )
      assert.isFalse(wrapped.isRetryable)
      assert.strictEqual(HttpBreaker.guardError(wrapped)?._tag, "CircuitOpen")
    }).pipe(Effect.provide(guardedOver(answering(200)))))

  it.effect("a guard around it waits for its circuit, and fails with its error as it came", () =>
    Effect.gen(function*() {
      const codes = [500, 200]
      const inner = HttpClient.make((request) =>
        Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(null, { status: codes.shift() ?? 200 })))
      )
      yield* Effect.gen(function*() {
        const guarded = yield* HttpClient.HttpClient
        const outer = (waitForCircuit: Duration.Input) =>
          HttpBreaker.make(guarded, { key: () => "outer", retry: { waitForCircuit } })
        yield* guarded.get("http://a.example/")
        const impatient = yield* Effect.flip((yield* outer("1 second")).get("http://a.example/"))
        assert.strictEqual(impatient._tag, "HttpClientError")
        assert.strictEqual(HttpBreaker.guardError(impatient)?._tag, "CircuitOpen")
        const fiber = yield* Effect.forkChild((yield* outer("1 minute")).get("http://a.example/"), {
          startImmediately: true
        })
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      }).pipe(
        Effect.scoped,
        Effect.provide(guardedOver(inner, {
          breaker: { tripRule: TripRule.consecutive(1), openDuration: "5 seconds" }
        }))
      )
    }))

  it.live("a request that finds no slot is neither retried nor counted", () =>
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      yield* Effect.forkChild(client.get("http://a.example/"), { startImmediately: true })
      const { asked, error } = yield* retried("http://a.example/")
      assert.strictEqual(asked, 1)
      assert.strictEqual(yield* outcomeOf(error), "Ignored")
      assert.strictEqual(HttpBreaker.guardError(error)?._tag, "Throttled")
    }).pipe(Effect.provide(
      guardedOver(HttpClient.make(() => Effect.never), { policy: { concurrency: { limit: 1, maxWait: 0 } } })
    )))

  it.live("a timeout is retried and counted, as of any client", () =>
    Effect.gen(function*() {
      const { asked, error } = yield* retried("http://a.example/")
      assert.strictEqual(asked, 4)
      assert.strictEqual(yield* outcomeOf(error), "Failure")
      assert.strictEqual(HttpBreaker.guardError(error)?._tag, "TimeLimitExceeded")
    }).pipe(Effect.provide(
      guardedOver(HttpClient.make(() => Effect.never), { policy: { timeLimits: { headers: "5 millis" } } })
    )))
})

describe("HttpBreaker.guardError", () => {
  it("knows its own errors as they are, and nothing else", () => {
    const throttled = new Throttled({ key: "a", by: "rateLimit", limit: 1, waited: Duration.zero })
    assert.strictEqual(HttpBreaker.guardError(throttled), throttled)
    assert.isUndefined(HttpBreaker.guardError(new Error("another")))
    assert.isUndefined(HttpBreaker.guardError(undefined))
  })
})
