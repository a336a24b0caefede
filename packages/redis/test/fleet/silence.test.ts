/** What a process asks Redis for, counted by Redis. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { heldOpen, join, succeed, trip } from "../../../core/test/processes/Place.ts"
import { eventually } from "../../../core/test/processes/Process.ts"
import { command, PrivateRedis, privateRedis } from "../support.ts"
import { cornerOf } from "./place.ts"

/** What the test itself does: it resets the counts, and asks for them by a connection that says what it is. */
const isOwn = (name: string) => /^(?:config\||info$|hello$|client\|)/.test(name)

/** How often each command was run since the counts were reset, scripts and what they do included. */
const counts = Effect.map(command("INFO", "commandstats"), (info) =>
  Object.fromEntries(
    Array.from(String(info).matchAll(/cmdstat_(\S+?):calls=(\d+)/g), ([, name = "", calls]) => [name, Number(calls)])
      .filter(([name]) => !isOwn(String(name)))
  ))

/** A process that has used a circuit which is closed, and one which is open, and that has nothing more to tell or learn. */
const busyWith = Effect.fnUntraced(function*(closed: string, open: string, watches: boolean) {
  const corner = yield* cornerOf({ watches })
  const process = yield* join(corner, { refreshEvery: "1 hour" })
  const channel = `${corner.where.prefix}changes`
  yield* eventually(
    "a subscription",
    Effect.map(command("PUBSUB", "NUMSUB", channel), (reply) => String(reply) === `${channel},1` || undefined)
  )
  yield* succeed(process, closed)
  yield* trip(process, open)
  yield* heldOpen(corner, open)
  yield* process.ask("flush", null)
  yield* command("CONFIG", "RESETSTAT")
  return process
})

const times = 10_000

describe("Redis is asked for nothing", privateRedis(), () => {
  layer(PrivateRedis, { excludeTestServices: true })((it) => {
    it.effect(
      "by ten thousand calls of a closed circuit, nor by as many rejections of an open one",
      () =>
        Effect.gen(function*() {
          const process = yield* busyWith("quotes", "long/down", false)
          assert.strictEqual(yield* process.ask("callOften", { key: "quotes", times }), times)
          assert.strictEqual(yield* process.ask("callOften", { key: "long/down", times }), 0)
          assert.deepStrictEqual(yield* counts, {})
          yield* trip(process, "quotes")
          yield* process.ask("flush", null)
          assert.isAbove((yield* counts)["evalsha"] ?? 0, 0)
        }),
      60_000
    )

    it.effect("but the PING of a client that watches its connection", () =>
      Effect.gen(function*() {
        const process = yield* busyWith("quotes", "long/down", true)
        assert.strictEqual(yield* process.ask("callOften", { key: "quotes", times }), times)
        const seen = yield* eventually(
          "a PING",
          Effect.map(counts, (counts) => "ping" in counts ? counts : undefined)
        )
        assert.deepStrictEqual(Object.keys(seen), ["ping"])
      }), 60_000)
  })
})
