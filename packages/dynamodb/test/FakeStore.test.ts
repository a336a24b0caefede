/** The store and what no emulator does: refusals, throttling, lost and late answers. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb"
import { assert, describe, it } from "@effect/vitest"
import { CircuitStore } from "@reclose/core"
import * as CircuitRecord from "@reclose/core/CircuitRecord"
import { DynamoClient, DynamoStore } from "@reclose/dynamodb"
import { Effect, Fiber, Layer, Random, Stream } from "effect"
import { answer, error, fakeDynamo, type FakeRequest, type Reply } from "./FakeDynamo.ts"
import { clientOf, read, recordOf, replace, storeOver, waitUntil } from "./support.ts"

/** Reads a key from an endpoint that answers so. */
const readFrom = Effect.fnUntraced(function*(reply: Reply | ((index: number) => Reply)) {
  const fake = yield* fakeDynamo((_, index) => typeof reply === "function" ? reply(index) : reply)
  const result = yield* Effect.result(Effect.provide(read("quotes"), storeOver(fake.endpoint)))
  return { fake, result }
})

const nothing = answer({})

describe("a request that is refused", () => {
  it.live.each(
    [
      ["ResourceNotFoundException", 400, "Missing", "create it"],
      ["AccessDeniedException", 400, "Denied", "allow this program dynamodb:GetItem"],
      ["UnrecognizedClientException", 400, "Denied", "credentials"],
      ["ExpiredTokenException", 400, "Denied", "credentials"],
      ["InvalidSignatureException", 400, "Denied", "clock"],
      ["MissingAuthenticationTokenException", 400, "Denied", "credentials"],
      ["ProvisionedThroughputExceededException", 400, "Throttled", "more capacity"],
      ["ThrottlingException", 400, "Throttled", "more capacity"],
      ["RequestLimitExceeded", 400, "Throttled", "more capacity"],
      ["InternalServerError", 500, "Unavailable", "about InternalServerError"],
      ["SomethingNew", 400, "Unavailable", "about SomethingNew"],
      ["ValidationException", 400, "Missing", "named \"key\""]
    ] as const
  )("for a %s says what it means and what to do", ([name, status, reason, advice]) =>
    Effect.gen(function*() {
      const { result } = yield* readFrom(error(name, status))
      assert.isTrue(result._tag === "Failure")
      if (result._tag === "Success") return
      assert.deepStrictEqual([result.failure.reason, result.failure.key], [reason, "quotes"])
      assert.include(result.failure.message, advice)
    }).pipe(Effect.scoped))

  it.live("for lack of credentials says that they are missing", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => nothing)
      const client = DynamoClient.layer({
        endpoint: fake.endpoint,
        region: "local",
        credentials: () =>
          Promise.reject(Object.assign(new Error("Could not load credentials"), { name: "CredentialsProviderError" }))
      })
      const failure = yield* Effect.flip(
        Effect.provide(read("quotes"), DynamoStore.layer({ tableName: "circuits" }).pipe(Layer.provide(client)))
      )
      assert.deepStrictEqual([failure.reason, fake.requests.length], ["Denied", 0])
    }).pipe(Effect.scoped))

  it.live("names BatchGetItem and UpdateItem where they are what is not allowed", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(({ action }) => action === "GetItem" ? nothing : error("AccessDeniedException"))
      yield* Effect.gen(function*() {
        yield* read("a")
        const both = Effect.all([read("a"), read("b")], { concurrency: "unbounded" })
        assert.include((yield* Effect.flip(both)).message, "dynamodb:BatchGetItem")
        const refused = yield* Effect.flip(replace("a", undefined, recordOf(1)))
        assert.include(refused.message, "dynamodb:UpdateItem")
        assert.strictEqual(refused.operation, "replace")
        const listing = yield* Effect.flip(CircuitStore.use((store) => Stream.runDrain(store.list("x"))))
        assert.include(listing.message, "dynamodb:Scan")
        assert.deepStrictEqual([listing.key, listing.operation], ["x", "list"])
      }).pipe(Effect.provide(storeOver(fake.endpoint)))
    }).pipe(Effect.scoped))
})

describe("a request that fails for a moment", () => {
  it.live.each(
    [
      ["throttled", error("ThrottlingException")],
      ["failing", error("InternalServerError", 500)],
      ["unreachable", { _tag: "Hangup" }]
    ] as const
  )("is sent anew, up to 3 times, while DynamoDB is %s", ([, trouble]) =>
    Effect.gen(function*() {
      const recovered = yield* readFrom((index) => index < 3 ? trouble : nothing)
      assert.deepStrictEqual([recovered.result._tag, recovered.fake.requests.length], ["Success", 4])
      const lost = yield* readFrom(trouble)
      assert.deepStrictEqual([lost.result._tag, lost.fake.requests.length], ["Failure", 4])
    }).pipe(Effect.scoped))

  it.live("is not sent anew where that can't help", () =>
    Effect.gen(function*() {
      const { fake } = yield* readFrom(error("AccessDeniedException"))
      assert.strictEqual(fake.requests.length, 1)
    }).pipe(Effect.scoped))

  it.live("is left to a client that sends it anew by itself", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => error("InternalServerError", 500))
      yield* Effect.flip(Effect.provide(read("quotes"), storeOver(fake.endpoint, 2)))
      assert.strictEqual(fake.requests.length, 2)
    }).pipe(Effect.scoped))

  it.live("waits for a random part of 25, 50 and 100 milliseconds before", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => error("ThrottlingException"))
      const started = performance.now()
      // The longest delays there are: 25, 50 and 100 milliseconds.
      const most = { nextDoubleUnsafe: () => 0.999, nextIntUnsafe: () => 1 }
      yield* Effect.flip(Effect.provide(read("quotes"), storeOver(fake.endpoint))).pipe(
        Effect.provideService(Random.Random, most)
      )
      assert.isAtLeast(performance.now() - started, 170)
    }).pipe(Effect.scoped))
})

/** An endpoint that leaves keys of each batch unprocessed as often as it is told. */
const leaving = (times: number, leave: (key: string) => boolean) =>
  fakeDynamo(({ input }, index) => {
    const keys = keysOf({ action: "BatchGetItem", input })
    const left = index < times ? keys.filter(leave) : []
    return answer({
      Responses: {
        circuits: keys.filter((key) => !left.includes(key)).map((key) => ({
          key: { S: key },
          version: { N: "1" },
          record: { S: CircuitRecord.toText(recordOf(1)) }
        }))
      },
      UnprocessedKeys: left.length === 0 ? {} : { circuits: { Keys: left.map((S) => ({ key: { S } })) } }
    })
  })

const keysOf = ({ input }: Pick<FakeRequest, "action" | "input">): ReadonlyArray<string> => {
  // As the protocol has it.
  const { RequestItems } = input as { RequestItems: { circuits: { Keys: ReadonlyArray<{ key: { S: string } }> } } }
  return RequestItems.circuits.Keys.map(({ key }) => key.S)
}

const readAll = (keys: ReadonlyArray<string>) =>
  Effect.forEach(
    keys,
    (key) => Effect.match(read(key), { onFailure: ({ reason }) => reason, onSuccess: ({ record }) => record?.version }),
    { concurrency: "unbounded" }
  )

describe("a batch with keys that were left unprocessed", () => {
  it.live("asks for those again, and only for those", () =>
    Effect.gen(function*() {
      const fake = yield* leaving(2, (key) => key !== "a")
      const seen = yield* Effect.provide(readAll(["a", "b", "c"]), storeOver(fake.endpoint))
      assert.deepStrictEqual(seen, [1, 1, 1])
      assert.deepStrictEqual(fake.requests.map(keysOf), [["a", "b", "c"], ["b", "c"], ["b", "c"]])
    }).pipe(Effect.scoped))

  it.live("gives up on them after a while, and on no other", () =>
    Effect.gen(function*() {
      const fake = yield* leaving(Infinity, (key) => key === "b")
      const seen = yield* Effect.provide(readAll(["a", "b", "c"]), storeOver(fake.endpoint))
      assert.deepStrictEqual(seen, [1, "Throttled", 1])
      assert.strictEqual(fake.requests.length, 4)
    }).pipe(Effect.scoped))
})

describe("the time of an answer", () => {
  it.live("is that of its Date header", () =>
    Effect.gen(function*() {
      const { result } = yield* readFrom(answer({}, "Wed, 21 Oct 2015 07:28:00 GMT"))
      assert.strictEqual(result._tag === "Success" && result.success.time, 1_445_412_480_000)
    }).pipe(Effect.scoped))

  it.live.each([["missing", null], ["no date", "soon"]])(
    "can't be told if that header is %s",
    ([, date]) =>
      Effect.gen(function*() {
        const { result } = yield* readFrom(answer({}, date))
        assert.strictEqual(result._tag === "Failure" && result.failure.reason, "Unavailable")
        assert.include(result._tag === "Failure" ? result.failure.message : "", "without a Date header")
        const fake = yield* fakeDynamo(() => answer({ Responses: {} }, date))
        const many = yield* Effect.provide(readAll(["a", "b"]), storeOver(fake.endpoint))
        assert.deepStrictEqual(many, ["Unavailable", "Unavailable"])
      }).pipe(Effect.scoped)
  )

  it.live("is known of a conflict, too", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => error("ConditionalCheckFailedException"))
      const conflict = yield* Effect.provide(replace("a", recordOf(1), recordOf(2)), storeOver(fake.endpoint))
      assert.strictEqual(conflict._tag, "Conflict")
      if (conflict._tag !== "Conflict") return
      assert.isUndefined(conflict.seen.record)
      assert.isBelow(Math.abs(conflict.seen.time - Date.now()), 5_000)
    }).pipe(Effect.scoped))

  it.live("is known to a client that caches its middleware", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => nothing)
      const client = new DynamoDBClient({
        endpoint: fake.endpoint,
        region: "local",
        credentials: { accessKeyId: "test", secretAccessKey: "test" },
        cacheMiddleware: true
      })
      const store = DynamoStore.layer({ tableName: "circuits" }).pipe(Layer.provide(DynamoClient.fromClient(client)))
      yield* Effect.provide(Effect.andThen(read("a"), read("b")), store)
      client.destroy()
    }).pipe(Effect.scoped))
})

describe("an interrupted operation", () => {
  it.live.each(
    [
      ["read", read("a")],
      ["batch of reads", readAll(["a", "b"])],
      ["write", replace("a", undefined, recordOf(1))],
      ["list", CircuitStore.use((store) => Stream.runDrain(store.list("")))]
    ] as const
  )("closes the request of a %s", ([, operation]) =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => ({ _tag: "Silence" }))
      yield* Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(Effect.asVoid(operation))
        yield* waitUntil(() => fake.requests.length === 1)
        yield* Fiber.interrupt(fiber)
        yield* waitUntil(() => fake.aborted() === 1)
        assert.strictEqual(fake.requests.length, 1)
      }).pipe(Effect.provide(storeOver(fake.endpoint)))
    }).pipe(Effect.scoped))

  it.live("leaves the batch to those who still wait for it", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => ({ _tag: "Silence" }))
      yield* Effect.gen(function*() {
        const [first, second] = yield* Effect.all([Effect.forkChild(read("a")), Effect.forkChild(read("b"))])
        yield* waitUntil(() => fake.requests.length === 1)
        yield* Fiber.interrupt(first)
        const ended = yield* Effect.timeoutOption(Fiber.await(second), "50 millis")
        assert.deepStrictEqual([ended._tag, fake.aborted()], ["None", 0])
        yield* Fiber.interrupt(second)
        yield* waitUntil(() => fake.aborted() === 1)
      }).pipe(Effect.provide(storeOver(fake.endpoint)))
    }).pipe(Effect.scoped))

  it.live("waits for no further attempt", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => error("ThrottlingException"))
      yield* Effect.provide(Effect.timeoutOption(read("a"), 0), storeOver(fake.endpoint))
      const asked = fake.requests.length
      yield* Effect.sleep("250 millis")
      assert.isAtMost(fake.requests.length, asked + 1)
    }).pipe(Effect.scoped))

  it.live("ends with the store: nobody waits for one that is gone", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => ({ _tag: "Silence" }))
      const store = yield* Effect.provide(CircuitStore.use(Effect.succeed), storeOver(fake.endpoint))
      const exit = yield* Effect.exit(Effect.timeout(store.read("a"), "1 second"))
      assert.strictEqual(exit._tag, "Failure")
      assert.strictEqual(fake.requests.length, 0)
    }).pipe(Effect.scoped))
})

describe("a client", () => {
  it.live("leaves it to the store to send a request anew, and waits neither for connections nor answers for ever", () =>
    Effect.gen(function*() {
      const { config } = yield* DynamoClient
      assert.strictEqual(yield* Effect.promise(() => config.maxAttempts()), 1)
      yield* Effect.ignore(read("a"))
      const { connectionTimeout, requestTimeout, throwOnRequestTimeout } = Object(config.requestHandler).config
      assert.deepStrictEqual([connectionTimeout, requestTimeout, throwOnRequestTimeout], [1_000, 5_000, true])
    }).pipe(
      Effect.provide(
        DynamoStore.layer({ tableName: "circuits" }).pipe(Layer.provideMerge(DynamoClient.layer({
          endpoint: "http://127.0.0.1:1",
          region: "local",
          credentials: { accessKeyId: "test", secretAccessKey: "test" }
        })))
      )
    ))

  it.live("gives up on an answer that does not come, unless told otherwise", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => ({ _tag: "Silence" }))
      const impatient = DynamoClient.layer({
        endpoint: fake.endpoint,
        region: "local",
        credentials: { accessKeyId: "test", secretAccessKey: "test" },
        requestHandler: { requestTimeout: 50, throwOnRequestTimeout: true }
      })
      const failure = yield* Effect.flip(
        Effect.provide(read("a"), DynamoStore.layer({ tableName: "circuits" }).pipe(Layer.provide(impatient)))
      )
      assert.strictEqual(failure.reason, "Timeout")
    }).pipe(Effect.scoped))

  it.live("is destroyed with the scope of its layer, and not before", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => nothing)
      let destroyed = 0
      yield* Effect.gen(function*() {
        const client = yield* DynamoClient
        const destroy = client.destroy.bind(client)
        client.destroy = () => {
          destroyed++
          destroy()
        }
        yield* Effect.provide(read("a"), DynamoStore.layer({ tableName: "circuits" }))
        assert.strictEqual(destroyed, 0)
      }).pipe(Effect.provide(clientOf(fake.endpoint)))
      assert.strictEqual(destroyed, 1)
    }).pipe(Effect.scoped))
})
