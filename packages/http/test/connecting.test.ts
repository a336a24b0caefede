/** Callers that go away while their connection is not there yet. */
import { assert, describe, it } from "@effect/vitest"
import { TripRule, withBreaker } from "@reclose/core"
import type { HttpPolicy } from "@reclose/http"
import { Effect, Fiber, type Scope } from "effect"
import {
  type ClientName,
  clientNames,
  clientSockets,
  closesSoon,
  connectingBriefly,
  countsOf,
  guardedBy,
  stateOf,
  text
} from "./clients.ts"
import { hungPort, silentPort, until } from "./Upstream.ts"

interface Hung {
  readonly url: string
  /** Connections that are under way or open. */
  readonly sockets: { readonly size: number }
}

const hangs: ReadonlyArray<[string, Effect.Effect<Hung, never, Scope.Scope>]> = [
  [
    "a connection that is never accepted",
    Effect.gen(function*() {
      const port = yield* hungPort
      return { url: `http://127.0.0.1:${port}/`, sockets: yield* clientSockets }
    })
  ],
  [
    "a TLS handshake that is never answered",
    Effect.map(silentPort, ({ port, sockets }) => ({ url: `https://127.0.0.1:${port}/`, sockets }))
  ]
]

const none = { succeeded: 0, failed: 0, ignored: 0, rejected: 0 }

/** Nothing else than its caller ends a call before the test is given up: its limit is far longer. */
const inSitu = (client: ClientName, policy: HttpPolicy.HttpPolicy = {}) =>
  Effect.provide(
    guardedBy(connectingBriefly[client], {
      policy: { ...policy, timeLimits: { headers: "5 minutes" } },
      breaker: { tripRule: TripRule.consecutive(1), openDuration: "1 millis", halfOpen: { permits: 1 } }
    })
  )

/** Begins the first call, and waits until it connects. Whether those after it connect anew is the client's. */
const connect = Effect.fnUntraced(function*({ sockets, url }: Hung) {
  const fiber = yield* Effect.forkChild(text(url))
  assert.isTrue(yield* until(() => sockets.size > 0), "it did not connect")
  return fiber
})

const tagOf = <A, E extends { readonly _tag: string }, R>(failing: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(failing), ({ _tag }) => _tag)

describe.each(clientNames)("a caller of %s that is interrupted", (client) => {
  it.live.each(hangs)("during %s says nothing, and leaves no socket", ([, makeHung]) =>
    Effect.gen(function*() {
      const hung = yield* makeHung
      yield* Fiber.interrupt(yield* connect(hung))
      assert.deepStrictEqual(yield* countsOf(hung.url), none)
      assert.strictEqual((yield* stateOf(hung.url)).phase, "Closed")
      if (closesSoon[client]) assert.isTrue(yield* until(() => hung.sockets.size === 0), "a socket stays open")
    }).pipe(inSitu(client)))

  it.live.each(hangs)("during %s gives its place to the next one", ([, makeHung]) =>
    Effect.gen(function*() {
      const hung = yield* makeHung
      const first = yield* connect(hung)
      assert.strictEqual(yield* tagOf(text(hung.url)), "Throttled")
      yield* Fiber.interrupt(first)
      const next = yield* Effect.forkChild(text(hung.url), { startImmediately: true })
      // The next one has the place by now, or was turned away before this one.
      assert.strictEqual(yield* tagOf(text(hung.url)), "Throttled")
      assert.isUndefined(next.pollUnsafe())
      yield* Fiber.interrupt(next)
      assert.deepStrictEqual(yield* countsOf(hung.url), none)
    }).pipe(inSitu(client, { concurrency: { limit: 1, maxWait: 0 } })))

  it.live.each(hangs)("as a probe during %s lets the next one probe", ([, makeHung]) =>
    Effect.gen(function*() {
      const hung = yield* makeHung
      yield* Effect.flip(withBreaker(Effect.fail("down"), new URL(hung.url).origin))
      yield* Effect.sleep("10 millis")
      const first = yield* connect(hung)
      assert.strictEqual(yield* tagOf(text(hung.url)), "CircuitOpen")
      yield* Fiber.interrupt(first)
      const next = yield* Effect.forkChild(text(hung.url), { startImmediately: true })
      assert.strictEqual(yield* tagOf(text(hung.url)), "CircuitOpen")
      assert.isUndefined(next.pollUnsafe())
      yield* Fiber.interrupt(next)
      const { consecutiveOpenings, phase } = yield* stateOf(hung.url)
      assert.deepStrictEqual([phase, consecutiveOpenings], ["HalfOpen", 1])
    }).pipe(inSitu(client)))
})
