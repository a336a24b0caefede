import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, PolicyError } from "@reclose/core"
import { HttpBreaker, HttpPolicy } from "@reclose/http"
import { ConfigProvider, Duration, Effect, Layer } from "effect"
import { HttpClient } from "effect/http"

const nothing = HttpClient.make(() => Effect.never)

const mistakes = (error: PolicyError) => error.issues.map(({ field }) => field)

const inCode = (policy: HttpPolicy.HttpPolicy) =>
  HttpBreaker.make(nothing, policy).pipe(
    Effect.scoped,
    Effect.provide(CircuitBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory)))
  )

const policy = {
  key: { routes: ["/users/:id"], method: true },
  classify: { statuses: { "404": "Success", "5xx": "Failure" }, transport: "Failure", timeLimit: "SoftFailure" },
  settleOn: "headers",
  timeLimits: { headers: "2 seconds", body: "5 seconds", bodyIdle: "1 second", unread: "1 second", call: "1 minute" },
  retry: {
    times: 1,
    delay: "10 millis",
    factor: 3,
    maxDelay: "1 second",
    jitter: 0,
    maxRetryAfter: "1 minute",
    waitForCircuit: "1 second",
    place: "inside",
    unsafe: true,
    budget: { ratio: 0.1, minimumPerSecond: 1, window: "10 seconds", maxKeys: 10 }
  },
  concurrency: { limit: 5, maxWait: "1 second", maxWaiting: 50 },
  rateLimit: { limit: 7, window: "1 minute", algorithm: "fixed-window", maxWait: "2 seconds", maxWaiting: 60 },
  credentials: { headers: ["x-api-key"], statuses: [401, 419] },
  stale: { maxAge: "10 minutes", when: "failed", maxBytes: 1_000, maxKeys: 20, vary: ["accept-language"] }
} as const satisfies HttpPolicy.HttpPolicy

describe("HttpPolicy", () => {
  it.effect("every field is read from code and from JSON alike", () =>
    Effect.gen(function*() {
      yield* inCode(policy)
      assert.deepStrictEqual(yield* HttpPolicy.fromJson(JSON.parse(JSON.stringify(policy))), policy)
    }))

  it.effect("a number in JSON is milliseconds", () =>
    Effect.map(
      HttpPolicy.fromJson({ timeLimits: { body: 5_000 } }),
      (read) => assert.deepStrictEqual(read, { timeLimits: { body: 5_000 } })
    ))

  it.effect("an empty one is one", () => Effect.andThen(inCode({}), HttpPolicy.fromJson({})))

  it.effect("code may have durations of all kinds, and functions", () =>
    inCode({
      timeLimits: { headers: Duration.seconds(1), body: [1, 0] },
      key: () => "one",
      classifyBody: () => ({ _tag: "Ignored" })
    }))

  it.effect("all mistakes are told at once, with their place, their value and what is allowed", () =>
    Effect.gen(function*() {
      const json = {
        key: "host",
        timeLimit: {},
        timeLimits: { headers: 0, body: "2 days", bodyIdle: "soon", unread: -1 },
        classify: { statuses: { "200": "Good", "6xx": "Failure" } },
        retry: { times: 1.5, jitter: 2, place: "around", budget: { ratio: "much" } }
      }
      const error = yield* Effect.flip(HttpPolicy.fromJson(json))
      assert.instanceOf(error, PolicyError)
      assert.sameMembers(mistakes(error), [
        "key",
        "timeLimit",
        "timeLimits.headers",
        "timeLimits.body",
        "timeLimits.bodyIdle",
        "timeLimits.unread",
        "classify.statuses.200",
        "classify.statuses.6xx",
        "retry.times",
        "retry.jitter",
        "retry.place",
        "retry.budget.ratio"
      ])
      assert.include(error.message, `timeLimits.body is "2 days": it must be a duration from 1 millis to 1 day`)
      assert.include(error.message, `Unknown option "timeLimit". Did you mean "timeLimits"?`)
      assert.include(error.message, "it must be a status such as 404, or a class such as 5xx")
    }))

  it.effect("mistakes in code are told in the same way", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        inCode({ timeLimits: { headers: Number.NaN, body: Infinity }, retry: { times: 99 } })
      )
      assert.sameMembers(mistakes(error), ["timeLimits.headers", "timeLimits.body", "retry.times"])
    }))

  it.effect("mistakes of the budget are told when the guard is made", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(inCode({ retry: { budget: { ratio: 2 } } }))
      assert.deepStrictEqual(mistakes(error), ["ratio"])
    }))

  it.effect.each([undefined, null, 7, "text", []])(
    "%j is no policy",
    (json) => Effect.map(Effect.flip(HttpPolicy.fromJson(json)), (error) => assert.strictEqual(error.issues.length, 1))
  )

  const fromEnv = (env: Record<string, string>, path = "http") =>
    HttpPolicy.config(path).pipe(
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({ env }).pipe(ConfigProvider.constantCase)
      )
    )

  const environment = {
    HTTP_KEY: `{"routes":["/users/:id"],"method":true}`,
    HTTP_CLASSIFY_STATUSES: `{"404":"Success","5xx":"Failure"}`,
    HTTP_CLASSIFY_TRANSPORT: "Failure",
    HTTP_CLASSIFY_TIME_LIMIT: "SoftFailure",
    HTTP_SETTLE_ON: "headers",
    HTTP_TIME_LIMITS_HEADERS: "2 seconds",
    HTTP_TIME_LIMITS_BODY: "5 seconds",
    HTTP_TIME_LIMITS_BODY_IDLE: "1 second",
    HTTP_TIME_LIMITS_UNREAD: "1 second",
    HTTP_TIME_LIMITS_CALL: "1 minute",
    HTTP_RETRY_TIMES: "1",
    HTTP_RETRY_DELAY: "10 millis",
    HTTP_RETRY_FACTOR: "3",
    HTTP_RETRY_MAX_DELAY: "1 second",
    HTTP_RETRY_JITTER: "0",
    HTTP_RETRY_MAX_RETRY_AFTER: "1 minute",
    HTTP_RETRY_WAIT_FOR_CIRCUIT: "1 second",
    HTTP_RETRY_PLACE: "inside",
    HTTP_RETRY_UNSAFE: "true",
    HTTP_RETRY_BUDGET_RATIO: "0.1",
    HTTP_RETRY_BUDGET_MINIMUM_PER_SECOND: "1",
    HTTP_RETRY_BUDGET_WINDOW: "10 seconds",
    HTTP_RETRY_BUDGET_MAX_KEYS: "10",
    HTTP_CONCURRENCY_LIMIT: "5",
    HTTP_CONCURRENCY_MAX_WAIT: "1 second",
    HTTP_CONCURRENCY_MAX_WAITING: "50",
    HTTP_RATE_LIMIT_LIMIT: "7",
    HTTP_RATE_LIMIT_WINDOW: "1 minute",
    HTTP_RATE_LIMIT_ALGORITHM: "fixed-window",
    HTTP_RATE_LIMIT_MAX_WAIT: "2 seconds",
    HTTP_RATE_LIMIT_MAX_WAITING: "60",
    HTTP_CREDENTIALS_HEADERS: `["x-api-key"]`,
    HTTP_CREDENTIALS_STATUSES: "[401, 419]",
    HTTP_STALE_MAX_AGE: "10 minutes",
    HTTP_STALE_WHEN: "failed",
    HTTP_STALE_MAX_BYTES: "1000",
    HTTP_STALE_MAX_KEYS: "20",
    HTTP_STALE_VARY: `["accept-language"]`
  }

  it.effect("the environment has the same fields, each by its name", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual<unknown>(yield* fromEnv(environment), policy)
    }))

  it.effect.each(["5000", "1.5"])(
    "a duration of %s, without its unit, is a mistake in the environment and none in JSON",
    (text) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(fromEnv({ HTTP_TIME_LIMITS_BODY: text }))
        assert.match(
          error.message,
          /^timeLimits\.body is [\d.]+: it must be a duration with its unit .*, such as "5 seconds"$/
        )
        assert.deepStrictEqual<unknown>(yield* HttpPolicy.fromJson({ timeLimits: { body: Number(text) } }), {
          timeLimits: { body: Number(text) }
        })
      })
  )

  it.effect("an unknown option of a policy in code names the one that was probably meant", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(inCode(JSON.parse(`{ "timeLimit": {}, "retry": { "tims": 1 } }`)))
      assert.deepStrictEqual(error.message.split("\n").sort(), [
        `Unknown option "timeLimit". Did you mean "timeLimits"?`,
        `Unknown option "tims" in retry. Did you mean "times"?`
      ])
    }))

  it.effect("what has parts is one text, or a variable for each part, as the writer likes", () =>
    Effect.gen(function*() {
      const { HTTP_KEY: _, ...rest } = environment
      const apart = { HTTP_KEY_ROUTES_0: "/users/:id", HTTP_KEY_METHOD: "true", ...rest }
      assert.deepStrictEqual<unknown>(yield* fromEnv(apart), policy)
      assert.deepStrictEqual<unknown>(yield* fromEnv({ HTTP: JSON.stringify(policy) }), policy)
      assert.deepStrictEqual(yield* fromEnv({ HTTP_KEY: "guessedRoutes" }), { key: "guessedRoutes" })
    }))

  it.effect.each([["http", "HTTP"], ["quotesHttp", "QUOTES_HTTP"]] as const)(
    "each misspelt variable below %s is one mistake, which names it",
    ([path, prefix]) =>
      Effect.gen(function*() {
        const right = Object.entries(environment).map(([name, value]) => [name.replace("HTTP", prefix), value] as const)
        for (const [name] of right) {
          const field = name.slice(prefix.length + 1)
          // Two letters have changed places, or one is too many.
          for (const misspelt of [`${field.slice(1, 2)}${field.slice(0, 1)}${field.slice(2)}`, `${field}S`]) {
            const variables = { ...Object.fromEntries(right), [`${prefix}_${misspelt}`]: "1" }
            const error = yield* Effect.flip(fromEnv(variables, path))
            assert.instanceOf(error, PolicyError)
            assert.deepStrictEqual(mistakes(error).map((found) => found.replaceAll(".", "_").toUpperCase()), [misspelt])
            assert.match(
              error.message,
              /^Unknown option ".+"( in [\w.]+)?(\. Did you mean "\w+"\?|: the options are \w+(?:, \w+)+)$/
            )
          }
        }
      })
  )

  it.effect("an environment without a policy is one of defaults", () =>
    Effect.map(fromEnv({ PATH: "/bin" }), (read) => assert.deepStrictEqual(read, {})))

  it.effect("the environment's mistakes are told at once", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(fromEnv({ HTTP_RETRY_TIMES: "99", HTTP_TIME_LIMITS_BODY: "x", HTTP_BOGUS: "1" }))
      assert.instanceOf(error, PolicyError)
      assert.sameMembers(mistakes(error as PolicyError), ["retry.times", "timeLimits.body", "BOGUS"])
    }))

  it.effect.each<[string, string]>([
    ["HTTP_TIME_LIMITS_HEADERS", "timeLimits.headers"],
    ["HTTP_RETRY_DELAY", "retry.delay"],
    ["HTTP_RATE_LIMIT", "rateLimit.window"]
  ])(
    "a duration without a unit in %s is refused, since it may be meant as seconds",
    ([name, field]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(
          fromEnv({ [name]: name === "HTTP_RATE_LIMIT" ? `{"limit":1,"window":10}` : "10" })
        )
        assert.deepStrictEqual(mistakes(error as PolicyError), [field])
        assert.include(error.message, "with its unit")
      })
  )

  it.effect("a zero needs no unit", () =>
    Effect.map(
      fromEnv({ HTTP_RETRY_MAX_RETRY_AFTER: "0" }),
      (read) => assert.deepStrictEqual(read, { retry: { maxRetryAfter: 0 } })
    ))

  it.effect("any other provider is read like JSON", () =>
    Effect.gen(function*() {
      const provider = ConfigProvider.fromUnknown({ http: { ...policy, bogus: { deep: 1 } } })
      const error = yield* Effect.flip(
        Effect.provideService(HttpPolicy.config("http"), ConfigProvider.ConfigProvider, provider)
      )
      assert.deepStrictEqual(mistakes(error as PolicyError), ["bogus"])
      const right = ConfigProvider.fromUnknown({ http: policy })
      assert.deepStrictEqual(
        yield* Effect.provideService(HttpPolicy.config("http"), ConfigProvider.ConfigProvider, right),
        policy
      )
    }))
})
