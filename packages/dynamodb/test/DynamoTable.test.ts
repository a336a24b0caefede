/** The table that circuits are kept in. */
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  UpdateTimeToLiveCommand
} from "@aws-sdk/client-dynamodb"
import { assert } from "@effect/vitest"
import { DynamoClient, DynamoTable } from "@reclose/dynamodb"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { answer, error, fakeDynamo } from "./FakeDynamo.ts"
import { clientOf, onEachServer, pushing, serverClient } from "./support.ts"

const asAnother = Effect.fnUntraced(function*(tableName: string, attribute: "key" | "id", type: "S" | "N") {
  const client = yield* DynamoClient
  const input: CreateTableCommandInput = {
    TableName: tableName,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [{ AttributeName: attribute, AttributeType: type }],
    KeySchema: [{ AttributeName: attribute, KeyType: "HASH" }]
  }
  yield* Effect.promise(() => client.send(new CreateTableCommand(input)))
})

onEachServer("createTable", (it) => {
  it.effect("makes a table that is billed by request and drops what has expired, once", () =>
    Effect.gen(function*() {
      const client = yield* DynamoClient
      const tableName = "made"
      yield* Effect.all(Array.from({ length: 5 }, () => DynamoTable.createTable({ tableName })), {
        concurrency: "unbounded"
      })
      yield* DynamoTable.createTable({ tableName })
      const { Table } = yield* Effect.promise(() => client.send(new DescribeTableCommand({ TableName: tableName })))
      assert.strictEqual(Table?.BillingModeSummary?.BillingMode, "PAY_PER_REQUEST")
      assert.deepStrictEqual(Table?.KeySchema, [{ AttributeName: "key", KeyType: "HASH" }])
      const expiry = yield* Effect.promise(() => client.send(new DescribeTimeToLiveCommand({ TableName: tableName })))
      assert.deepStrictEqual(expiry.TimeToLiveDescription, {
        TimeToLiveStatus: "ENABLED",
        AttributeName: "expiresAt"
      })
    }).pipe(Effect.provide(serverClient)))

  it.effect("refuses a table of this name that has another key, or drops by something else", () =>
    Effect.gen(function*() {
      const client = yield* DynamoClient
      yield* asAnother("other-name", "id", "S")
      yield* asAnother("other-type", "key", "N")
      yield* asAnother("other-expiry", "key", "S")
      yield* Effect.promise(() =>
        client.send(
          new UpdateTimeToLiveCommand({
            TableName: "other-expiry",
            TimeToLiveSpecification: { Enabled: true, AttributeName: "ttl" }
          })
        )
      )
      for (const tableName of ["other-name", "other-type", "other-expiry"]) {
        const failure = yield* Effect.flip(DynamoTable.createTable({ tableName }))
        assert.deepStrictEqual([failure.tableName, failure.reason], [tableName, "WrongType"])
      }
    }).pipe(Effect.provide(serverClient)))

  it.effect("waits for the table, and not for ever", () =>
    Effect.gen(function*() {
      let describes = 0
      const fake = yield* fakeDynamo(({ action }) => {
        switch (action) {
          case "CreateTable":
            return error("ResourceInUseException")
          case "DescribeTable":
            return describes++ === 0
              ? error("ResourceNotFoundException")
              : answer({ Table: { TableStatus: "CREATING" } })
          default:
            return answer({})
        }
      })
      const failure = yield* Effect.flip(DynamoTable.createTable({ tableName: "slow", timeout: "5 seconds" })).pipe(
        Effect.provide(clientOf(fake.endpoint)),
        pushing("100 millis"),
        Effect.provide(TestClock.layer())
      )
      assert.strictEqual(failure.reason, "Timeout")
      assert.include(failure.message, "not active after 5s")
      assert.isAtLeast(describes, 2)
    }).pipe(Effect.scoped))

  it.effect("takes it well that another process turns on the time to live, and nothing else", () =>
    Effect.gen(function*() {
      const refusal = { message: "TimeToLive is already enabled" }
      const fake = yield* fakeDynamo(({ action }) => {
        switch (action) {
          case "DescribeTable":
            return answer({
              Table: {
                TableStatus: "ACTIVE",
                AttributeDefinitions: [{ AttributeName: "key", AttributeType: "S" }],
                KeySchema: [{ AttributeName: "key", KeyType: "HASH" }]
              }
            })
          case "UpdateTimeToLive":
            return error("ValidationException", 400, refusal.message)
          default:
            return answer({})
        }
      })
      const create = Effect.provide(DynamoTable.createTable({ tableName: "circuits" }), clientOf(fake.endpoint))
      yield* create
      refusal.message = "something else"
      assert.include((yield* Effect.flip(create)).message, "something else")
    }).pipe(Effect.scoped))

  it.effect("says what it may not do", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => error("AccessDeniedException"))
      const failure = yield* Effect.flip(DynamoTable.createTable({ tableName: "circuits" })).pipe(
        Effect.provide(clientOf(fake.endpoint))
      )
      assert.strictEqual(failure.reason, "Denied")
      assert.include(failure.message, "dynamodb:CreateTable")
    }).pipe(Effect.scoped))
})
