import { assert, describe, it } from "@effect/vitest"
import { Outcome, TripRule } from "@reclose/core"
import { HttpOutcome } from "@reclose/http"
import { Duration, Effect, Exit } from "effect"
import { HttpClient } from "effect/http"
import { clientNames, clients, guarded, stateOf, text } from "./clients.ts"
import { makeUpstream, raw } from "./Upstream.ts"

const unavailable = (retryAfter: ReadonlyArray<string>) =>
  raw(
    `HTTP/1.1 503 Unavailable\r\n${
      retryAfter.map((value) => `retry-after: ${value}\r\n`).join("")
    }content-length: 0\r\n\r\n`
  )

describe.each(clientNames)("Retry-After, over %s", (client) => {
  it.live.each<[ReadonlyArray<string>, number]>([
    [["30", "60"], 60],
    [["60", "30"], 60],
    [["30, 60"], 60],
    [["1.5"], 2],
    [["999999999"], 604_800]
  ])("%j is %d seconds", ([values, seconds]) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(unavailable(values))
      const client = yield* HttpClient.HttpClient
      const response = yield* client.get(upstream.url("/"))
      assert.deepStrictEqual(
        HttpOutcome.classify(Exit.succeed(response), 0),
        Outcome.failure({ retryAfter: Duration.seconds(seconds) })
      )
    }).pipe(Effect.provide(clients[client])))

  it.live("a circuit stays open for the longest of several", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(unavailable(["30", "60"]))
      yield* text(upstream.url("/"))
      const { phase, retryAfter } = yield* stateOf(upstream.url("/"))
      assert.strictEqual(phase, "Open")
      assert.isAbove(Duration.toSeconds(retryAfter), 50)
    }).pipe(Effect.provide(guarded({
      client,
      breaker: { tripRule: TripRule.consecutive(1), openDuration: "1 second", maxOpenDuration: "5 minutes" }
    }))))
})
