/** What a refusal, a write or another answer takes back is served no more. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, LastGoodStore, TripRule } from "@reclose/core"
import { type GuardedHttpClient, StaleAnswer } from "@reclose/http"
import { Effect, Layer } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { TestStore } from "../../core/test/fallback/support.ts"
import { clients, guarded, guardedBy, guardedOver } from "./clients.ts"
import { again, endOf, get, mend, ok, policy, send, trip } from "./stale.ts"
import { type Answer, makeUpstream, status } from "./Upstream.ts"

describe("a stale response of what is refused or gone", () => {
  it.live.each([401, 403, 404, 410, 402, 451, 400])("is not served after a %s", (code) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/"))
      upstream.next.push(ok("the secret"), status(code))
      yield* endOf(request)
      yield* endOf(request)
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(request), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy }))))

  it.live.each([401, 404])("is not served in place of a %s that counts as a failure", (code) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/"))
      upstream.next.push(ok("the secret"), status(code), status(503))
      assert.strictEqual(yield* endOf(request), "the secret")
      assert.strictEqual(yield* endOf(request), `{"status":${code}}`)
      assert.strictEqual(yield* endOf(request), `{"status":503}`)
    }).pipe(Effect.provide(guarded({
      policy: { stale: { maxAge: "1 minute", when: "failed" }, classify: { statuses: { [code]: "Failure" } } }
    }))))

  it.live.each([["GET", "HEAD"], ["HEAD", "GET"]] as const)(
    "is not served to a %s after a refusal of a %s",
    ([kept, refused]) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        const request = (method: "GET" | "HEAD") => HttpClientRequest.make(method)(upstream.url("/"))
        upstream.next.push(ok("the secret"), status(404))
        yield* endOf(request(kept))
        yield* endOf(request(refused))
        yield* trip(upstream)
        assert.strictEqual(yield* endOf(request(kept)), "CircuitOpen")
      }).pipe(Effect.provide(guarded({ policy })))
  )

  it.live("is not served after a refusal that the client takes for an error", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/"))
      upstream.next.push(ok("the secret"), status(403))
      yield* endOf(request)
      assert.strictEqual(yield* endOf(request), "HttpClientError")
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(request), "CircuitOpen")
    }).pipe(Effect.provide(guardedBy(
      Layer.provide(
        Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, HttpClient.filterStatusOk)),
        clients.undici
      ),
      { policy }
    ))))

  it.live("is not served while the circuit of its credential is open, for no resource of it", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = (path: string) => get(upstream.url(path), { authorization: "Bearer revoked" })
      upstream.next.push(ok("the secret"), ok("another secret"), status(401), status(401), status(401))
      yield* endOf(request("/a"))
      yield* endOf(request("/b"))
      for (let i = 0; i < 3; i++) yield* endOf(request("/a"))
      assert.strictEqual(yield* endOf(request("/a")), "CircuitOpen")
      assert.strictEqual(yield* endOf(request("/b")), "CircuitOpen")
    }).pipe(Effect.provide(guarded({
      policy: { credentials: {}, stale: { maxAge: "1 minute", when: "failed" } },
      breaker: { keys: { "credential:*": { tripRule: TripRule.consecutive(3) } } }
    }))))

  it.live.each<readonly [string, Answer]>([
    ["a redirect to a login", status(302, { location: "/login" })],
    ["a 204", (_, response) => void response.writeHead(204).end()],
    ["a 200 that must not be stored", ok("x", { "cache-control": "no-store" })],
    ["a 200 that is private", ok("x", { "cache-control": "private" })]
  ])("is not served after %s took its place", ([, answer]) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/"))
      upstream.next.push(ok("before"), answer)
      yield* endOf(request)
      yield* endOf(request)
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(request), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy }))))

  it.live.each([304, 408, 425, 429, 500, 503])(
    "is served after a %s, which takes nothing back",
    (code) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        const request = get(upstream.url("/"))
        upstream.next.push(ok("before"), status(code, {}, code === 304 ? "" : "x"))
        yield* endOf(request)
        yield* endOf(request)
        yield* trip(upstream)
        assert.strictEqual(yield* endOf(request), "before")
      }).pipe(Effect.provide(guarded({ policy })))
  )

  it.live.each(["DELETE", "PUT", "PATCH", "POST"] as const)(
    "is not served after a %s of its resource, to no caller, and later ones are",
    (method) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        const url = upstream.url("/a")
        upstream.next.push(ok("mine"), ok("another's"), ok("of /b"))
        yield* endOf(get(url))
        yield* endOf(get(url, { authorization: "Bearer one" }))
        yield* endOf(get(upstream.url("/b")))
        upstream.next.push(status(503), status(200))
        yield* endOf(HttpClientRequest.make(method)(url))
        yield* trip(upstream)
        // The write failed, so nothing changed.
        assert.strictEqual(yield* endOf(get(url)), "mine")
        yield* mend(upstream)
        yield* endOf(HttpClientRequest.make(method)(url))
        yield* trip(upstream)
        assert.strictEqual(yield* endOf(get(url)), "CircuitOpen")
        assert.strictEqual(yield* endOf(get(url, { authorization: "Bearer one" })), "CircuitOpen")
        assert.strictEqual(yield* endOf(get(upstream.url("/b"))), "of /b")
        yield* mend(upstream)
        upstream.next.push(ok("new"))
        assert.strictEqual(yield* again(upstream, get(url)), "new")
      }).pipe(Effect.provide(guarded({ policy })))
  )

  it.effect.each(["memory", "a store"] as const)(
    "stays dropped though more resources are written than are noted, in %s",
    (where) =>
      Effect.gen(function*() {
        const url = (path: string) => `http://a.example/${path}`
        const store = yield* LastGoodStore.make({ store: new TestStore().service, schema: StaleAnswer.schema })
        const lastGood = where === "memory" ? undefined : store
        const client = HttpClient.make((request) =>
          Effect.succeed(HttpClientResponse.fromWeb(request, new Response("ok")))
        )
        yield* Effect.gen(function*() {
          yield* endOf(get(url("dropped")))
          yield* endOf(get(url("kept")))
          yield* endOf(HttpClientRequest.delete(url("dropped")))
          for (let i = 0; i < 10_100; i++) yield* endOf(HttpClientRequest.delete(url(`other/${i}`)))
          yield* Effect.flatMap(CircuitBreaker, ({ forceOpen }) => forceOpen("http://a.example"))
          assert.strictEqual(yield* endOf(get(url("dropped"))), "CircuitOpen")
          // A store may hold answers of any resource, so what can't be told is not served.
          assert.strictEqual(yield* endOf(get(url("kept"))), where === "memory" ? "ok" : "CircuitOpen")
        }).pipe(
          Effect.provide(guardedOver(client, { policy: { stale: { maxAge: "1 minute", maxKeys: 2, lastGood } } }))
        )
      }).pipe(Effect.scoped),
    30_000
  )

  it.effect("is served though thousands of other resources are gone", () =>
    Effect.gen(function*() {
      const url = (path: string) => `http://a.example/${path}`
      const client = HttpClient.make((request) =>
        Effect.succeed(HttpClientResponse.fromWeb(
          request,
          new Response("ok", { status: request.url.endsWith("/there") ? 200 : 404 })
        ))
      )
      yield* Effect.gen(function*() {
        yield* endOf(get(url("there")))
        for (let i = 0; i < 10_100; i++) yield* endOf(get(url(`gone/${i}`)))
        yield* Effect.flatMap(CircuitBreaker, ({ forceOpen }) => forceOpen("http://a.example"))
        assert.strictEqual(yield* endOf(get(url("there"))), "ok")
      }).pipe(Effect.provide(guardedOver(client, { policy: { stale: { maxAge: "1 minute", maxKeys: 2 } } })))
    }), 30_000)

  it.live("is not kept from a response that was sent before the refusal and read after it", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/"))
      upstream.next.push(ok("the secret"), status(401))
      const response = yield* send(request)
      yield* endOf(request)
      assert.strictEqual(yield* response.text, "the secret")
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(request), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy: { ...policy, timeLimits: { unread: "10 seconds" } } }))))

  it.live("is not kept from a response that was sent before a later one and read after it", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/"))
      upstream.next.push(ok("old"), ok("new"))
      const old = yield* send(request)
      assert.strictEqual(yield* endOf(request), "new")
      assert.strictEqual(yield* old.text, "old")
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(request), "new")
    }).pipe(Effect.provide(guarded({ policy: { ...policy, timeLimits: { unread: "10 seconds" } } }))))

  it.live("is dropped from a store, too, so that no other process serves it", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const store = new TestStore()
      const request = get(upstream.url("/"))
      const inProcess = <A, E>(program: Effect.Effect<A, E, GuardedHttpClient | CircuitBreaker>) =>
        Effect.scoped(Effect.gen(function*() {
          const lastGood = yield* LastGoodStore.make({ store: store.service, schema: StaleAnswer.schema })
          const http = guardedBy(clients.undici, { policy: { stale: { maxAge: "1 minute", lastGood } } })
          return yield* Effect.provide(program, http, { local: true })
        }))
      upstream.next.push(ok("the secret"), status(404))
      yield* inProcess(endOf(request))
      yield* inProcess(endOf(request))
      yield* inProcess(Effect.gen(function*() {
        yield* trip(upstream)
        assert.strictEqual(yield* endOf(request), "CircuitOpen")
      }))
      assert.notInclude([...store.held.values()].join(), "body")
    }))
})
