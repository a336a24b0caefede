/** The store on real servers. */
import { DynamoDBClient, GetItemCommand, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb"
import { assert } from "@effect/vitest"
import { CircuitStore } from "@reclose/core"
import { DynamoClient, DynamoStore } from "@reclose/dynamodb"
import { Config, ConfigProvider, Effect, Fiber, Layer, Stream } from "effect"
import { fakeDynamo } from "./FakeDynamo.ts"
import {
  clientOf,
  freshStore,
  makeTable,
  onEachServer,
  read,
  recordOf,
  replace,
  Server,
  serverClient,
  storeOver
} from "./support.ts"

/** A table, and a way to write and read its items behind the store's back. */
const table = Effect.gen(function*() {
  const client = yield* DynamoClient
  const tableName = yield* makeTable
  return {
    tableName,
    store: DynamoStore.layer({ tableName }),
    put: (key: string, rest: PutItemCommand["input"]["Item"]) =>
      Effect.promise(() =>
        client.send(new PutItemCommand({ TableName: tableName, Item: { key: { S: key }, ...rest } }))
      ),
    item: (key: string) =>
      Effect.promise(() =>
        client.send(new GetItemCommand({ TableName: tableName, Key: { key: { S: key } }, ConsistentRead: true }))
          .then(({ Item }) => Item)
      )
  }
})

onEachServer("the store", (it) => {
  it.effect("holds nothing of a key that was never written, and knows the server's time", () =>
    Effect.gen(function*() {
      const seen = yield* read("quotes")
      assert.deepStrictEqual([seen.record, seen.precision, seen.time % 1000], [undefined, 1000, 0])
      assert.isBelow(Math.abs(seen.time - Date.now()), 5_000)
    }).pipe(Effect.provide(freshStore)))

  it.effect("replaces for whoever has seen the latest version", () =>
    Effect.gen(function*() {
      const first = yield* replace("quotes", undefined, recordOf(1))
      assert.deepStrictEqual([first._tag, "precision" in first && first.precision], ["Replaced", 1000])
      assert.deepStrictEqual((yield* read("quotes")).record, recordOf(1))
      assert.strictEqual((yield* replace("quotes", recordOf(1), recordOf(2)))._tag, "Replaced")
      assert.deepStrictEqual((yield* read("quotes")).record, recordOf(2))
    }).pipe(Effect.provide(freshStore)))

  it.effect("hands the winner's record to whoever has not, and changes nothing", () =>
    Effect.gen(function*() {
      yield* replace("quotes", undefined, recordOf(5))
      for (const seen of [undefined, recordOf(4)]) {
        const conflict = yield* replace("quotes", seen, recordOf(9))
        assert.deepStrictEqual(conflict._tag === "Conflict" && conflict.seen.record, recordOf(5))
      }
      assert.deepStrictEqual((yield* read("quotes")).record, recordOf(5))
    }).pipe(Effect.provide(freshStore)))

  it.effect("answers that nothing is held to whoever has seen something that is gone", () =>
    Effect.gen(function*() {
      const conflict = yield* replace("quotes", recordOf(4), recordOf(5))
      assert.strictEqual(conflict._tag, "Conflict")
      assert.strictEqual(conflict._tag === "Conflict" && conflict.seen.record, undefined)
    }).pipe(Effect.provide(freshStore)))

  it.effect("lets exactly one of a hundred win that have seen the same", () =>
    Effect.gen(function*() {
      for (const seen of [undefined, recordOf(1)]) {
        const writes = Array.from({ length: 100 }, (_, index) => index)
        const results = yield* Effect.forEach(
          writes,
          (index) => replace("quotes", seen, recordOf((seen?.version ?? 0) + 1, { generation: index })),
          { concurrency: "unbounded" }
        )
        const winner = results.findIndex(({ _tag }) => _tag === "Replaced")
        assert.strictEqual(results.filter(({ _tag }) => _tag === "Replaced").length, 1)
        for (const result of results) {
          if (result._tag === "Conflict") assert.strictEqual(result.seen.record?.generation, winner)
        }
      }
    }).pipe(Effect.provide(freshStore)))

  it.effect("shows people the phase, and DynamoDB when it may drop the item", () =>
    Effect.gen(function*() {
      const { item, store } = yield* table
      yield* Effect.gen(function*() {
        yield* replace("quotes", undefined, recordOf(1, { time: 4_000_000_000_001, timeToLive: 60_000 }))
        const { record, ...shown } = (yield* item("quotes")) ?? {}
        assert.deepStrictEqual(shown, {
          key: { S: "quotes" },
          version: { N: "1" },
          phase: { S: "Open" },
          expiresAt: { N: "4000000061" }
        })
        assert.include(record?.S, "\"version\":1")
        yield* replace("quotes", recordOf(1), recordOf(2, { timeToLive: undefined }))
        assert.isUndefined((yield* item("quotes"))?.["expiresAt"])
      }).pipe(Effect.provide(store))
    }).pipe(Effect.provide(serverClient)))

  it.effect("leaves alone what people add to an item", () =>
    Effect.gen(function*() {
      const { item, store, tableName } = yield* table
      const client = yield* DynamoClient
      yield* Effect.gen(function*() {
        yield* replace("quotes", undefined, recordOf(1))
        yield* Effect.promise(() =>
          client.send(
            new UpdateItemCommand({
              TableName: tableName,
              Key: { key: { S: "quotes" } },
              UpdateExpression: "SET note = :note",
              ExpressionAttributeValues: { ":note": { S: "see the runbook" } }
            })
          )
        )
        yield* replace("quotes", recordOf(1), recordOf(2))
        assert.deepStrictEqual((yield* item("quotes"))?.["note"], { S: "see the runbook" })
      }).pipe(Effect.provide(store))
    }).pipe(Effect.provide(serverClient)))

  it.effect("reads 250 keys at once with 3 requests, and one key with a GetItem", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Server
      const proxy = yield* fakeDynamo(() => ({ _tag: "Forward", endpoint }))
      const keys = Array.from({ length: 250 }, (_, index) => `key-${index}`)
      const { store } = yield* table
      yield* Effect.gen(function*() {
        yield* Effect.forEach(keys.slice(0, 20), (key, index) => replace(key, undefined, recordOf(index + 1)))
        const before = proxy.requests.length
        const seen = yield* Effect.forEach(keys, read, { concurrency: "unbounded" })
        assert.deepStrictEqual(
          seen.map(({ record }) => record?.version),
          keys.map((_, index) => index < 20 ? index + 1 : undefined)
        )
        // A key that many ask for is read once.
        const hundred = keys.slice(0, 100).flatMap((key) => [key, key])
        yield* Effect.forEach(hundred, read, { concurrency: "unbounded" })
        yield* read("key-3")
        const requests = proxy.requests.slice(before)
        const batch = "BatchGetItem"
        assert.deepStrictEqual(requests.map(({ action }) => action), [batch, batch, batch, batch, "GetItem"])
        for (const { input } of requests) assert.include(JSON.stringify(input), "\"ConsistentRead\":true")
      }).pipe(Effect.provide(store.pipe(Layer.provide(clientOf(proxy.endpoint)))))
    }).pipe(Effect.provide(serverClient)))

  it.effect("fails only the read of what it can't read, and never overwrites it", () =>
    Effect.gen(function*() {
      const { item, put, store } = yield* table
      yield* Effect.gen(function*() {
        yield* replace("fine", undefined, recordOf(1))
        const { record } = (yield* item("fine")) ?? {}
        const version = { N: "1" }
        const unreadable = {
          corrupt: { version, record: { S: "no record" } },
          newer: { version, record: { S: JSON.stringify({ form: 99 }) } },
          edited: { version: { N: "7" }, record: record ?? { S: "" } },
          number: { version, record: { N: "1" } },
          bare: { owner: { S: "somebody else" } }
        }
        for (const [key, rest] of Object.entries(unreadable)) yield* put(key, rest)
        const results = yield* Effect.forEach(
          ["fine", ...Object.keys(unreadable)],
          (key) => Effect.match(read(key), { onFailure: (error) => error.reason, onSuccess: () => "read" }),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(results, ["read", "Corrupt", "ForeignVersion", "Corrupt", "WrongType", "WrongType"])
        for (const [key, rest] of Object.entries(unreadable)) {
          const error = yield* Effect.flip(replace(key, undefined, recordOf(1)))
          assert.deepStrictEqual([error.key, error.operation], [key, "replace"])
          assert.deepStrictEqual(yield* item(key), { key: { S: key }, ...rest })
        }
        const error = yield* Effect.flip(replace("number", recordOf(1), recordOf(2)))
        assert.strictEqual(error.reason, "WrongType")
      }).pipe(Effect.provide(store))
    }).pipe(Effect.provide(serverClient)))

  it.effect("says of a missing table that it is missing, and what to do", () =>
    Effect.gen(function*() {
      const outcomes = [
        read("quotes"),
        Effect.map(Effect.all([read("a"), read("b")], { concurrency: "unbounded" }), ([a]) => a),
        replace("quotes", undefined, recordOf(1)),
        Effect.asVoid(CircuitStore.use((store) => Stream.runDrain(store.list(""))))
      ]
      for (const outcome of outcomes) {
        const error = yield* Effect.flip(Effect.asVoid(outcome))
        assert.strictEqual(error.reason, "Missing")
        assert.include(error.message, "there is no table \"nowhere\"")
      }
    }).pipe(Effect.provide(DynamoStore.layer({ tableName: "nowhere" }).pipe(Layer.provide(serverClient)))))

  it.effect("refuses a key that DynamoDB has no room for, without failing those beside it", () =>
    Effect.gen(function*() {
      const results = yield* Effect.forEach(
        ["a".repeat(2049), "ä".repeat(1025), "a".repeat(2048), "b"],
        (key) => Effect.match(read(key), { onFailure: (error) => error.reason, onSuccess: () => "read" }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(results, ["Oversized", "Oversized", "read", "read"])
    }).pipe(Effect.provide(freshStore)))

  it.effect("refuses a record that DynamoDB has no room for", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(replace("a", undefined, recordOf(1, { policy: "x".repeat(500_000) })))
      assert.strictEqual(error.reason, "Oversized")
    }).pipe(Effect.provide(freshStore)))

  it.effect("lists the keys with a prefix, page by page, and nothing that is none of ours", () =>
    Effect.gen(function*() {
      const { put, tableName } = yield* table
      const inside = DynamoStore.layer({ tableName, prefix: "app/" })
      // Together more than the megabyte that one Scan reads.
      const keys = Array.from({ length: 30 }, (_, index) => `${index % 2 === 0 ? "even" : "odd"}-${index}`)
      const heavy = (version: number) => recordOf(version, { policy: "x".repeat(100_000) })
      yield* put("app/even-foreign", { version: { N: "1" } })
      yield* put("elsewhere", { version: { N: "1" }, record: { S: "" } })
      const listed = (prefix: string) => CircuitStore.use((store) => Stream.runCollect(store.list(prefix)))
      yield* Effect.gen(function*() {
        yield* Effect.forEach(keys, (key) => replace(key, undefined, heavy(1)), { concurrency: 5 })
        assert.deepStrictEqual((yield* listed("")).toSorted(), keys.toSorted())
        assert.deepStrictEqual(
          (yield* listed("even")).toSorted(),
          keys.filter((key) => key.startsWith("even")).toSorted()
        )
      }).pipe(Effect.provide(inside))
      assert.strictEqual((yield* Effect.provide(listed(""), DynamoStore.layer({ tableName }))).length, 31)
    }).pipe(Effect.provide(serverClient)))

  it.effect("takes its options from configuration", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Server
      const { item, tableName } = yield* table
      const store = DynamoStore.layerConfig({
        tableName: Config.String("TABLE"),
        prefix: Config.String("PREFIX")
      }).pipe(Layer.provide(DynamoClient.layerConfig({
        endpoint: Config.String("ENDPOINT"),
        region: Config.String("REGION"),
        credentials: { accessKeyId: Config.Redacted("KEY"), secretAccessKey: Config.Redacted("SECRET") }
      })))
      const env = { TABLE: tableName, PREFIX: "app/", ENDPOINT: endpoint, REGION: "local", KEY: "test", SECRET: "test" }
      yield* replace("quotes", undefined, recordOf(1)).pipe(
        Effect.provide(store),
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
      )
      assert.isDefined(yield* item("app/quotes"))
    }).pipe(Effect.provide(serverClient)))

  it.effect("uses a client of the program's own, and leaves it open", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Server
      const { tableName } = yield* table
      const client = new DynamoDBClient({
        endpoint,
        region: "local",
        credentials: { accessKeyId: "test", secretAccessKey: "test" }
      })
      const store = DynamoStore.layer({ tableName }).pipe(Layer.provide(DynamoClient.fromClient(client)))
      yield* Effect.provide(replace("quotes", undefined, recordOf(1)), store)
      assert.strictEqual((yield* Effect.provide(read("quotes"), store)).record?.version, 1)
      client.destroy()
    }).pipe(Effect.provide(serverClient)))

  it.effect("is interrupted while the server is paused, and reads again once it goes on", () =>
    Effect.gen(function*() {
      const server = yield* Server
      const { store } = yield* table
      yield* Effect.gen(function*() {
        yield* replace("quotes", undefined, recordOf(1))
        yield* Effect.acquireRelease(server.pause, () => server.resume)
        const reading = yield* Effect.forkChild(read("quotes"), { startImmediately: true })
        const writing = yield* Effect.forkChild(replace("other", undefined, recordOf(1)), { startImmediately: true })
        assert.strictEqual((yield* Effect.timeoutOption(Fiber.await(reading), "100 millis"))._tag, "None")
        yield* Fiber.interruptAll([reading, writing])
        yield* server.resume
        assert.strictEqual((yield* read("quotes")).record?.version, 1)
      }).pipe(Effect.provide(store))
    }).pipe(Effect.provide(serverClient)))

  it.effect("says that a killed server is unavailable, and writes again once it is back", () =>
    Effect.gen(function*() {
      const server = yield* Server
      yield* server.kill
      yield* Effect.gen(function*() {
        const error = yield* Effect.flip(read("quotes"))
        assert.deepStrictEqual([error.key, error.operation, error.reason], ["quotes", "read", "Unavailable"])
      }).pipe(Effect.ensuring(Effect.orDie(server.restart)), Effect.provide(storeOver(server.endpoint)))
      yield* Effect.provide(replace("quotes", undefined, recordOf(1)), freshStore)
    }))

  it.effect.each(["a b", "arn:aws:dynamodb:quotes"])(
    "blames the name of a table that can't be: %s",
    (tableName) =>
      Effect.gen(function*() {
        const failures = yield* Effect.all([
          Effect.flip(read("quotes")),
          Effect.flip(replace("quotes", undefined, recordOf(1)))
        ])
        for (const { message, reason } of failures) {
          assert.strictEqual(reason, "Missing")
          assert.include(message, `"${tableName}" is not the name of a table`)
        }
      }).pipe(Effect.provide(Layer.provide(DynamoStore.layer({ tableName }), serverClient)))
  )
})
