/** Guarded clients over TLS, which fails in ways of its own before a request is sent. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, TripRule } from "@reclose/core"
import { TimeLimits } from "@reclose/http"
import { Effect, Fiber, type Scope } from "effect"
import { HttpClientError } from "effect/http"
import { inspect } from "node:util"
import { type Certificate, makeCertificate, trusted } from "./Certificate.ts"
import {
  type ClientName,
  clientNames,
  closesSoon,
  connectingBriefly,
  countsOf,
  guarded,
  guardedBy,
  text
} from "./clients.ts"
import { makeUpstream, silentPort, until } from "./Upstream.ts"

const none = { succeeded: 0, failed: 0, ignored: 0, rejected: 0 }

/** The first failure opens the circuit. */
const breaker = { tripRule: TripRule.consecutive(1) }

const inSitu = (client: ClientName) => Effect.provide(guarded({ client, breaker }))

describe.each(clientNames)("over TLS, %s", (client) => {
  it.live("a call that is answered is a success", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream(yield* trusted())
      assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, succeeded: 1 })
    }).pipe(inSitu(client)))

  it.live("a body that breaks off is a failure", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream(yield* trusted())
      const error = yield* Effect.flip(text(upstream.url("/truncated")))
      assert.strictEqual(HttpClientError.isHttpClientError(error) && error.reason._tag, "DecodeError")
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, failed: 1 })
    }).pipe(inSitu(client)))

  it.live.each<[string, string, Effect.Effect<Certificate, never, Scope.Scope>]>([
    ["that nobody trusts", "DEPTH_ZERO_SELF_SIGNED_CERT", Effect.sync(makeCertificate)],
    ["that has expired", "CERT_HAS_EXPIRED", trusted({ hours: -1 })],
    ["of another host", "ERR_TLS_CERT_ALTNAME_INVALID", trusted({ address: [127, 0, 0, 2] })]
  ])("a certificate %s is a failure, and opens the circuit", ([, code, certificate]) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream(yield* certificate)
      const url = upstream.url("/ok")
      const error = yield* Effect.flip(text(url))
      if (!HttpClientError.isHttpClientError(error)) return assert.fail(String(error))
      assert.strictEqual(error.reason._tag, "TransportError")
      assert.include(inspect(error.cause), code)
      assert.deepStrictEqual(yield* countsOf(url), { ...none, failed: 1 })
      assert.strictEqual((yield* Effect.flip(text(url)))._tag, "CircuitOpen")
      assert.deepStrictEqual(upstream.requests, [])
      assert.isTrue(yield* until(() => upstream.sockets.size === 0), "a socket stays open")
    }).pipe(inSitu(client)))

  it.live("a dependency that speaks no TLS has a circuit of its own", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream(yield* trusted())
      const plain = upstream.url("/ok").replace("https:", "http:")
      assert.strictEqual((yield* Effect.flip(text(plain)))._tag, "HttpClientError")
      assert.strictEqual((yield* Effect.flip(text(plain)))._tag, "CircuitOpen")
      assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
      assert.deepStrictEqual(
        (yield* Effect.flatMap(CircuitBreaker, ({ list }) => list)).map(({ key, phase }) => [key, phase]).sort(),
        [[new URL(plain).origin, "Open"], [new URL(upstream.url("/")).origin, "Closed"]]
      )
    }).pipe(inSitu(client)))

  it.live("a handshake that hangs ends by the limit for headers, and its connection is closed", () =>
    Effect.gen(function*() {
      const { port, sockets } = yield* silentPort
      const url = `https://127.0.0.1:${port}/`
      const fiber = yield* Effect.forkChild(Effect.flip(text(url)))
      assert.isTrue(yield* until(() => sockets.size === 1), "no connection came")
      assert.strictEqual(TimeLimits.fromError(yield* Fiber.join(fiber))?.limit, "headers")
      assert.deepStrictEqual(yield* countsOf(url), { ...none, failed: 1 })
      if (closesSoon[client]) assert.isTrue(yield* until(() => sockets.size === 0), "a socket stays open")
    }).pipe(
      Effect.provide(
        guardedBy(connectingBriefly[client], { breaker, policy: { timeLimits: { headers: "100 millis" } } })
      )
    ))
})
