/** What a stale response consists of: the bytes and headers of the fresh one, whatever callers and dependencies do. */
import { assert, describe, it } from "@effect/vitest"
import { Outcome } from "@reclose/core"
import { GuardedHttpClient, type HttpPolicy, StaleAnswer } from "@reclose/http"
import { Effect, Stream } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { brotliCompressSync, deflateSync, gunzipSync, gzipSync, zstdCompressSync } from "node:zlib"
import { clientNames, guarded, guardedOver } from "./clients.ts"
import { endOf, get, ok, policy, send, trip } from "./stale.ts"
import { makeUpstream, status } from "./Upstream.ts"

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
    ["in an unknown coding", "an-unknown-coding", Buffer.from("abc")],
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

  it.live("of a HEAD, whose body no caller reads, with its length and its coding", () =>
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
