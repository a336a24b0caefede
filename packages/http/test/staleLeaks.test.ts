/** What one caller may see of another's, and of yesterday's: nothing that the dependency would not show it. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, LastGoodStore, Outcome, TripRule } from "@reclose/core"
import { GuardedHttpClient, HttpPolicy, StaleAnswer } from "@reclose/http"
import { Duration, Effect, Layer, Stream } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { brotliCompressSync, deflateSync, gunzipSync, gzipSync, zstdCompressSync } from "node:zlib"
import { listen, TestStore, told } from "../../core/test/fallback/support.ts"
import { clientNames, clients, guarded, guardedBy, guardedOver } from "./clients.ts"
import { type Answer, makeUpstream, status, type Upstream } from "./Upstream.ts"

const policy = { stale: { maxAge: "10 minutes" } } as const

const get = (url: string, headers: Record<string, string> = {}) =>
  HttpClientRequest.get(url).pipe(HttpClientRequest.setHeaders(headers))

const send = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(GuardedHttpClient, (client) => client.execute(request))

const textOf = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(send(request), (response) => response.text)

/** The text that a request comes to, or what it fails with. */
const endOf = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.catch(textOf(request), ({ _tag }) => Effect.succeed(_tag))

const originOf = (upstream: Upstream) => new URL(upstream.url("/")).origin

const trip = (upstream: Upstream) => Effect.flatMap(CircuitBreaker, ({ forceOpen }) => forceOpen(originOf(upstream)))

const mend = (upstream: Upstream) => Effect.flatMap(CircuitBreaker, ({ release }) => release(originOf(upstream)))

const ok = (body: string, headers: Record<string, string | Array<string>> = {}): Answer => status(200, headers, body)

/** Sends a request once, and again while the circuit is open: the second end. */
const again = (upstream: Upstream, first: HttpClientRequest.HttpClientRequest, second = first) =>
  Effect.gen(function*() {
    yield* endOf(first)
    yield* trip(upstream)
    return yield* endOf(second)
  })

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

describe.each(clientNames)("a stale body is that of the fresh one, over %s", (client) => {
  const text = "a text that is long enough to be worth it. ".repeat(20)

  const encoded = {
    gzip: gzipSync(text),
    "x-gzip": gzipSync(text),
    deflate: deflateSync(text),
    br: brotliCompressSync(text),
    zstd: zstdCompressSync(text),
    "an-unknown-coding": Buffer.from(text)
  }

  const cases = Object.keys(encoded).flatMap((coding) =>
    (["with its length", "in chunks"] as const).flatMap((framing) =>
      (["whole", "as a stream"] as const).map((form) => [coding, framing, form] as const)
    )
  ) as ReadonlyArray<readonly [keyof typeof encoded, "with its length" | "in chunks", "whole" | "as a stream"]>

  it.live.each(cases)("in %s, sent %s and read %s", ([coding, framing, form]) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const body = encoded[coding]
      const request = get(upstream.url("/"), { "accept-encoding": coding })
      upstream.next.push((_, response) => {
        const length = framing === "in chunks" ? {} : { "content-length": body.byteLength }
        response.writeHead(200, { "content-encoding": coding, vary: "accept-encoding", ...length })
        response.write(body.subarray(0, 20))
        response.end(body.subarray(20))
      })
      const read = (response: HttpClientResponse.HttpClientResponse) =>
        form === "whole"
          ? Effect.map(response.arrayBuffer, (buffer) => Buffer.from(buffer))
          : Effect.map(Stream.runCollect(response.stream), (chunks) => Buffer.concat([...chunks]))
      const response = yield* send(request)
      const fresh = yield* read(response)
      yield* trip(upstream)
      const stale = yield* send(request)
      assert.deepStrictEqual(yield* read(stale), fresh)
      const isDecoded = client === "fetch" && !fresh.equals(body)
      assert.strictEqual(stale.headers["content-encoding"], isDecoded ? undefined : coding)
      if (coding === "gzip") assert.strictEqual(String(isDecoded ? fresh : gunzipSync(fresh)), text)
      const length = framing === "in chunks" || isDecoded ? undefined : String(body.byteLength)
      assert.strictEqual(stale.headers["content-length"], length)
      // In another coding it is another body.
      assert.strictEqual(yield* endOf(get(upstream.url("/"), { "accept-encoding": "identity" })), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ client, policy }))))

  it.live.each(["gzip", "deflate", "br"] as const)(
    "is judged by its text, also in %s",
    (coding) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        const seen: Array<string> = []
        upstream.next.push((_, response) => {
          response.writeHead(200, { "content-encoding": coding })
          response.end(encoded[coding])
        })
        const response = yield* Effect.provide(
          Effect.tap(send(get(upstream.url("/"))), (response) => response.arrayBuffer),
          guarded({
            client,
            policy: {
              classifyBody: (_, body) => {
                seen.push(body)
                return Outcome.success
              }
            }
          })
        )
        assert.strictEqual(response.status, 200)
        assert.deepStrictEqual(seen, [text])
      })
  )

  const bomb = gzipSync(Buffer.alloc(20_000_000, "x"))

  // `fetch` decodes by itself, and its caller has asked for all of it.
  it.live.each<readonly [string, string, Buffer]>([
    ["in a coding that nobody knows", "an-unknown-coding", Buffer.from("abc")],
    ...(client === "fetch" ? [] : [
      ["broken", "gzip", encoded.gzip.subarray(0, 20)] as const,
      ["no such coding", "gzip", Buffer.from("abc")] as const,
      ["far longer than it seems", "gzip", bomb] as const
    ])
  ])("is not judged where it is %s, and is its caller's all the same", ([, coding, body]) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      let judged = 0
      upstream.next.push((_, response) => {
        response.writeHead(200, { "content-encoding": coding })
        response.end(body)
      })
      yield* Effect.gen(function*() {
        const response = yield* send(get(upstream.url("/")))
        assert.isTrue(Buffer.from(yield* response.arrayBuffer).equals(body))
        assert.strictEqual(judged, 0)
      }).pipe(Effect.provide(guarded({
        client,
        policy: {
          classifyBody: () => {
            judged++
            return Outcome.failure()
          }
        }
      })))
    }))

  it.live("and is not changed or killed by what a caller does to its own", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/"))
      const whole = yield* Effect.gen(function*() {
        upstream.next.push(ok("untouched"))
        const fresh = yield* (yield* send(request)).arrayBuffer
        new Uint8Array(fresh).fill(0)
        structuredClone(fresh, { transfer: [fresh] })
        yield* trip(upstream)
        const stale = yield* (yield* send(request)).arrayBuffer
        structuredClone(stale, { transfer: [stale] })
        return yield* endOf(request)
      }).pipe(Effect.provide(guarded({ client, policy })))
      assert.strictEqual(whole, "untouched")
      const streamed = yield* Effect.gen(function*() {
        upstream.next.push(ok("untouched"))
        const response = yield* send(request)
        yield* Stream.runForEach(response.stream, (chunk) => Effect.sync(() => chunk.fill(0)))
        yield* trip(upstream)
        return yield* endOf(request)
      }).pipe(Effect.provide(guarded({ client, policy })))
      assert.strictEqual(streamed, "untouched")
    }))

  it.live("of a HEAD, which nobody reads, with its length and its coding", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = HttpClientRequest.head(upstream.url("/"))
      upstream.next.push((_, response) => {
        response.writeHead(200, { "content-length": "1234", etag: "\"a\"", "content-encoding": "gzip" })
        response.end()
      })
      const fresh = yield* send(request)
      assert.strictEqual(fresh.headers["content-length"], "1234")
      yield* trip(upstream)
      const stale = yield* send(request)
      assert.strictEqual(StaleAnswer.staleSeconds(stale), 0)
      assert.deepInclude({ ...stale.headers }, { "content-length": "1234", etag: "\"a\"", "content-encoding": "gzip" })
      assert.strictEqual(yield* endOf(get(upstream.url("/"))), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ client, policy }))))

  it.live.each<readonly [string, HttpPolicy.HttpPolicy]>([["with stale", policy], ["without stale", {}]])(
    "and no dependency can call its own stale: %s",
    ([, policy]) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        const forged = { "reclose-stale": "7" }
        upstream.next.push(
          ok("a", forged),
          status(503, forged),
          status(302, { ...forged, location: "/" }),
          ok("b", forged)
        )
        for (const method of ["GET", "GET", "GET", "POST"] as const) {
          const response = yield* send(HttpClientRequest.make(method)(upstream.url("/")))
          assert.isUndefined(StaleAnswer.staleSeconds(response))
          if (response.status !== 302) assert.isUndefined(response.headers["reclose-stale"])
          yield* Effect.exit(response.text)
        }
      }).pipe(Effect.provide(guarded({ client, policy })))
  )
})

describe("a stale response of a guard inside another", () => {
  it.live("is known as stale, and not kept as fresh", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const request = get(upstream.url("/ok"))
      const inner = yield* GuardedHttpClient
      yield* endOf(request)
      yield* trip(upstream)
      const asClient = HttpClient.make((request) => Effect.orDie(inner.execute(request)))
      yield* Effect.gen(function*() {
        const response = yield* send(request)
        assert.strictEqual(StaleAnswer.staleSeconds(response), 0)
        yield* response.text
        yield* trip(upstream)
        assert.strictEqual(yield* endOf(request), "CircuitOpen")
      }).pipe(Effect.provide(guardedOver(asClient, { policy }), { local: true }))
    }).pipe(Effect.provide(guarded({ policy }))))
})

describe("what a store holds that is no answer", () => {
  const headersOf = (headers: unknown) => ({ headers, body: "YQ==" })

  it.live.each<readonly [string, unknown]>([
    ["a header whose name can't be sent", headersOf({ "a b": "c" })],
    ["a header whose value can't be sent", headersOf({ a: "b\r\nc: d" })],
    ["a header of other characters", headersOf({ a: "\u4e00" })],
    ["a header that is no text", headersOf({ a: 1 })],
    ["no headers", { body: "YQ==" }],
    ["a body that is no base64", { headers: {}, body: "%%%" }],
    ["nothing", null]
  ])("is a miss that is reported: %s", ([, value]) =>
    Effect.gen(function*() {
      const store = new TestStore()
      const events = yield* listen()
      const lastGood = yield* LastGoodStore.make({ store: store.service, schema: StaleAnswer.schema })
      yield* Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        const request = get(upstream.url("/ok"))
        yield* endOf(request)
        yield* lastGood.flush
        for (const [key, text] of store.held) {
          // As another process has written it.
          store.held.set(
            key,
            JSON.stringify({ ...JSON.parse(text), writer: "another", value })
          )
        }
        const fresh = yield* LastGoodStore.make({ store: store.service, schema: StaleAnswer.schema })
        const [key = ""] = store.held.keys()
        assert.isUndefined(yield* fresh.recall(key.replace("reclose/lastGood/", "")))
      }).pipe(Effect.provide(guarded({ policy: { stale: { maxAge: "1 minute", lastGood } } })))
      assert.isTrue(told(yield* events).every((event) => event.startsWith("AnswerCorrupt")))
      assert.isAbove((yield* events).length, 0)
    }))

  it.live.each<readonly [string, unknown]>([
    ["a header that can't be sent", { value: { headers: { "a b": "c" }, body: new Uint8Array() }, age: Duration.zero }],
    ["no body", { value: { headers: {} }, age: Duration.zero }],
    ["no value", { age: Duration.zero }],
    ["a body that is too long", { value: { headers: {}, body: new Uint8Array(65_537) }, age: Duration.zero }],
    ["no age", { value: { headers: {}, body: new Uint8Array() } }]
  ])("of a LastGood of one's own, is a miss: %s", ([, answer]) =>
    Effect.gen(function*() {
      // What TypeScript forbids, a program in JavaScript may answer.
      const recall = () => Effect.succeed(answer as never)
      const lastGood = { remember: () => Effect.void, forget: () => Effect.void, recall, flush: Effect.void }
      const url = "http://a.example/"
      yield* Effect.gen(function*() {
        yield* Effect.flatMap(CircuitBreaker, ({ forceOpen }) => forceOpen("http://a.example"))
        assert.strictEqual(yield* endOf(get(url)), "CircuitOpen")
      }).pipe(Effect.provide(guarded({ policy: { stale: { maxAge: "1 minute", lastGood } } })))
    }))

  it.live("a LastGood that throws fails no request", () =>
    Effect.gen(function*() {
      const throwing = () => Effect.die(new Error("thrown"))
      const lastGood = { remember: throwing, forget: throwing, recall: throwing, flush: Effect.void }
      const upstream = yield* makeUpstream()
      yield* Effect.gen(function*() {
        upstream.next.push(ok("fresh"), status(404, {}, "gone"))
        assert.strictEqual(yield* endOf(get(upstream.url("/"))), "fresh")
        assert.strictEqual(yield* endOf(get(upstream.url("/"))), "gone")
        yield* trip(upstream)
        assert.strictEqual(yield* endOf(get(upstream.url("/"))), "CircuitOpen")
      }).pipe(Effect.provide(guarded({ policy: { stale: { maxAge: "1 minute", lastGood } } })))
    }))
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
        rateLimit: { limit: 1, maxKeys: 0.5 }
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
