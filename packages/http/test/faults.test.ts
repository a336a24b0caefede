import { assert, describe, it } from "@effect/vitest"
import type { TimeLimits } from "@reclose/http"
import { Effect, type Scope } from "effect"
import { type ClientName, clientNames, countsOf, guarded, kindOf, text } from "./clients.ts"
import { hungPort, makeUpstream, refusingPort, until, type Upstream } from "./Upstream.ts"

/** The limit that a fault is to meet is short, and no other one is. */
const limitsOf = (ends: string): TimeLimits.TimeLimits => ({
  headers: ends === "limit headers" ? "500 millis" : "20 seconds",
  body: ends === "limit body" ? "500 millis" : "20 seconds"
})

/** Within this, every fault has to be over: far longer than its limit, for a machine that is busy, and bounded. */
const soon = 10_000

type Outcome = "succeeded" | "failed" | "ignored"

interface Fault {
  readonly name: string
  /** Where the fault is. */
  readonly at: (upstream: Upstream) => Effect.Effect<string, never, Scope.Scope>
  /** How the call ends for who makes it: with an answer, or with an error of this kind. */
  readonly ends: string
  readonly outcome: Outcome
  /** Where clients differ. */
  readonly but?: Partial<Record<ClientName, { readonly ends: string; readonly outcome: Outcome }>>
  /** Each answer was whole, so its connection may stay for the next call. */
  readonly isPooled?: true
}

const path = (path: string) => (upstream: Upstream) => Effect.succeed(upstream.url(path))

const statuses = (codes: ReadonlyArray<number>, outcome: Outcome): ReadonlyArray<Fault> =>
  codes.map((code) => ({ name: `status ${code}`, at: path(`/status?code=${code}`), ends: "answer", outcome }))

const faults: ReadonlyArray<Fault> = [
  { name: "none", at: path("/ok"), ends: "answer", outcome: "succeeded" },
  {
    name: "refused",
    at: () => Effect.map(refusingPort, (port) => `http://127.0.0.1:${port}/`),
    ends: "TransportError",
    outcome: "failed"
  },
  {
    name: "hung connect",
    at: () => Effect.map(hungPort, (port) => `http://127.0.0.1:${port}/`),
    ends: "limit headers",
    outcome: "failed"
  },
  {
    // A label that is longer than labels may be: no name server has to be asked about it.
    name: "a name that does not resolve",
    at: () => Effect.succeed(`http://${"x".repeat(64)}.example/`),
    ends: "TransportError",
    outcome: "failed"
  },
  { name: "reset", at: path("/reset"), ends: "TransportError", outcome: "failed" },
  { name: "closed without an answer", at: path("/closed"), ends: "TransportError", outcome: "failed" },
  { name: "hung headers", at: path("/hang"), ends: "limit headers", outcome: "failed" },
  { name: "hung body", at: path("/hang-body"), ends: "limit body", outcome: "failed" },
  { name: "hung chunked body", at: path("/hang-chunked"), ends: "limit body", outcome: "failed" },
  { name: "slow drip", at: path("/drip?millis=20"), ends: "limit body", outcome: "failed" },
  { name: "truncated body", at: path("/truncated"), ends: "DecodeError", outcome: "failed" },
  { name: "truncated chunk", at: path("/truncated-chunk"), ends: "DecodeError", outcome: "failed" },
  { name: "reset in the body", at: path("/reset-body"), ends: "DecodeError", outcome: "failed" },
  { name: "malformed response", at: path("/malformed"), ends: "TransportError", outcome: "failed" },
  { name: "malformed headers", at: path("/malformed-headers"), ends: "TransportError", outcome: "failed" },
  { name: "another protocol", at: path("/no-http"), ends: "TransportError", outcome: "failed" },
  { name: "malformed chunk", at: path("/malformed-chunk"), ends: "DecodeError", outcome: "failed" },
  {
    name: "redirect loop",
    at: path("/loop"),
    ends: "answer",
    outcome: "succeeded",
    isPooled: true,
    // It follows redirects by itself, and gives up on them.
    but: { fetch: { ends: "TransportError", outcome: "failed" } }
  },
  ...statuses([200, 201, 204, 205, 304], "succeeded"),
  ...statuses([400, 401, 403, 404, 405, 409, 410, 422, 425, 451], "ignored"),
  ...statuses([408, 429, 500, 501, 502, 503, 504, 507, 599], "failed")
]

describe.concurrent.each(clientNames)("over %s", (client) => {
  it.live.each(faults)("$name", ({ at, but, ends, isPooled, outcome }) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const url = yield* at(upstream)
      const began = performance.now()
      const ended = yield* text(url).pipe(Effect.as("answer"), Effect.catch((error) => Effect.succeed(kindOf(error))))
      const counts = yield* countsOf(url)
      assert.isBelow(performance.now() - began, soon)
      const expected = but?.[client] ?? { ends, outcome }
      assert.deepStrictEqual(
        { ends: ended, ...counts },
        { ends: expected.ends, succeeded: 0, failed: 0, ignored: 0, rejected: 0, [expected.outcome]: 1 }
      )
      // Whatever was cut short is closed.
      if (expected.ends !== "answer" && isPooled === undefined) {
        assert.isTrue(yield* until(() => upstream.sockets.size === 0), "a socket stays open")
      }
    }).pipe(Effect.provide(guarded({ client, policy: { timeLimits: limitsOf(ends) } }))))
})
