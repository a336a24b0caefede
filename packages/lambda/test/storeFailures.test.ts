/** What the lines of metrics say of a store that does not do what it is asked. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, CircuitStoreError, TripRule, withBreaker } from "@reclose/core"
import * as CircuitRecord from "@reclose/core/CircuitRecord"
import { DynamoClient, DynamoStore } from "@reclose/dynamodb"
import { BeforeResponse, EmbeddedMetrics, LambdaBreaker } from "@reclose/lambda"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { answer, error, fakeDynamo, type FakeRequest, type Reply } from "../../dynamodb/test/FakeDynamo.ts"
import { metricsOf, parseLine } from "./embeddedFormat.ts"

const policy = { tripRule: TripRule.consecutive(2), openDuration: "10 seconds" } as const

/** A function with metrics over a store: runs an invocation and answers the lines that it has written. */
const start = Effect.fnUntraced(function*<E>(store: Layer.Layer<CircuitStore, E>) {
  const written: Array<string> = []
  const context = yield* Layer.build(
    EmbeddedMetrics.layer({ service: "worker" }).pipe(
      Layer.provideMerge(LambdaBreaker.layer(policy)),
      Layer.provideMerge(BeforeResponse.layer),
      Layer.provide([
        store,
        Layer.succeed(EmbeddedMetrics.Sink, {
          write: (lines) => Effect.sync(() => void written.push(...lines))
        })
      ])
    )
  )
  const respond = Effect.flatMap(
    BeforeResponse,
    ({ tasks }) => Effect.flatMap(tasks, Effect.forEach(({ run }) => run, { discard: true }))
  )
  return <A, E2, R>(effect: Effect.Effect<A, E2, R>) =>
    Effect.exit(effect).pipe(
      Effect.andThen(respond),
      Effect.map(() => written.splice(0).map(parseLine)),
      Effect.provideContext(context)
    )
})

const dynamo = (handle: (request: FakeRequest, index: number) => Reply) =>
  Effect.map(fakeDynamo(handle), ({ endpoint }) =>
    DynamoStore.layer({ tableName: "circuits" }).pipe(
      Layer.provide(DynamoClient.layer({
        endpoint,
        region: "local",
        credentials: { accessKeyId: "test", secretAccessKey: "test" }
      }))
    ))

const succeed = (key = "quotes") => Effect.succeed(42).pipe(withBreaker(key))
const fail = (key = "quotes") => Effect.exit(Effect.fail("down").pipe(withBreaker(key)))

describe("the line of an invocation whose store fails", () => {
  it.live("says which operation DynamoDB denies, and what to do about it", () =>
    Effect.gen(function*() {
      const invoke = yield* start(
        yield* dynamo(({ action }) => action === "GetItem" ? answer({}) : error("AccessDeniedException"))
      )
      const [service, circuit] = yield* invoke(Effect.andThen(fail(), fail()))
      const expected = {
        event: "StoreFailed",
        operation: "replace",
        reason: "Denied",
        message: `DynamoDB refuses UpdateItem on table "circuits": allow this program dynamodb:UpdateItem on it, ` +
          "and check its credentials and its clock (AccessDeniedException: about AccessDeniedException)",
        circuit: "quotes",
        circuits: 1
      }
      assert.deepStrictEqual(service?.["storeFailures"], [expected])
      assert.deepStrictEqual(circuit?.["storeFailures"], [expected])
      assert.strictEqual(service?.["StoreFailures"], 1)
    }).pipe(Effect.scoped))

  it.live("says it again with each invocation, for as long as the store fails", () =>
    Effect.gen(function*() {
      const invoke = yield* start(yield* dynamo(() => error("AccessDeniedException")))
      for (let times = 0; times < 3; times++) {
        const [service] = yield* invoke(succeed())
        assert.strictEqual(service?.["StoreFailures"], 1)
        assert.deepInclude(service?.["storeFailures"], {
          event: "StoreFailed",
          operation: "read",
          reason: "Denied",
          message: `DynamoDB refuses GetItem on table "circuits": allow this program dynamodb:GetItem on it, ` +
            "and check its credentials and its clock (AccessDeniedException: about AccessDeniedException)",
          circuit: "quotes",
          circuits: 1
        })
      }
    }).pipe(Effect.scoped))

  it.effect("names one circuit of many that the store fails for in the same way, and how many there are", () =>
    Effect.gen(function*() {
      const refused = (key: string, operation: "read" | "replace") =>
        Effect.fail(new CircuitStoreError({ key, operation, reason: "Unavailable", message: "x".repeat(5_000) }))
      const invoke = yield* start(Layer.succeed(
        CircuitStore,
        CircuitStore.make({
          read: (key) => refused(key, "read"),
          replace: (key) => refused(key, "replace"),
          changes: undefined,
          list: () => Stream.empty
        })
      ))
      const [service] = yield* invoke(Effect.forEach(["a", "b", "c"], succeed))
      assert.deepStrictEqual(service?.["storeFailures"], [
        {
          event: "StoreFailed",
          operation: "read",
          reason: "Unavailable",
          message: `${"x".repeat(999)}…`,
          circuit: "a",
          circuits: 3
        }
      ])
    }).pipe(Effect.scoped))

  it.effect("says of a store that dies what it died with", () =>
    Effect.gen(function*() {
      const invoke = yield* start(Layer.succeed(
        CircuitStore,
        CircuitStore.make({
          read: () => Effect.die(new Error("a bug")),
          replace: () => Effect.die(new Error("a bug")),
          changes: undefined,
          list: () => Stream.empty
        })
      ))
      const [service] = yield* invoke(succeed())
      assert.deepInclude((service?.["storeFailures"] as ReadonlyArray<unknown> | undefined)?.[0], {
        event: "StoreFailed",
        operation: "read",
        reason: "Defect",
        message: "Error: a bug"
      })
    }).pipe(Effect.scoped))
})

describe("a record of another trip rule, in a store that works", () => {
  it.effect("is listed once, and is no failure of the store", () =>
    Effect.gen(function*() {
      const memory = Layer.succeedContext(yield* Layer.build(CircuitStore.layerMemory))
      const other = yield* CircuitBreaker.make({ ...policy, tripRule: TripRule.consecutive(1) }).pipe(
        Effect.provide(memory)
      )
      yield* Effect.provideService(fail(), CircuitBreaker, other)
      yield* other.flush
      yield* TestClock.adjust("20 seconds")
      const invoke = yield* start(memory)
      const listed: Array<unknown> = []
      for (let times = 0; times < 5; times++) {
        const lines = yield* invoke(succeed())
        for (const line of lines) assert.isUndefined(metricsOf(line)["StoreFailures"] || undefined)
        listed.push(...(lines[0]?.["recordMismatches"] as ReadonlyArray<unknown> | undefined ?? []))
        assert.isUndefined(lines[0]?.["storeFailures"])
        yield* TestClock.adjust("1 minute")
      }
      assert.deepStrictEqual(listed, [{
        event: "RecordMismatch",
        operation: "read",
        reason: "ForeignPolicy",
        message:
          "the record was counted under another trip rule, so its counts are left alone and only its phase holds: " +
          "give all processes that use the key one rule, or a store prefix each",
        circuit: "quotes",
        circuits: 1
      }])
    }).pipe(Effect.scoped))
})

describe("a record of another format, in a store that works", () => {
  it.live("is listed once, and is no failure of the store", () =>
    Effect.gen(function*() {
      const item = {
        key: { S: "quotes" },
        version: { N: "1" },
        record: { S: JSON.stringify({ form: 99 }) }
      }
      const invoke = yield* start(
        yield* dynamo(({ action }) => {
          assert.strictEqual(action, "GetItem")
          return answer({ Item: item })
        })
      )
      const failure = yield* Effect.flip(CircuitRecord.fromText("quotes", item.record.S))
      assert.strictEqual(failure.reason, "ForeignVersion")
      const listed: Array<unknown> = []
      for (let times = 0; times < 3; times++) {
        const [service] = yield* invoke(succeed())
        assert.strictEqual(service?.["StoreFailures"], 0)
        listed.push(
          ...(service?.["recordMismatches"] as ReadonlyArray<{ event: string; reason: string }> | undefined ?? [])
            .map(({ event, reason }) => [event, reason])
        )
      }
      assert.deepStrictEqual(listed, [["RecordMismatch", "ForeignVersion"]])
    }).pipe(Effect.scoped))
})
