/** Messages that no retry will help. */
import { assert, describe, it } from "@effect/vitest"
import { MalformedMessage, SqsBatch } from "@reclose/lambda"
import type { SQSRecord } from "aws-lambda"
import { Effect, Schema } from "effect"
import { modelQueue } from "../sqs/modelQueue.ts"
import { bodies, run, sendAll, worldOf } from "./world.ts"

describe("a malformed message", () => {
  const Order = Schema.Struct({ id: Schema.String })
  const decode = (record: SQSRecord) => SqsBatch.decodeJson(Order, record)

  it.effect("goes to the dead-letter queue with its reason, and is done", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, [`{"id":"7"}`, "{", `{"id":7}`])
      yield* run(world, decode)
      assert.deepStrictEqual(bodies(world.queue), [])
      assert.deepStrictEqual(bodies(world.malformed), ["{", `{"id":7}`])
      const told = world.malformed.all.map(({ attributes }) => attributes)
      assert.deepStrictEqual(told.map((attributes) => attributes["reclose.messageId"]?.stringValue), [
        "orders-2",
        "orders-3"
      ])
      assert.deepStrictEqual(told.map((attributes) => attributes["reclose.queue"]?.stringValue), [
        world.queue.arn,
        world.queue.arn
      ])
      assert.match(told[1]?.["reclose.reason"]?.stringValue ?? "", /Expected string.*\["id"\]/s)
    }))

  it.effect("stays in its queue if it can't be moved, and is told of", () =>
    Effect.gen(function*() {
      const world = worldOf()
      yield* sendAll(world.queue, ["{"])
      yield* run(world, decode, {}, { queue: modelQueue(world.queue) })
      assert.deepStrictEqual(bodies(world.queue), ["{"])
      assert.match(world.lines.join(), /orders-1 is malformed.*could not be moved.*there is no queue at/s)
    }))

  it.effect("keeps its attributes as far as there is room, after those that say why", () =>
    Effect.gen(function*() {
      const world = worldOf()
      const attributes = Object.fromEntries(
        Array.from({ length: 10 }, (_, at) => [`a${at}`, { dataType: "String", stringValue: "x" }])
      )
      world.queue.send({ body: "{", attributes }, 0)
      yield* run(world, decode)
      const names = Object.keys(world.malformed.all[0]?.attributes ?? {})
      assert.strictEqual(names.length, 10)
      assert.includeMembers(names, ["reclose.reason", "reclose.messageId", "reclose.queue", "a0", "a6"])
    }))

  it.effect("has a reason that SQS takes, whatever it says", () =>
    Effect.gen(function*() {
      const world = worldOf()
      const told: Record<string, string> = {
        a: "",
        b: `\u0000${"ü".repeat(2_000)}\ud800`,
        c: `${"ü".repeat(999)}\u{1f600}`
      }
      yield* sendAll(world.queue, Object.keys(told))
      yield* run(world, ({ body }) => new MalformedMessage({ reason: told[body] ?? body }))
      const reasons = world.malformed.all.map(({ attributes }) => attributes["reclose.reason"]?.stringValue)
      assert.deepStrictEqual(reasons, ["none", `\ufffd${"ü".repeat(999)}`, `${"ü".repeat(999)}\ufffd`])
    }))
})
