import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, LastGoodStore, Outcome, TripRule } from "@reclose/core"
import { GuardedHttpClient, HttpBreaker, type HttpPolicy, StaleAnswer } from "@reclose/http"
import { Effect, Fiber, Layer, Stream } from "effect"
import { HttpClient, type HttpClientError, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { KeyValueStore } from "effect/persistence"
import { TestClock } from "effect/testing"
import { clientNames, clients, guarded, guardedBy } from "./clients.ts"
import { type Answer, makeUpstream, status, until, type Upstream } from "./Upstream.ts"

const send = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(GuardedHttpClient, (client) => client.execute(request))

/** Sends a request, reads its answer, and says how stale that is. */
const answerOf = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.gen(function*() {
    const response = yield* send(request)
    const text = yield* response.text
    return { text, stale: StaleAnswer.staleSeconds(response), status: response.status, headers: response.headers }
  })

const get = (url: string, headers: Record<string, string> = {}) =>
  HttpClientRequest.get(url).pipe(HttpClientRequest.setHeaders(headers))

const trip = (upstream: Upstream) =>
  Effect.flatMap(CircuitBreaker, (breaker) => breaker.forceOpen(new URL(upstream.url("/")).origin))

const endOf = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.catch(Effect.map(answerOf(request), ({ text }) => text), ({ _tag }) => Effect.succeed(_tag))

const judged = (state: unknown) => state === "degraded" ? Outcome.failure() : Outcome.success

const policy = { stale: { maxAge: "10 minutes" } } as const

const answer = (body: string, headers: Record<string, string> = {}): Answer => status(200, headers, body)

type Reader = (
  response: HttpClientResponse.HttpClientResponse
) => Effect.Effect<unknown, HttpClientError.HttpClientError>

const read: Reader = (response) => response.text

const streamed: Reader = (response) => Stream.runDrain(response.stream)

describe.each(clientNames)("a stale answer, over %s", (client) => {
  it.live("stands in for the fresh one while the circuit is open", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/ok"))
      const fresh = yield* answerOf(request)
      assert.deepInclude(fresh, { text: `{"status":200}`, stale: undefined })
      yield* trip(upstream)
      const stale = yield* answerOf(request)
      assert.deepInclude(stale, { text: `{"status":200}`, stale: 0, status: 200 })
      assert.strictEqual(stale.headers["content-type"], "application/json")
      assert.strictEqual(upstream.requests.length, 1)
    }).pipe(Effect.provide(guarded({ policy, client }))))

  it.live.each(["json", "arrayBuffer", "text"] as const)(
    "is remembered when the body was read as %s",
    (form) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        const request = get(upstream.url("/ok"))
        yield* Effect.flatMap(send(request), (response): Effect.Effect<unknown, unknown> => response[form])
        yield* trip(upstream)
        assert.strictEqual((yield* answerOf(request)).text, `{"status":200}`)
      }).pipe(Effect.provide(guarded({ policy, client })))
  )

  it.live("is remembered when the body was read as a stream, to its end", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const [whole, part] = [get(upstream.url("/large?bytes=50000")), get(upstream.url("/large?bytes=50001"))]
      yield* Effect.flatMap(send(whole), (response) => Stream.runDrain(response.stream))
      yield* Effect.flatMap(send(part), (response) => Stream.runDrain(Stream.take(response.stream, 1)))
      yield* trip(upstream)
      assert.strictEqual((yield* answerOf(whole)).text.length, 50_000)
      assert.strictEqual(yield* endOf(part), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy, client }))))

  it.live.each<readonly [string, Reader, Reader, string]>([
    ["a stream that was read to its end", streamed, streamed, "whole"],
    ["a stream that was read to its end", streamed, read, "whole"],
    ["all of it", read, streamed, "whole"],
    ["a part of it", (response) => Stream.runDrain(Stream.take(response.stream, 1)), read, "CircuitOpen"]
  ])("is none of what is left for who reads after %s", ([, first, second, expected]) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(answer("whole"))
      const response = yield* send(get(upstream.url("/")))
      yield* first(response)
      yield* Effect.exit(second(response))
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(get(upstream.url("/"))), expected)
    }).pipe(Effect.provide(guarded({ client, policy }))))
})

describe("a stale answer", () => {
  it.effect("tells its age, and is served for as long as it may", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(answer("42", { age: "30", connection: "x-hop", "x-hop": "a" }))
      const request = get(upstream.url("/"))
      yield* answerOf(request)
      yield* trip(upstream)
      yield* TestClock.adjust("9 minutes")
      const { headers, stale } = yield* answerOf(request)
      assert.deepStrictEqual([stale, headers["age"], headers["x-hop"]], [540, "570", undefined])
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* endOf(request), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy }))))

  it.live("is that of the same URL, method and reader, and of no other", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const url = upstream.url("/a?x=1")
      upstream.next.push(answer("of one"), answer("of two"), answer("of all"))
      yield* answerOf(get(url, { authorization: "Bearer one" }))
      yield* answerOf(get(url, { authorization: "Bearer two" }))
      yield* answerOf(get(url))
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(get(url, { authorization: "Bearer one" })), "of one")
      assert.strictEqual(yield* endOf(get(url, { authorization: "Bearer two" })), "of two")
      assert.strictEqual(yield* endOf(get(url)), "of all")
      for (
        const other of [
          get(url, { authorization: "Bearer three" }),
          get(url, { cookie: "session=1" }),
          get(url, { accept: "text/html" }),
          get(upstream.url("/a?x=2")),
          HttpClientRequest.head(url),
          HttpClientRequest.post(url)
        ]
      ) assert.strictEqual(yield* endOf(other), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy }))))

  it.live("is none of a question that was asked with a body", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const search = (text: string) => get(upstream.url("/search")).pipe(HttpClientRequest.bodyText(text))
      upstream.next.push(answer("of one"))
      assert.strictEqual(yield* endOf(search("one")), "of one")
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(search("two")), "CircuitOpen")
      assert.strictEqual(yield* endOf(search("one")), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy }))))

  it.live("is another one's where the policy names another header for credentials", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(answer("of one"))
      yield* answerOf(get(upstream.url("/"), { "x-token": "one" }))
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(get(upstream.url("/"), { "x-token": "one" })), "of one")
      assert.strictEqual(yield* endOf(get(upstream.url("/"), { "x-token": "two" })), "CircuitOpen")
      assert.strictEqual(yield* endOf(get(upstream.url("/"))), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy: { ...policy, credentials: { headers: ["X-Token"] } } }))))

  it.live.each<readonly [string, Answer, Record<string, string>]>([
    ["a response says no-store", answer("a", { "cache-control": "private, No-Store" }), {}],
    ["a request says no-store", answer("a"), { "cache-control": "no-store" }],
    ["it varies by something that is not looked at", answer("a", { vary: "Accept, Traceparent" }), {}],
    ["it varies by everything", answer("a", { vary: "*" }), {}],
    ["it is too long", answer("x".repeat(65_537)), {}],
    ["it is none of success", status(404), {}],
    ["it is part of one", status(206), {}]
  ])("is not remembered if %s", ([, upstreamAnswer, headers]) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(upstreamAnswer)
      const request = get(upstream.url("/"), headers)
      yield* answerOf(request)
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(request), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy }))))

  it.live("is remembered if it varies by what is looked at", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(answer("a", { vary: "Accept-Encoding, Accept" }))
      yield* answerOf(get(upstream.url("/")))
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(get(upstream.url("/"))), "a")
    }).pipe(Effect.provide(guarded({ policy }))))

  it.live("is the latest one", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(answer("one"), answer("two"))
      yield* answerOf(get(upstream.url("/")))
      yield* answerOf(get(upstream.url("/")))
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(get(upstream.url("/"))), "two")
    }).pipe(Effect.provide(guarded({ policy }))))

  it.live.each<readonly [string, HttpPolicy.HttpPolicy]>([
    ["its headers", { classify: (exit) => judged(exit._tag === "Success" && exit.value.headers["x-state"]) }],
    ["its body", { classifyBody: (_, body) => judged(body) }],
    ["its body, retried inside", { classifyBody: (_, body) => judged(body), retry: { place: "inside" } }]
  ])("is none that was judged a failure by %s", ([, judging]) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(answer("good"), answer("degraded", { "x-state": "degraded" }))
      assert.strictEqual(yield* endOf(get(upstream.url("/"))), "good")
      assert.strictEqual(yield* endOf(get(upstream.url("/"))), "degraded")
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(get(upstream.url("/"))), "good")
    }).pipe(Effect.provide(guarded({ policy: { ...policy, ...judging } }))))

  it.live("stands in for failures, too, if asked, and only then", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/ok"))
      const ends = (when: "rejected" | "failed") =>
        Effect.gen(function*() {
          yield* answerOf(request)
          upstream.next.push(status(503), (request) => void request.socket.destroy(), status(404))
          return [yield* endOf(request), yield* endOf(request), yield* endOf(request)]
        }).pipe(Effect.provide(guarded({ policy: { stale: { maxAge: "1 minute", when } } })))
      assert.deepStrictEqual(yield* ends("rejected"), [`{"status":503}`, "HttpClientError", `{"status":404}`])
      assert.deepStrictEqual(yield* ends("failed"), [`{"status":200}`, `{"status":200}`, `{"status":404}`])
    }))

  const strict = Layer.provide(
    Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, HttpClient.filterStatusOk)),
    clients.undici
  )

  it.live.each([
    ["an answer", clients.undici] as const,
    ["an answer that the client takes for an error", strict] as const
  ])("frees the connection of what it stands in for: %s", ([, client]) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/ok"))
      yield* answerOf(request)
      // Longer than what a client takes in by itself: if nobody reads it, it never ends.
      upstream.next.push(status(503, {}, "x".repeat(10_000_000)))
      assert.strictEqual((yield* answerOf(request)).stale, 0)
      assert.isTrue(yield* until(() => upstream.underWay === 0))
    }).pipe(Effect.provide(guardedBy(client, {
      policy: { stale: { maxAge: "1 minute", when: "failed" } },
      breaker: { tripRule: TripRule.consecutive(100) }
    }))))

  it.live("leaves no connection behind when who waits for it goes", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      let isAsked = false
      const lastGood = {
        remember: () => Effect.void,
        forget: () => Effect.void,
        recall: () => Effect.andThen(Effect.sync(() => void (isAsked = true)), Effect.never),
        flush: Effect.void
      }
      // Held, or the garbage collector would close it.
      const held: Array<HttpClientResponse.HttpClientResponse> = []
      const holding = Layer.provide(
        Layer.effect(
          HttpClient.HttpClient,
          Effect.map(HttpClient.HttpClient, HttpClient.tap((response) => Effect.sync(() => void held.push(response))))
        ),
        clients.undici
      )
      upstream.next.push(status(503, {}, "x".repeat(10_000_000)))
      yield* Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(answerOf(get(upstream.url("/"))))
        assert.isTrue(yield* until(() => isAsked))
        yield* Fiber.interrupt(fiber)
        assert.isTrue(yield* until(() => upstream.underWay === 0))
        assert.strictEqual(held.length, 1)
      }).pipe(
        Effect.provide(guardedBy(holding, { policy: { stale: { maxAge: "1 minute", when: "failed", lastGood } } }))
      )
    }), 15_000)

  it.live("may outlive its process, in a store", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/ok"))
      const processOf = <A, E>(program: Effect.Effect<A, E, GuardedHttpClient | CircuitBreaker>) =>
        Effect.scoped(Effect.gen(function*() {
          const store = yield* KeyValueStore.KeyValueStore
          const lastGood = yield* LastGoodStore.make({ store, schema: StaleAnswer.schema })
          const http = guardedBy(clients.undici, { policy: { stale: { maxAge: "1 minute", lastGood } } })
          return yield* Effect.provide(program, http, { local: true })
        }))
      yield* processOf(answerOf(request))
      yield* processOf(Effect.gen(function*() {
        yield* trip(upstream)
        assert.deepInclude(yield* answerOf(request), { text: `{"status":200}`, stale: 0 })
      }))
    }).pipe(Effect.provide(KeyValueStore.layerMemory)))

  it.effect("a policy without maxAge is a mistake", () =>
    Effect.gen(function*() {
      // What TypeScript forbids, JSON may bring.
      const stale = {} as StaleAnswer.StalePolicy
      const error = yield* Effect.flip(Layer.build(
        HttpBreaker.layer({ stale }).pipe(
          Layer.provide(clients.undici),
          Layer.provide(guarded())
        )
      ))
      assert.deepStrictEqual(error.issues.map(({ field }) => field), ["stale.maxAge"])
    }))
})
