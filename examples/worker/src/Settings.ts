/**
 * What the function's environment says. It is read once, at the cold start, and all of its mistakes are told at once.
 */
import * as Policy from "@reclose/core/Policy"
import { PolicyError, type PolicyIssue } from "@reclose/core/PolicyError"
import * as HttpPolicy from "@reclose/http/HttpPolicy"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { readFile } from "node:fs/promises"

export class Settings extends Context.Service<Settings, {
  /** The name under which metrics and logs are written. */
  readonly service: string
  /** The table that circuits are shared in. */
  readonly circuitsTable: string
  readonly queueUrl: string
  readonly deadLetterQueueUrl: string
  /** How often the queue hands a message out before it is a dead letter. */
  readonly maxReceiveCount: number
  /** What the worker may call. */
  readonly origins: ReadonlySet<string>
  readonly circuits: Policy.Policy
  readonly http: HttpPolicy.HttpPolicy
}>()("worker/Settings") {}

/** Every mistake in the settings. */
export class SettingsError extends Data.TaggedError("SettingsError")<{
  readonly mistakes: ReadonlyArray<string>
}> {
  override get message(): string {
    return `The worker can't start:\n${this.mistakes.map((mistake) => `- ${mistake}`).join("\n")}`
  }
}

/** What a check finds: a value, or mistakes. All are run, so that nobody mends one to be told of the next. */
type Checked<A> = Result.Result<A, ReadonlyArray<string>>

/** A variable that is empty says as little as one that is not set. */
const optional = (name: string): Effect.Effect<string | undefined> =>
  Effect.map(Effect.option(Config.NonEmptyString(name)), Option.getOrUndefined)

const text = (name: string): Effect.Effect<Checked<string>> =>
  Effect.map(
    optional(name),
    (value) => value === undefined ? Result.fail([`${name} is missing`]) : Result.succeed(value)
  )

const wholeNumber = (name: string, { maximum, minimum }: { readonly minimum: number; readonly maximum: number }) =>
  Effect.match(
    Config.schema(Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum })), name),
    {
      onSuccess: (value): Checked<number> => Result.succeed(value),
      onFailure: (): Checked<number> => Result.fail([`${name} must be a whole number from ${minimum} to ${maximum}`])
    }
  )

const originOf = (name: string): Checked<string> => {
  const url = URL.canParse(name) ? new URL(name) : undefined
  // A star is a name like any other for a URL, and a pattern for whoever wrote it.
  return url !== undefined && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/` && !name.includes("*")
    ? Result.succeed(url.origin)
    : Result.fail([`ALLOWED_ORIGINS holds ${JSON.stringify(name)}: it must be an origin, such as https://api.example`])
}

const originsOf = (value: string): Checked<ReadonlySet<string>> => {
  const names = value.split(",").map((name) => name.trim()).filter((name) => name !== "")
  if (names.length === 0) return Result.fail(["ALLOWED_ORIGINS holds no origin, such as https://api.example"])
  return Result.map(
    all(Object.fromEntries(names.map((name) => [name, originOf(name)]))),
    (origins) => new Set(Object.values(origins))
  )
}

const sentences = (part: string) => ({ issues }: PolicyError): ReadonlyArray<string> =>
  issues.map((issue: PolicyIssue) =>
    issue.message === undefined
      ? new PolicyError({ issues: [{ ...issue, field: `${part}.${issue.field}` }] }).message
      : `${part}: ${issue.message}`
  )

/** The text of the policy, and where it stands. */
const policySource: Effect.Effect<Checked<{ readonly name: string; readonly text: string }>> = Effect.gen(function*() {
  const inline = yield* optional("POLICY")
  const file = yield* optional("POLICY_FILE")
  if (file === undefined) return Result.succeed({ name: "POLICY", text: inline ?? "{}" })
  if (inline !== undefined) return Result.fail(["POLICY and POLICY_FILE are both set: remove one of them"])
  return yield* Effect.tryPromise(() => readFile(file, "utf8")).pipe(
    Effect.match({
      onSuccess: (text) => Result.succeed({ name: file, text }),
      onFailure: ({ cause }) => Result.fail([`POLICY_FILE can't be read: ${String(cause)}`])
    })
  )
})

const Part = Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))

const Document = Schema.fromJsonString(Schema.Struct({ circuits: Part, http: Part }))

const policies = Effect.gen(function*() {
  const source = yield* policySource
  if (Result.isFailure(source)) return Result.fail(source.failure)
  const { name, text } = source.success
  const document = Schema.decodeResult(Document)(text, { errors: "all", onExcessProperty: "error" })
  if (Result.isFailure(document)) return Result.fail([`${name} holds no policy: ${document.failure.message}`])
  const { circuits = {}, http = {} } = document.success
  const read = yield* Effect.all({
    circuits: Effect.result(Effect.mapError(Policy.fromJson(circuits), sentences("circuits"))),
    http: Effect.result(Effect.mapError(HttpPolicy.fromJson(http), sentences("http")))
  })
  return all(read)
})

const all = <R extends Readonly<Record<string, Checked<unknown>>>>(
  checked: R
): Checked<{ readonly [K in keyof R]: R[K] extends Checked<infer A> ? A : never }> => {
  const mistakes = Object.values(checked).flatMap((result) => Result.isFailure(result) ? result.failure : [])
  if (mistakes.length > 0) return Result.fail(mistakes)
  const values = Object.entries(checked).flatMap(([name, result]) =>
    Result.isSuccess(result) ? [[name, result.success]] : []
  )
  // Every entry is there, since none of them was a mistake.
  return Result.succeed(Object.fromEntries(values) as { [K in keyof R]: R[K] extends Checked<infer A> ? A : never })
}

/**
 * A call that outlives its invocation is interrupted, which says nothing of its dependency: the circuit of one that hangs
 * would never open. So a call is over before the function's 30 seconds are, unless the policy says otherwise.
 */
const timeLimits: HttpPolicy.HttpPolicy["timeLimits"] = { headers: "10 seconds", body: "10 seconds" }

/** Reads the settings from the environment. */
export const read: Effect.Effect<Settings["Service"], SettingsError> = Effect.gen(function*() {
  const checked = all({
    service: yield* text("SERVICE"),
    circuitsTable: yield* text("CIRCUITS_TABLE"),
    queueUrl: yield* text("QUEUE_URL"),
    deadLetterQueueUrl: yield* text("DEAD_LETTER_QUEUE_URL"),
    maxReceiveCount: yield* wholeNumber("MAX_RECEIVE_COUNT", { minimum: 2, maximum: 1_000 }),
    origins: Result.flatMap(yield* text("ALLOWED_ORIGINS"), originsOf),
    policies: yield* policies
  })
  if (Result.isFailure(checked)) return yield* new SettingsError({ mistakes: checked.failure })
  const { policies: { circuits, http }, ...settings } = checked.success
  return { ...settings, circuits, http: { ...http, timeLimits: { ...timeLimits, ...http.timeLimits } } }
})
