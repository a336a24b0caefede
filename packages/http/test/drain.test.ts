import { assert, describe, it } from "@effect/vitest"
import { TripRule } from "@reclose/core"
import { Effect } from "effect"
import type { ServerResponse } from "node:http"
import { clientNames, guarded, text } from "./clients.ts"
import { makeUpstream, status, until } from "./Upstream.ts"

const quick = { delay: "1 millis", jitter: 0 } as const

const inSitu = (client: (typeof clientNames)[number]) =>
  Effect.provide(guarded({ client, policy: { retry: quick }, breaker: { tripRule: TripRule.consecutive(100) } }))

/** Sends as fast as it can, for ever, and counts. */
const endless = (sent: { bytes: number }) => (_: unknown, response: ServerResponse) => {
  const piece = Buffer.alloc(65_536, "x")
  response.writeHead(503)
  const send = () => {
    while (!response.destroyed && response.write(piece)) sent.bytes += piece.length
  }
  response.on("drain", send)
  send()
}

describe.each(clientNames)("the response that a retry replaces, over %s", (client) => {
  it.live("is read no further than 64 KiB if its body has no end, and its connection is closed", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const sent = { bytes: 0 }
      upstream.next.push(endless(sent), endless(sent))
      const began = performance.now()
      assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
      assert.isBelow(performance.now() - began, 1_500)
      assert.isTrue(yield* until(() => upstream.underWay === 0))
      // What buffers of both sides took in beside it.
      assert.isBelow(sent.bytes, 40_000_000)
    }).pipe(inSitu(client)))

  it.live("is waited for no longer than 100 milliseconds if its body is silent", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const silent = (_: unknown, response: ServerResponse) => {
        response.writeHead(503)
        response.write("x")
      }
      upstream.next.push(silent, silent)
      const began = performance.now()
      assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
      assert.isBelow(performance.now() - began, 1_500)
      assert.isTrue(yield* until(() => upstream.underWay === 0))
    }).pipe(inSitu(client)))

  it.live("gives its connection to the retry if its body is short", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const short = status(503, {}, "x".repeat(10_000))
      upstream.next.push(short, short)
      assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
      // The agent of `node:http` keeps no connections by default.
      assert.strictEqual(upstream.connections, client === "node:http" ? 3 : 1)
    }).pipe(inSitu(client)))
})
