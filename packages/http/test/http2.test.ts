/** Guarded clients over HTTP/2, where calls share a connection and each is a stream of it. Of the clients, undici speaks it. */
import { assert, describe, it } from "@effect/vitest"
import type { HttpPolicy } from "@reclose/http"
import { Effect, Fiber } from "effect"
import { countsOf, guarded, kindOf, text } from "./clients.ts"
import { answer, makeHttp2Upstream } from "./Http2Upstream.ts"
import { until } from "./Upstream.ts"

const none = { succeeded: 0, failed: 0, ignored: 0, rejected: 0 }

const inSitu = (timeLimits: HttpPolicy.HttpPolicy["timeLimits"] = {}) =>
  Effect.provide(guarded({ policy: { timeLimits } }))

describe("over HTTP/2", () => {
  it.live.each<[string, string, string, "succeeded" | "failed"]>([
    ["that is answered", "/ok", "whole", "succeeded"],
    ["whose stream is reset", "/reset", "TransportError", "failed"],
    ["whose stream is refused", "/refused", "TransportError", "failed"],
    ["whose stream is reset before its body is as long as was said", "/reset-length", "DecodeError", "failed"],
    // Undici takes the reset for the end; nobody behind it can tell.
    ["whose stream is reset in a body of no stated length", "/reset-body", "begin", "succeeded"],
    ["whose connection dies", "/dead", "TransportError", "failed"],
    ["whose connection dies in its body", "/dead-body", "DecodeError", "failed"],
    ["that is sent away with GOAWAY", "/goaway", "TransportError", "failed"],
    ["that is sent away with GOAWAY in its body", "/goaway-body", "DecodeError", "failed"],
    ["that is the last one of its connection", "/leaving", "whole", "succeeded"],
    ["that hangs", "/hang", "limit headers", "failed"],
    ["that hangs in its body", "/hang-body", "limit body", "failed"]
  ])("a call %s", ([, path, ends, outcome]) =>
    Effect.gen(function*() {
      const upstream = yield* makeHttp2Upstream
      const url = upstream.url(path)
      assert.strictEqual(yield* Effect.catch(text(url), (error) => Effect.succeed(kindOf(error))), ends)
      assert.deepStrictEqual(yield* countsOf(url), { ...none, [outcome]: 1 })
      assert.isTrue(yield* until(() => upstream.streams.size === 0), "a stream stays open")
      // Whatever became of the connection, the next call has one.
      assert.strictEqual(yield* text(upstream.url("/ok")), "whole")
    }).pipe(inSitu(ends.startsWith("limit") ? { headers: "500 millis", body: "500 millis" } : {})))

  it.live.each(["/hang", "/hang-body"])(
    "interrupting a caller resets its stream, counts as nothing, and leaves the other calls of the connection alone",
    (path) =>
      Effect.gen(function*() {
        const upstream = yield* makeHttp2Upstream
        const fiber = yield* Effect.forkChild(text(upstream.url(path)))
        const other = yield* Effect.forkChild(text(upstream.url("/other")))
        assert.isTrue(yield* until(() => upstream.streams.size === 2))
        yield* Fiber.interrupt(fiber)
        assert.isTrue(yield* until(() => upstream.aborted === 1), "the stream was not reset")
        assert.deepStrictEqual([...upstream.streams.keys()], ["/other"])
        assert.deepStrictEqual(yield* countsOf(upstream.url("/")), none)
        upstream.streams.forEach(answer)
        assert.strictEqual(yield* Fiber.join(other), "whole")
        assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { ...none, succeeded: 1 })
        assert.strictEqual(upstream.connections, 1)
      }).pipe(inSitu())
  )
})
