/** A process whose DynamoDB holds what is no record, or refuses it. */
import { type AttributeValue, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb"
import { assert } from "@effect/vitest"
import { DynamoClient } from "@reclose/dynamodb"
import { Effect } from "effect"
import { goesOnAlone, leavesOtherRuleAlone } from "../../../core/test/processes/badInput.ts"
import { heldOpen, join, trip } from "../../../core/test/processes/Place.ts"
import { error, fakeDynamo } from "../FakeDynamo.ts"
import { clientOf, onOneServer, Server } from "../support.ts"
import { cornerOf, freshCorner } from "./place.ts"

type Item = Record<string, AttributeValue>

/** What an item may hold, and what is said of it. */
const bad: ReadonlyArray<readonly [key: string, item: Item, reason: string, message: RegExp]> = [
  ["nothing but a note", { note: { S: "mine" } }, "WrongType", /none of ours; it is left alone/],
  ["a number", { version: { N: "7" }, record: { N: "7" } }, "WrongType", /none of ours; it is left alone/],
  ["some text", { version: { N: "7" }, record: { S: "7 apples" } }, "Corrupt", /no record of a circuit; it is left/],
  ["another release", { version: { N: "7" }, record: { S: `{"form":2}` } }, "ForeignVersion", /has form 2/]
]

/** Items behind the store's back. */
const items = (tableName: string) =>
  Effect.map(DynamoClient, (client) => ({
    put: (key: string, item: Item) =>
      Effect.promise(() =>
        client.send(new PutItemCommand({ TableName: tableName, Item: { key: { S: key }, ...item } }))
      ),
    get: (key: string) =>
      Effect.promise(() => client.send(new GetItemCommand({ TableName: tableName, Key: { key: { S: key } } })))
  }))

onOneServer("a process goes on by its own judgement, and says why, when DynamoDB", (it) => {
  it.effect("holds what is no record, and leaves it as it is", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Server
      const corner = yield* freshCorner
      const { get, put } = yield* Effect.provide(items(corner.where.tableName), clientOf(endpoint))
      const process = yield* join(corner)
      for (const [key, item, reason, message] of bad) {
        yield* put(key, item)
        yield* goesOnAlone(process, key, { reason, message })
        assert.deepStrictEqual((yield* get(key)).Item, { key: { S: key }, ...item }, key)
      }
      // It shares what it can.
      yield* trip(process, "long/good")
      yield* heldOpen(corner, "long/good")
    }).pipe(Effect.scoped), 60_000)

  it.effect("holds what was counted under another rule, and leaves its counts alone", () =>
    Effect.gen(function*() {
      yield* leavesOtherRuleAlone(yield* freshCorner)
    }), 60_000)

  it.effect("has no such table, and takes no such key", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Server
      const missing = yield* cornerOf(endpoint, "missing")
      const message = /there is no table "missing".*create it/
      yield* goesOnAlone(yield* join(missing), "quotes", { reason: "Missing", message })
      const { where } = yield* freshCorner
      const oversized = yield* cornerOf(endpoint, where.tableName, { prefix: "p".repeat(2_048) })
      const process = yield* join(oversized)
      yield* goesOnAlone(process, "quotes", { reason: "Oversized", message: /2054 bytes.*use another key/ })
    }), 60_000)

  it.effect("refuses it", () =>
    Effect.gen(function*() {
      const { endpoint, requests } = yield* fakeDynamo(() => error("AccessDeniedException"))
      const process = yield* join(yield* cornerOf(endpoint, "circuits"))
      const message = /allow this program dynamodb:GetItem/
      yield* goesOnAlone(process, "quotes", { reason: "Denied", message })
      assert.isAbove(requests.length, 0)
    }), 60_000)
})
