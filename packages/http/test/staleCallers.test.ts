/** Which caller gets which stale response: its own, and no other's. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker } from "@reclose/core"
import { HttpPolicy, StaleAnswer } from "@reclose/http"
import { Effect } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { clientNames, guarded, guardedOver } from "./clients.ts"
import { again, endOf, get, ok, policy, send, trip } from "./stale.ts"
import { makeUpstream } from "./Upstream.ts"

describe("a stale response goes to no other caller", () => {
  it.live.each([
    "x-auth-token",
    "private-token",
    "x-amz-security-token",
    "x-tenant-id",
    "x-user-id",
    "x-session",
    "x-forwarded-for",
    "x-csrf-token",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
    "apikey",
    "dpop",
    "accept-encoding",
    "user-agent",
    "baggage",
    "an-unheard-of-header"
  ])("whose %s is another one, or is missing", (name) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(ok("of one"))
      const url = upstream.url("/")
      yield* endOf(get(url, { [name]: "one" }))
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(get(url, { [name]: "one" })), "of one")
      assert.strictEqual(yield* endOf(get(url, { [name]: "two" })), "CircuitOpen")
      assert.strictEqual(yield* endOf(get(url)), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy }))))

  it.live("whose URL has another user, or another query", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const url = (user: string, query: string) => upstream.url(`/?q=${query}`).replace("://", `://${user}:x@`)
      const client = yield* HttpClient.HttpClient
      upstream.next.push(ok("of one"))
      yield* Effect.flatMap(client.get(url("one", "1")), (response) => response.text)
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(get(url("one", "1"))), "of one")
      assert.strictEqual(yield* endOf(get(url("two", "1"))), "CircuitOpen")
      assert.strictEqual(yield* endOf(get(url("one", "2"))), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy }))))

  it.live.each(StaleAnswer.harmlessHeaders)(
    "but does to one whose %s differs, as it does for every request",
    (name) =>
      Effect.gen(function*() {
        const url = "http://a.example/"
        const breaker = yield* CircuitBreaker
        yield* endOf(get(url, { [name]: "one" }))
        yield* breaker.forceOpen("http://a.example")
        assert.strictEqual(yield* endOf(get(url, { [name]: "two" })), "ok")
      }).pipe(Effect.provide(guardedOver(
        HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, new Response("ok")))),
        { policy }
      )))
  )

  it.live("where vary names a header of its own, credentials still count", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const url = upstream.url("/")
      upstream.next.push(ok("of one"))
      yield* endOf(get(url, { authorization: "Bearer one", traceparent: "a" }))
      yield* trip(upstream)
      assert.strictEqual(yield* endOf(get(url, { authorization: "Bearer two", traceparent: "a" })), "CircuitOpen")
      assert.strictEqual(yield* endOf(get(url, { authorization: "Bearer one", traceparent: "b" })), "CircuitOpen")
      assert.strictEqual(yield* endOf(get(url, { authorization: "Bearer one", traceparent: "a" })), "of one")
    }).pipe(Effect.provide(guarded({ policy: { stale: { maxAge: "1 minute", vary: ["Traceparent"] } } }))))

  it.live("where ignoreHeaders names what is new for each request, all get it", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(ok("of all"))
      const request = (nonce: string) => get(upstream.url("/"), { "x-nonce": nonce })
      assert.strictEqual(yield* again(upstream, request("1"), request("2")), "of all")
    }).pipe(Effect.provide(guarded({ policy: { stale: { maxAge: "1 minute", ignoreHeaders: ["X-Nonce"] } } }))))

  it.live("whose token is added inside the guard, where the key does not have it", () =>
    Effect.gen(function*() {
      let token = "one"
      const inner = HttpClient.make((request) =>
        Effect.succeed(HttpClientResponse.fromWeb(request, new Response(request.headers["authorization"])))
      )
      const client = HttpClient.transform(inner, (_, request) =>
        inner.execute(HttpClientRequest.bearerToken(request, token)))
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* endOf(get("http://a.example/")), "Bearer one")
        token = "two"
        yield* Effect.flatMap(CircuitBreaker, ({ forceOpen }) =>
          forceOpen("http://a.example"))
        assert.strictEqual(yield* endOf(get("http://a.example/")), "CircuitOpen")
      }).pipe(Effect.provide(guardedOver(client, { policy })))
    }))

  it.live.each<readonly [string, Record<string, string | Array<string>>]>([
    ["private", { "cache-control": "private" }],
    ["private, in capitals and among others", { "cache-control": "max-age=60, PRIVATE , must-revalidate" }],
    ["private for some fields", { "cache-control": "private=\"x-user, x-cart\"" }],
    ["no-store", { "cache-control": "no-store" }],
    ["no-store after a quoted text", { "cache-control": "ext=\"a, b\", no-store" }],
    ["varying by everything, among others", { vary: "accept, *" }],
    ["one that sets a cookie", { "set-cookie": "session=1" }],
    ["one that sets cookies", { "set-cookie": ["a=1", "b=2"] }]
  ])("where it is %s", ([, headers]) =>
    Effect.forEach(clientNames, (client) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        upstream.next.push(ok("of one", headers))
        assert.strictEqual(yield* again(upstream, get(upstream.url("/"))), "CircuitOpen", client)
      }).pipe(Effect.provide(guarded({ client, policy })))))

  it.live.each(["a, no-store=\"b", "x=\"private\", y=\"no-store\""])(
    "and is kept where those words are only quoted: %s",
    (control) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        upstream.next.push(ok("of all", { "cache-control": control }))
        const expected = control.startsWith("a,") ? "CircuitOpen" : "of all"
        assert.strictEqual(yield* again(upstream, get(upstream.url("/"))), expected)
      }).pipe(Effect.provide(guarded({ policy })))
  )

  it.live("is kept for its own caller where storePrivate says so, without its cookies", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/"), { authorization: "Bearer one" })
      upstream.next.push(ok("of one", { "cache-control": "private", "set-cookie": "session=1" }))
      yield* endOf(request)
      yield* trip(upstream)
      const response = yield* send(request)
      assert.strictEqual(yield* response.text, "of one")
      assert.isUndefined(response.headers["set-cookie"])
      assert.strictEqual(yield* endOf(get(upstream.url("/"))), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy: { stale: { maxAge: "1 minute", storePrivate: true } } }))))
})

describe("the policy of what callers may see", () => {
  it.effect("is read from data, with every mistake named", () =>
    Effect.gen(function*() {
      const json = {
        stale: { maxAge: "1 minute", vary: ["traceparent"], ignoreHeaders: ["x-nonce"], storePrivate: true, salt: "s" },
        credentials: { maxKeys: 10, salt: "s" },
        rateLimit: { limit: 1, maxKeys: 10 }
      }
      assert.deepStrictEqual<unknown>(yield* HttpPolicy.fromJson(json), json)
      const error = yield* Effect.flip(HttpPolicy.fromJson({
        stale: { maxAge: "1 minute", ignoreHeaders: [""], storePrivate: "yes", salt: "" },
        credentials: { maxKeys: 0, salt: "" },
        rateLimit: { limit: 1, maxKeys: 0 }
      }))
      assert.deepStrictEqual(error.issues.map(({ field }) => field).sort(), [
        "credentials.maxKeys",
        "credentials.salt",
        "rateLimit.maxKeys",
        "stale.ignoreHeaders.0",
        "stale.salt",
        "stale.storePrivate"
      ])
    }))
})
