/** What a process asks DynamoDB for, counted on the way. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { makeLink } from "../../../core/test/processes/Link.ts"
import { heldOpen, join, succeed, trip } from "../../../core/test/processes/Place.ts"
import { eventually } from "../../../core/test/processes/Process.ts"
import { onOneServer, Server } from "../support.ts"
import { freshCorner } from "./place.ts"

const times = 10_000

/**
 * A process that has used a circuit which is closed, and one which is open, and that has nothing more to tell; and how
 * often it has asked for what since then.
 */
const busyWith = Effect.fnUntraced(function*(closed: string, open: string, refreshEvery: string) {
  let counts: Record<string, number> = {}
  const { endpoint } = yield* Server
  const link = yield* makeLink(Number(new URL(endpoint).port), (text) => {
    for (const [, action = ""] of text.matchAll(/x-amz-target: DynamoDB_\d+\.(\w+)/gi)) {
      counts[action] = (counts[action] ?? 0) + 1
    }
  })
  const corner = yield* freshCorner
  const linked = { ...corner, where: { ...corner.where, endpoint: `http://127.0.0.1:${link.port}` } }
  const process = yield* join(linked, { refreshEvery })
  yield* succeed(process, closed)
  yield* trip(process, open)
  yield* heldOpen(corner, open)
  yield* process.ask("flush", null)
  assert.isAbove(counts["UpdateItem"] ?? 0, 0)
  counts = {}
  return { process, counts: () => counts }
})

onOneServer("DynamoDB is asked for nothing", (it) => {
  it.effect(
    "by ten thousand calls of a closed circuit, nor by as many rejections of an open one",
    () =>
      Effect.gen(function*() {
        const { counts, process } = yield* busyWith("quotes", "long/down", "1 hour")
        assert.strictEqual(yield* process.ask("callOften", { key: "quotes", times }), times)
        assert.strictEqual(yield* process.ask("callOften", { key: "long/down", times }), 0)
        assert.deepStrictEqual(counts(), {})
        yield* trip(process, "quotes")
        yield* process.ask("flush", null)
        assert.isAbove(counts()["UpdateItem"] ?? 0, 0)
      }),
    60_000
  )

  it.effect("but the circuits in use, in one batch every refreshEvery", () =>
    Effect.gen(function*() {
      const { counts, process } = yield* busyWith("quotes", "long/down", "100 millis")
      const from = performance.now()
      assert.strictEqual(yield* process.ask("callOften", { key: "quotes", times }), times)
      yield* eventually("polls", Effect.sync(() => (counts()["BatchGetItem"] ?? 0) > 5 || undefined))
      assert.deepStrictEqual(Object.keys(counts()), ["BatchGetItem"])
      assert.isAtMost(counts()["BatchGetItem"] ?? 0, (performance.now() - from) / 100 + 2)
    }), 60_000)
})
