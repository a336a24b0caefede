/** Which failures a request is sent again for, and by which of the two that could: the store or the SDK. */
import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb"
import { assert, describe, it } from "@effect/vitest"
import { DynamoClient, DynamoStore } from "@reclose/dynamodb"
import { Effect, Layer } from "effect"
import { createRequire } from "node:module"
import { answer, error, fakeDynamo, type FakeRequest, type Reply } from "./FakeDynamo.ts"
import { read, storeOver } from "./support.ts"

/** The SDK's own classification of errors and its strategies, as they are installed with its client. */
const sdk = createRequire(createRequire(import.meta.url).resolve("@aws-sdk/client-dynamodb"))("@smithy/core/retry")

const readFrom = Effect.fnUntraced(function*(reply: (request: FakeRequest, index: number) => Reply) {
  const fake = yield* fakeDynamo(reply)
  const result = yield* Effect.result(Effect.provide(read("quotes"), storeOver(fake.endpoint)))
  return { result, requests: fake.requests.length }
})

const nothing = answer({})

const expired = "Signature expired: 20261201T000000Z is now earlier than 20261201T001000Z (20261201T001500Z - 5 min.)"

describe("a request with an old signature", () => {
  it.live("is signed and sent again, as after a container was frozen between the two", () =>
    Effect.gen(function*() {
      const { requests, result } = yield* readFrom((_, index) =>
        index === 0 ? error("InvalidSignatureException", 400, expired) : nothing
      )
      assert.deepStrictEqual([result._tag, requests], ["Success", 2])
    }).pipe(Effect.scoped))

  it.live.each([
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "RequestInTheFuture",
    "AccessDeniedException",
    "AuthFailure"
  ])(
    "is signed by DynamoDB's clock after a %s, on a machine whose clock is an hour slow",
    (name) =>
      Effect.gen(function*() {
        const hourAhead = Date.now() + 3_600_000
        const signedAt: Array<number> = []
        const { requests, result } = yield* readFrom(({ signed }) => {
          signedAt.push(signed)
          const date = new Date(hourAhead).toUTCString()
          return Math.abs(signed - hourAhead) < 300_000
            ? answer({}, date)
            : { ...error(name, 400, "the clocks differ"), date }
        })
        assert.deepStrictEqual([result._tag, requests], ["Success", 2])
        assert.isAtLeast(signedAt[1] ?? 0, hourAhead - 60_000)
      }).pipe(Effect.scoped)
  )

  it.live("is sent again once and not more, if that does not help", () =>
    Effect.gen(function*() {
      const { requests, result } = yield* readFrom(() => error("InvalidSignatureException", 400, expired))
      assert.strictEqual(result._tag === "Failure" && result.failure.reason, "Denied")
      assert.strictEqual(requests, 2)
    }).pipe(Effect.scoped))

  it.live("is not sent again for a denial, if the clocks agree", () =>
    Effect.gen(function*() {
      const { requests } = yield* readFrom(() => error("AccessDeniedException"))
      assert.strictEqual(requests, 1)
    }).pipe(Effect.scoped))
})

describe("the store's list of failures that a retry may help", () => {
  const codes = [
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNRESET",
    "ECONNREFUSED",
    "EPIPE",
    "ETIMEDOUT"
  ]
  const causes: ReadonlyArray<readonly [string, object]> = [
    ...codes.map((code) => [code, { code }] as const),
    ["a timeout", { name: "TimeoutError" }],
    ["status 503", { $metadata: { httpStatusCode: 503 } }],
    ["an error that is marked as retryable", { $retryable: {} }]
  ]
  const cases: ReadonlyArray<readonly [string, Reply]> = [
    ...[
      "BandwidthLimitExceeded",
      "EC2ThrottledException",
      "LimitExceededException",
      "PriorRequestNotComplete",
      "ProvisionedThroughputExceededException",
      "RequestLimitExceeded",
      "RequestThrottled",
      "RequestThrottledException",
      "SlowDown",
      "ThrottledException",
      "Throttling",
      "ThrottlingException",
      "TooManyRequestsException",
      "TransactionInProgressException",
      "TimeoutError",
      "RequestTimeout",
      "RequestTimeoutException"
    ].map((name) => [name, error(name)] as const),
    ...[500, 502, 503, 504, 429].flatMap((status) =>
      ["InternalFailure", "AccessDeniedException", "ValidationException", "ResourceNotFoundException"].map((name) =>
        [`${name} with status ${status}`, error(name, status)] as const
      )
    )
  ]

  it.live.each(cases)("has %s, as the SDK's has", ([, trouble]) =>
    Effect.gen(function*() {
      if (trouble._tag === "Error") {
        const asked = Object.assign(new Error(), { name: trouble.name, $metadata: { httpStatusCode: trouble.status } })
        assert.isTrue(sdk.isTransientError(asked) || sdk.isThrottlingError(asked))
      }
      const { requests, result } = yield* readFrom((_, index) => index < 3 ? trouble : nothing)
      assert.deepStrictEqual([result._tag, requests], ["Success", 4])
    }).pipe(Effect.scoped))

  it.live.each(causes)(
    "has %s of the service that credentials come from, as the SDK's has",
    ([, properties]) =>
      Effect.gen(function*() {
        const fake = yield* fakeDynamo(() => nothing)
        let fetches = 0
        const cause = Object.assign(new Error(), properties)
        assert.isTrue(sdk.isTransientError(cause))
        const client = DynamoClient.layer({
          endpoint: fake.endpoint,
          region: "local",
          credentials: () =>
            ++fetches < 3
              ? Promise.reject(
                Object.assign(new Error("no credentials", { cause }), { name: "CredentialsProviderError" })
              )
              : Promise.resolve({ accessKeyId: "test", secretAccessKey: "test" })
        })
        yield* Effect.provide(read("quotes"), DynamoStore.layer({ tableName: "circuits" }).pipe(Layer.provide(client)))
        assert.deepStrictEqual([fetches, fake.requests.length], [3, 1])
      }).pipe(Effect.scoped)
  )
})

describe("a client that sends requests again by itself", () => {
  const requestsWith = (config: DynamoDBClientConfig, make: typeof DynamoClient.layer = DynamoClient.layer) =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => error("InternalServerError", 500))
      const client = make({
        endpoint: fake.endpoint,
        region: "local",
        credentials: { accessKeyId: "test", secretAccessKey: "test" },
        ...config
      })
      yield* Effect.flip(
        Effect.provide(read("quotes"), DynamoStore.layer({ tableName: "circuits" }).pipe(Layer.provide(client)))
      )
      return fake.requests.length
    }).pipe(Effect.scoped)

  const own = {
    acquireInitialRetryToken: () => Promise.resolve({ getRetryCount: () => 0, getRetryDelay: () => 0 }),
    refreshRetryTokenForRetry: (token: { getRetryCount: () => number }) =>
      token.getRetryCount() < 4
        ? Promise.resolve({ getRetryCount: () => token.getRetryCount() + 1, getRetryDelay: () => 0 })
        : Promise.reject(new Error("enough")),
    recordSuccess: () => {}
  }

  it.live.each(
    [
      ["a retryStrategy of the SDK", { retryStrategy: new sdk.ConfiguredRetryStrategy(5, 1) }, 5],
      [
        "an adaptive retryStrategy of the SDK",
        { retryStrategy: new sdk.AdaptiveRetryStrategy(() => Promise.resolve(2)) },
        2
      ],
      ["a retryStrategy of the program", { retryStrategy: own }, 5],
      ["maxAttempts", { maxAttempts: 2 }, 2]
    ] satisfies ReadonlyArray<readonly [string, DynamoDBClientConfig, number]>
  )("is the only one to do so, with %s", ([, config, expected]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* requestsWith(config), expected)
      const owned: typeof DynamoClient.layer = (config) => DynamoClient.fromClient(new DynamoDBClient(config))
      assert.strictEqual(yield* requestsWith(config, owned), expected)
    }))

  it.live.each(
    [
      ["nothing set", {}],
      ["adaptive retries of one attempt", { retryMode: "adaptive" }],
      ["a retryStrategy of one attempt", { retryStrategy: new sdk.ConfiguredRetryStrategy(1) }]
    ] satisfies ReadonlyArray<readonly [string, DynamoDBClientConfig]>
  )("is not what a client is with %s, so the store does", ([, config]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* requestsWith(config), 4)
    }))
})

describe("a request that DynamoDB finds a mistake in", () => {
  const schema = "named \"key\""

  it.live.each(
    [
      [
        "1 validation error detected: Value 'c' at 'tableName' failed to satisfy constraint: " +
        "Member must have length greater than or equal to 3",
        "Missing",
        "the name of a table"
      ],
      [
        "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain " +
        "only the characters a-z, A-Z, 0-9, '_', '-', and '.'",
        "Missing",
        "the name of a table"
      ],
      ["The parameter 'TableName' is required but was not present in the request", "Missing", "the name of a table"],
      ["Invalid TableArn: Invalid ResourceArn provided as input a:b", "Missing", "the name of a table"],
      ["The provided key element does not match the schema", "Missing", schema],
      ["One or more parameter values were invalid: Missing the key id in the item", "Missing", schema],
      ["One of the required keys was not given a value", "Missing", schema],
      ["Item size to update has exceeded the maximum allowed size", "Oversized", "a smaller window"]
    ] as const
  )("blames what is wrong: %s", ([message, reason, advice]) =>
    Effect.gen(function*() {
      const { requests, result } = yield* readFrom(() => error("ValidationException", 400, message))
      assert.isTrue(result._tag === "Failure")
      if (result._tag === "Success") return
      assert.strictEqual(result.failure.reason, reason)
      assert.include(result.failure.message, advice)
      assert.include(result.failure.message, message)
      if (advice !== schema) assert.notInclude(result.failure.message, schema)
      assert.strictEqual(requests, 1)
    }).pipe(Effect.scoped))
})
