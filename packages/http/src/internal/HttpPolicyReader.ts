/** Reads policies: the one place that holds fields, bounds and defaults. */
import * as ConfigTree from "@reclose/core/ConfigTree"
import { PolicyError, type PolicyIssue, unknownOption } from "@reclose/core/PolicyError"
import type * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import { defaultLeafHook, type Leaf, makeFormatterStandardSchemaV1 } from "effect/SchemaIssue"
import * as CircuitKey from "../CircuitKey.ts"
import { defaultHeaders, type ValidCredentials } from "../Credentials.ts"
import * as HttpOutcome from "../HttpOutcome.ts"
import type { HttpPolicy } from "../HttpPolicy.ts"
import type { RetryPolicy } from "../HttpRetry.ts"
import type { StalePolicy } from "../StaleAnswer.ts"
import type { ValidTimeLimits } from "../TimeLimits.ts"
import type { Calls } from "./Call.ts"
import type { ValidConcurrency } from "./Places.ts"
import type { ValidRate } from "./Rate.ts"
import type { ValidRetry } from "./Retry.ts"
import type { ValidStale } from "./Stale.ts"
import { harmlessHeaders } from "./StaleKey.ts"
import { checkKey, checkOutcome } from "./userCode.ts"

/** A policy with every field valid and present, durations in milliseconds. */
export interface ValidPolicy extends Pick<Calls, "classify" | "classifyBody" | "settleOn"> {
  readonly key: CircuitKey.CircuitKey
  readonly timeLimits: ValidTimeLimits
  readonly retry: ValidRetry | undefined
  readonly concurrency: ValidConcurrency | undefined
  readonly rateLimit: ValidRate | undefined
  readonly credentials: ValidCredentials | undefined
  readonly stale: ValidStale | undefined
}

type Span = `${number} ${"millis" | "second" | "seconds" | "minute" | "minutes" | "hour" | "hours" | "day" | "days"}`

const isWithin = (value: Option.Option<Duration.Duration>, least: Span, most: Span): boolean =>
  Option.isSome(value) &&
  Duration.isGreaterThanOrEqualTo(value.value, Duration.fromInputUnsafe(least)) &&
  Duration.isLessThanOrEqualTo(value.value, Duration.fromInputUnsafe(most))

/** A duration in code: whatever `Duration` takes. */
const inCode = (least: Span, most: Span) =>
  Schema.declare(
    // Anything at all: `fromInput` answers none for what is no duration, and takes NaN for zero.
    (value): value is Duration.Input =>
      !Number.isNaN(value) && isWithin(Duration.fromInput(value as Duration.Input), least, most),
    { expected: `a duration from ${least} to ${most}, such as "5 seconds"` }
  )

/** A duration in a `ConfigProvider`: text, since a number may be meant as seconds. */
const inConfig = (least: Span, most: Span) =>
  Schema.Union([Schema.Finite, Schema.String]).check(
    Schema.makeFilter(
      (value) =>
        (typeof value === "string" || value === 0) &&
        isWithin(Duration.fromInput(value as Duration.Input), least, most),
      { expected: `a duration with its unit from ${least} to ${most}, such as "5 seconds"` }
    )
  )

/** A duration in data: text, or milliseconds. */
const inData = (least: Span, most: Span) =>
  Schema.Union([Schema.Finite, Schema.String]).check(
    Schema.makeFilter(
      (value) => isWithin(Duration.fromInput(value as Duration.Input), least, most),
      { expected: `a duration from ${least} to ${most}, such as "5 seconds" or 5000` }
    )
  )

const optional = Schema.optional

const between = (minimum: number, maximum: number) => Schema.Finite.check(Schema.isBetween({ minimum, maximum }))
const integer = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const outcomeName = Schema.Literals(["Success", "Failure", "SoftFailure", "Ignored"])

const dataFields = <D extends Schema.Top>(duration: (least: Span, most: Span) => D) => ({
  key: optional(Schema.Union([
    Schema.Literals(["origin", "guessedRoutes"]),
    Schema.Struct({ routes: Schema.Array(Schema.String), method: optional(Schema.Boolean) })
  ])),
  classify: optional(Schema.Struct({
    statuses: optional(
      Schema.Record(Schema.String.check(Schema.isPattern(/^[1-5](?:\d\d|xx)$/)), outcomeName)
    ),
    transport: optional(outcomeName),
    timeLimit: optional(outcomeName)
  })),
  settleOn: optional(Schema.Literals(["headers", "body"])),
  timeLimits: optional(Schema.Struct({
    headers: optional(duration("1 millis", "1 day")),
    body: optional(duration("1 millis", "1 day")),
    bodyIdle: optional(duration("1 millis", "1 day")),
    unread: optional(duration("1 millis", "1 day")),
    call: optional(duration("1 millis", "1 day"))
  })),
  retry: optional(Schema.Struct({
    times: optional(integer(0, 10)),
    delay: optional(duration("1 millis", "1 minute")),
    factor: optional(between(1, 10)),
    maxDelay: optional(duration("1 millis", "1 hour")),
    jitter: optional(between(0, 1)),
    maxRetryAfter: optional(duration("0 millis", "1 hour")),
    waitForCircuit: optional(duration("0 millis", "1 hour")),
    place: optional(Schema.Literals(["outside", "inside"])),
    unsafe: optional(Schema.Boolean),
    // Read by the budget itself, with its own bounds.
    budget: optional(Schema.Struct({
      ratio: optional(Schema.Finite),
      minimumPerSecond: optional(Schema.Finite),
      window: optional(duration("1 second", "1 hour")),
      maxKeys: optional(Schema.Finite)
    }))
  })),
  concurrency: optional(Schema.Struct({
    limit: integer(1, 10_000),
    maxWait: optional(duration("0 millis", "1 hour")),
    maxWaiting: optional(integer(0, 100_000))
  })),
  rateLimit: optional(Schema.Struct({
    limit: integer(1, 1_000_000),
    window: optional(duration("1 millis", "1 day")),
    algorithm: optional(Schema.Literals(["token-bucket", "fixed-window"])),
    maxWait: optional(duration("0 millis", "1 hour")),
    maxWaiting: optional(integer(0, 100_000)),
    maxKeys: optional(integer(1, 10_000_000))
  })),
  credentials: optional(Schema.Struct({
    headers: optional(Schema.NonEmptyArray(Schema.NonEmptyString)),
    statuses: optional(Schema.NonEmptyArray(integer(400, 499))),
    maxKeys: optional(integer(1, 1_000_000)),
    salt: optional(Schema.NonEmptyString)
  })),
  stale: optional(Schema.Struct({
    maxAge: duration("1 second", "30 days"),
    when: optional(Schema.Literals(["rejected", "failed"])),
    maxBytes: optional(integer(1, 100_000_000)),
    maxKeys: optional(integer(1, 10_000_000)),
    vary: optional(Schema.Array(Schema.NonEmptyString)),
    ignoreHeaders: optional(Schema.Array(Schema.NonEmptyString)),
    storePrivate: optional(Schema.Boolean),
    salt: optional(Schema.NonEmptyString)
  }))
})

const dataSchema = Schema.Struct(dataFields(inData))

const configSchema = Schema.Struct(dataFields(inConfig))

const codeSchema = Schema.Struct(dataFields(inCode))

/** What is allowed, in the words of a policy where Schema has none for it. */
const allowed = (issue: Leaf): string => {
  if (issue._tag === "MissingKey") return "given"
  if (issue._tag !== "UnexpectedKey" || issue.ast._tag !== "Objects") return defaultLeafHook(issue)
  const known = issue.ast.propertySignatures.map(({ name }) => String(name))
  // What has no names of its own is the record of statuses.
  return known.length === 0 ? "a status such as 404, or a class such as 5xx" : `an option, one of ${known.join(", ")}`
}

/** The message of an unexpected key, from which the names of its neighbours are read. */
const knownOptions = /^an option, one of (.*)$/

const issueOf =
  (input: unknown) =>
  (issue: { readonly path?: ReadonlyArray<unknown> | undefined; readonly message: string }): PolicyIssue => {
    const path = issue.path ?? []
    const at = (value: unknown, part: unknown): unknown =>
      typeof value === "object" && value !== null ? Reflect.get(value, String(part)) : undefined
    const field = path.map(String).join(".")
    const value = path.reduce(at, input)
    const known = knownOptions.exec(issue.message)?.[1]
    if (known === undefined) return { field, value, allowed: issue.message.replace(/^Expected /, "") }
    const name = String(path.at(-1))
    return unknownOption({ path: path.slice(0, -1).map(String).join("."), name, value, known: known.split(", ") })
  }

const format = makeFormatterStandardSchemaV1({ leafHook: allowed })

const policyError = (error: Schema.SchemaError, input: unknown): PolicyError =>
  new PolicyError({
    // That a field may also be left out is not news to whoever didn't.
    issues: format(error.issue).issues.filter(({ message }) => message !== "Expected undefined").map(issueOf(input))
  })

const options = { errors: "all", onExcessProperty: "error" } as const

const functions = ["key", "classify", "classifyBody"] as const

/** Checks a policy that is written in code: its functions are what they are, the rest is checked as data. */
export const readPolicy = (policy: HttpPolicy): Effect.Effect<ValidPolicy, PolicyError> => {
  const { lastGood: _, ...stale } = policy.stale ?? {}
  const data = Object.fromEntries(
    Object.entries({ ...policy, stale: policy.stale === undefined ? undefined : stale }).filter(([name, value]) =>
      !(typeof value === "function" && functions.some((known) => known === name))
    )
  )
  const read = Schema.decodeUnknownResult(codeSchema, options)(data)
  if (Result.isFailure(read)) return Effect.fail(policyError(read.failure, data))
  const unhashed = hashed.filter((name) => policy[name] !== undefined && globalThis.crypto?.subtle === undefined)
  return unhashed.length === 0 ? Effect.succeed(complete(policy)) : Effect.fail(
    new PolicyError({
      issues: unhashed.map((field) => ({
        field,
        value: policy[field],
        allowed: "left out where there is no crypto.subtle to hash with, as on pages without HTTPS"
      }))
    })
  )
}

/** The parts of a policy that keep what requests hold out of keys. */
const hashed = ["credentials", "stale"] as const

export const fromJson = (json: unknown): Effect.Effect<HttpPolicy, PolicyError> => decode(dataSchema, json)

const decode = (
  schema: typeof dataSchema | typeof configSchema,
  json: unknown
): Effect.Effect<HttpPolicy, PolicyError> =>
  Effect.suspend(() => {
    const read = Schema.decodeUnknownResult(schema, options)(json)
    // Durations have been checked one by one, so they are what the type says.
    return Result.isFailure(read)
      ? Effect.fail(policyError(read.failure, json))
      : Effect.succeed(read.success as HttpPolicy)
  })

/** What a schema looks like in a `ConfigProvider`. Of a union, the part that has parts of its own. */
const shapeOf = (ast: SchemaAST.AST): ConfigTree.Shape => {
  switch (ast._tag) {
    case "Objects": {
      const [index] = ast.indexSignatures
      if (index !== undefined) return ConfigTree.record(shapeOf(index.type))
      return ConfigTree.fields(
        [],
        Object.fromEntries(ast.propertySignatures.map(({ name, type }) => [name, shapeOf(type)]))
      )
    }
    case "Arrays":
      return ConfigTree.list(() => ConfigTree.leaf)
    case "Union":
      return ast.types.map(shapeOf).find(({ _tag }) => _tag !== "Leaf") ?? ConfigTree.leaf
    default:
      return ConfigTree.leaf
  }
}

export const config = (path: string): Effect.Effect<HttpPolicy, PolicyError | ConfigProvider.SourceError> =>
  Effect.flatMap(ConfigTree.read(path, shapeOf(configSchema.ast)), (json) => decode(configSchema, json))

const complete = (policy: HttpPolicy): ValidPolicy => ({
  key: toKey(policy.key),
  classify: toClassify(policy.classify),
  classifyBody: toClassifyBody(policy.classifyBody),
  settleOn: policy.settleOn ?? "body",
  retry: policy.retry === undefined ? undefined : completeRetry(policy.retry),
  concurrency: policy.concurrency === undefined ? undefined : {
    limit: policy.concurrency.limit,
    maxWait: millis(policy.concurrency.maxWait, "1 second"),
    maxWaiting: policy.concurrency.maxWaiting ?? 1_000
  },
  rateLimit: policy.rateLimit === undefined ? undefined : {
    limit: policy.rateLimit.limit,
    window: millis(policy.rateLimit.window, "1 second"),
    algorithm: policy.rateLimit.algorithm ?? "token-bucket",
    maxWait: millis(policy.rateLimit.maxWait, "1 second"),
    maxWaiting: policy.rateLimit.maxWaiting ?? 1_000,
    maxKeys: policy.rateLimit.maxKeys ?? 10_000
  },
  credentials: policy.credentials === undefined ? undefined : {
    headers: policy.credentials.headers?.map((name) => name.toLowerCase()) ?? defaultHeaders,
    statuses: new Set(policy.credentials.statuses ?? [401, 403]),
    maxKeys: policy.credentials.maxKeys ?? 100,
    salt: policy.credentials.salt
  },
  stale: policy.stale === undefined ? undefined : {
    maxAge: millis(policy.stale.maxAge, "1 second"),
    when: policy.stale.when ?? "rejected",
    maxBytes: policy.stale.maxBytes ?? 65_536,
    maxKeys: policy.stale.maxKeys ?? 1_000,
    ignored: ignoredHeaders(policy.stale),
    storePrivate: policy.stale.storePrivate ?? false,
    lastGood: policy.stale.lastGood,
    salt: policy.stale.salt
  },
  timeLimits: {
    headers: millis(policy.timeLimits?.headers, "30 seconds"),
    body: millis(policy.timeLimits?.body, "1 minute"),
    bodyIdle: millis(policy.timeLimits?.bodyIdle, "30 seconds"),
    unread: millis(policy.timeLimits?.unread, "1 second"),
    events: {
      body: policy.timeLimits?.body === undefined ? undefined : millis(policy.timeLimits.body, "1 day"),
      bodyIdle: millis(policy.timeLimits?.bodyIdle, "2 minutes")
    },
    call: policy.timeLimits?.call === undefined ? undefined : millis(policy.timeLimits.call, "1 day")
  }
})

/** Which headers make no difference to an answer, in lower case. */
const ignoredHeaders = ({ ignoreHeaders = [], vary = [] }: StalePolicy): ReadonlySet<string> => {
  const counted = new Set(vary.map((name) => name.toLowerCase()))
  return new Set(
    [...harmlessHeaders, ...ignoreHeaders.map((name) => name.toLowerCase())].filter((name) => !counted.has(name))
  )
}

const completeRetry = (retry: RetryPolicy): ValidRetry => ({
  times: retry.times ?? 2,
  delay: millis(retry.delay, "100 millis"),
  factor: retry.factor ?? 2,
  maxDelay: millis(retry.maxDelay, "5 seconds"),
  jitter: retry.jitter ?? 0.5,
  maxRetryAfter: millis(retry.maxRetryAfter, "10 seconds"),
  waitForCircuit: retry.waitForCircuit === undefined ? undefined : millis(retry.waitForCircuit, "0 millis"),
  place: retry.place ?? "outside",
  unsafe: retry.unsafe ?? false,
  budget: retry.budget
})

const millis = (input: Duration.Input | undefined, otherwise: Span): number =>
  Duration.toMillis(Duration.fromInputUnsafe(input ?? otherwise))

const toClassify = (classify: HttpPolicy["classify"]): HttpOutcome.Classify =>
  typeof classify === "function"
    ? (exit, now) => checkOutcome("classify", classify(exit, now))
    : HttpOutcome.classifier(classify)

const toClassifyBody = (classifyBody: HttpPolicy["classifyBody"]): HttpPolicy["classifyBody"] =>
  classifyBody === undefined
    ? undefined
    : (response, body) => checkOutcome("classifyBody", classifyBody(response, body))

const toKey = (key: HttpPolicy["key"]): CircuitKey.CircuitKey => {
  if (typeof key === "function") return (request) => checkKey(key(request))
  if (key === undefined || key === "origin") return CircuitKey.origin
  return key === "guessedRoutes" ? CircuitKey.guessedRoutes() : CircuitKey.routes(key.routes, { method: key.method })
}
