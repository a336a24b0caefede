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

const text = (name: string): Effect.Effect<Checked<string>> =>
  Effect.match(Config.NonEmptyString(name), {
    onSuccess: (value) => Result.succeed(value),
    onFailure: () => Result.fail([`${name} is missing`])
  })

const wholeNumber = (name: string, { maximum, minimum }: { readonly minimum: number; readonly maximum: number }) =>
  Effect.match(
    Config.schema(Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum })), name),
    {
      onSuccess: (value): Checked<number> => Result.succeed(value),
      onFailure: (): Checked<number> => Result.fail([`${name} must be a whole number from ${minimum} to ${maximum}`])
    }
  )

const Origin = Schema.URLFromString.check(Schema.makeFilter((url) => url.pathname === "/" && url.search === ""))

const originsOf = (value: string): Checked<ReadonlySet<string>> => {
  const names = value.split(",").map((name) => name.trim()).filter((name) => name !== "")
  const mistakes = names.filter((name) => Result.isFailure(Schema.decodeResult(Origin)(name))).map((name) =>
    `ALLOWED_ORIGINS holds ${JSON.stringify(name)}: it must be an origin, such as https://api.example`
  )
  return mistakes.length > 0
    ? Result.fail(mistakes)
    : Result.succeed(new Set(names.map((name) => new URL(name).origin)))
}

const sentences = (part: string) => ({ issues }: PolicyError): ReadonlyArray<string> =>
  issues.map((issue: PolicyIssue) =>
    new PolicyError({ issues: [{ ...issue, field: `${part}.${issue.field}` }] }).message
  )

/** The text of the policy, and where it stands. */
const policySource = Effect.gen(function*() {
  const inline = yield* Config.option(Config.NonEmptyString("POLICY"))
  if (Option.isSome(inline)) return { name: "POLICY", text: inline.value }
  const file = yield* Config.option(Config.NonEmptyString("POLICY_FILE"))
  if (Option.isNone(file)) return { name: "POLICY", text: "{}" }
  const text = yield* Effect.tryPromise({
    try: () => readFile(file.value, "utf8"),
    catch: (cause) => new SettingsError({ mistakes: [String(cause)] })
  })
  return { name: file.value, text }
})

const Document = Schema.fromJsonString(
  Schema.Struct({ circuits: Schema.optionalKey(Schema.Unknown), http: Schema.optionalKey(Schema.Unknown) })
)

const policies = Effect.gen(function*() {
  const source = yield* Effect.result(policySource)
  if (Result.isFailure(source)) return Result.fail([`POLICY_FILE can't be read: ${source.failure.message}`])
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
  return { ...settings, circuits, http }
})
