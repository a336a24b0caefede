import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, TripRule } from "@reclose/core"
import { Credentials, GuardedHttpClient } from "@reclose/http"
import { Effect, Layer, Logger, References, Stream, Tracer } from "effect"
import { HttpClientRequest } from "effect/http"
import { countsOf, guarded } from "./clients.ts"
import { makeUpstream, status } from "./Upstream.ts"

const secret = "s3cr3t-t0k3n"

const send = (url: string, token?: string) =>
  Effect.flatMap(GuardedHttpClient, (client) => {
    const request = HttpClientRequest.get(url)
    return client.execute(token === undefined ? request : HttpClientRequest.bearerToken(request, token))
  }).pipe(Effect.tap((response) => response.text))

const inPlace = Effect.provide(guarded({
  policy: { credentials: {} },
  breaker: { keys: { "credential:*": { tripRule: TripRule.consecutive(3) } } }
}))

describe("the circuit of a credential", () => {
  it.live("opens for a credential that is refused, and for no other of the same host", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const url = upstream.url("/status?code=401")
      for (let i = 0; i < 3; i++) yield* send(url, "wrong")
      const error = yield* Effect.flip(send(url, "wrong"))
      assert.isTrue(error._tag === "CircuitOpen" && error.key.startsWith("credential:127.0.0.1:"))
      assert.strictEqual(upstream.requests.length, 3)
      assert.strictEqual((yield* send(upstream.url("/ok"), "right")).status, 200)
      assert.strictEqual((yield* send(upstream.url("/ok"))).status, 200)
      assert.deepInclude(yield* countsOf(url), { failed: 0, ignored: 3, succeeded: 2 })
    }).pipe(inPlace))

  it.live("a credential that is accepted now and then stays", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      for (let i = 0; i < 6; i++) {
        yield* send(upstream.url("/status?code=403"), "right")
        yield* send(upstream.url("/status?code=404"), "right")
      }
    }).pipe(inPlace))

  it.live("is not touched by what says nothing about it", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const url = upstream.url("/status?code=401")
      yield* send(url, "wrong")
      yield* send(url, "wrong")
      upstream.next.push(status(500), (request) => void request.socket.destroy())
      yield* send(url, "wrong")
      yield* Effect.exit(send(url, "wrong"))
      yield* send(url, "wrong")
      assert.strictEqual((yield* Effect.flip(send(url, "wrong")))._tag, "CircuitOpen")
    }).pipe(inPlace))

  it.live("an open circuit of the host says nothing about it either", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const breaker = yield* CircuitBreaker
      yield* breaker.forceOpen(new URL(upstream.url("/")).origin)
      for (let i = 0; i < 5; i++) yield* Effect.flip(send(upstream.url("/ok"), "right"))
      const circuits = yield* breaker.list
      const credential = circuits.find(({ key }) => key.startsWith("credential:"))
      assert.deepInclude(credential?.counts, { failed: 0, succeeded: 0, ignored: 0 })
    }).pipe(inPlace))

  it.effect("has a key for each credential, header and host", () =>
    Effect.gen(function*() {
      const keyOf = (url: string, headers: Record<string, string>) =>
        Credentials.circuitKey(HttpClientRequest.get(url).pipe(HttpClientRequest.setHeaders(headers)))
      const keys = yield* Effect.all([
        keyOf("http://a/1", { authorization: "x" }),
        keyOf("http://a/2", { authorization: "x" }),
        keyOf("http://a/1", { authorization: "y" }),
        keyOf("http://a/1", { "x-api-key": "x" }),
        keyOf("http://b/1", { authorization: "x" })
      ])
      assert.strictEqual(new Set(keys).size, 4)
      assert.strictEqual(keys[0], keys[1])
      assert.match(String(keys[0]), /^credential:a:[\da-f]{16}$/)
      assert.isUndefined(yield* keyOf("http://a/1", { cookie: "x" }))
      assert.isUndefined(yield* keyOf("/1", { authorization: "x" }))
    }))

  it.effect("has a key whatever the case that its header is named in", () =>
    Effect.gen(function*() {
      const request = HttpClientRequest.get("http://a/1").pipe(HttpClientRequest.setHeader("X-Token", "x"))
      const key = yield* Credentials.circuitKey(request, ["X-Token"])
      assert.isDefined(key)
      assert.strictEqual(key, yield* Credentials.circuitKey(request, ["x-token"]))
    }))

  it.live("tells nobody the credential: no key, error, span, log or event has it", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const tell = (value: unknown) =>
        void told.push(
          JSON.stringify(
            value,
            (_, part) => typeof part === "bigint" ? String(part) : part instanceof Map ? [...part] : part
          ) ?? ""
        )
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          const end = span.end.bind(span)
          span.end = (time, exit) => {
            tell({ name: span.name, attributes: span.attributes, exit: String(exit) })
            end(time, exit)
          }
          return span
        }
      })
      const upstream = yield* makeUpstream()
      yield* Effect.gen(function*() {
        const breaker = yield* CircuitBreaker
        yield* Effect.forkChild(Stream.runForEach(breaker.events, (event) => Effect.sync(() => tell(event))), {
          startImmediately: true
        })
        for (let i = 0; i < 5; i++) {
          const exit = yield* Effect.exit(send(upstream.url("/status?code=401"), secret))
          tell(String(exit))
          yield* Effect.logError(exit._tag === "Failure" ? exit.cause : "sent")
        }
        for (const state of yield* breaker.list) tell(state)
      }).pipe(
        inPlace,
        Effect.provide(Layer.mergeAll(
          Layer.succeed(Tracer.Tracer, tracer),
          Logger.layer([
            Logger.make(({ cause, fiber, message }) =>
              tell([String(message), String(cause), fiber.getRef(References.CurrentLogAnnotations)])
            )
          ])
        ))
      )
      assert.isAbove(told.length, 15)
      assert.isTrue(told.some((line) => line.includes("credential:127.0.0.1:")), "the circuit was told of")
      assert.isFalse(told.some((line) => line.includes(secret)))
    }))
})
