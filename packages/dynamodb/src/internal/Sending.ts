/** Sends commands: interruptible, sent anew where that helps, with the time at which DynamoDB answered. */
import type {
  $Command,
  DynamoDBClient,
  DynamoDBClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes
} from "@aws-sdk/client-dynamodb"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { DynamoClient } from "../DynamoClient.ts"
import { DynamoFailure, fromSdkError } from "./DynamoFailure.ts"

type Command<I extends ServiceInputTypes, O extends ServiceOutputTypes> = $Command<
  I,
  O,
  DynamoDBClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes
>

/** An answer, and its `Date` header: the server's clock, to the second. */
export interface Answer<A> {
  readonly output: A
  readonly date: string | undefined
}

export interface Sending {
  /** An error that `recover` makes something of is an answer like any other. */
  readonly send: <I extends ServiceInputTypes, O extends ServiceOutputTypes, A = never>(
    action: string,
    command: Command<I, O>,
    recover?: (error: unknown) => A | undefined
  ) => Effect.Effect<Answer<O | A>, DynamoFailure>
}

/** Full jitter: any share of a delay that doubles, from up to 25 milliseconds to up to 100. */
export const retries = Schedule.exponential("25 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.map(Random.next, (share) => Duration.times(duration, share))),
  Schedule.upTo({ times: 3 })
)

const dates = new WeakMap<object, string>()

const dateOf = (response: unknown): string | undefined => {
  if (typeof response !== "object" || response === null || !("headers" in response)) return undefined
  const { headers } = response
  if (typeof headers !== "object" || headers === null) return undefined
  const date = Object.entries(headers).find(([name]) => name.toLowerCase() === "date")?.[1]
  return typeof date === "string" ? date : undefined
}

interface Handled<O> {
  readonly response: unknown
  readonly output?: O
}

// One function for all commands: a client that caches its middleware keeps the first one it sees.
const noteDate = <Args, O extends object>(next: (args: Args) => Promise<Handled<O>>) => async (args: Args) => {
  const handled = await next(args)
  const date = dateOf(handled.response)
  if (handled.output !== undefined && date !== undefined) dates.set(handled.output, date)
  return handled
}

/**
 * Whether a client sends requests again. Its strategy decides, whatever `maxAttempts` of its configuration says. Those of
 * the SDK tell how often they send a request; one that does not tell is not the SDK's, and was set to retry.
 */
const retriesByItself = async ({ config }: DynamoDBClient): Promise<boolean> => {
  const strategy: object = await config.retryStrategy()
  for (const name of ["maxAttempts", "maxAttemptsProvider"]) {
    const attempts: unknown = Reflect.get(strategy, name)
    if (typeof attempts === "function") return Number(await attempts.call(strategy)) !== 1
  }
  return true
}

export const makeSending = Effect.fnUntraced(function*(
  tableName: string
): Effect.fn.Return<Sending, never, DynamoClient> {
  const client = yield* DynamoClient
  const hasRetries = yield* Effect.orElseSucceed(Effect.tryPromise(() => retriesByItself(client)), () => true)

  const send: Sending["send"] = (action, command, recover) => {
    command.middlewareStack.add(noteDate, { step: "deserialize", priority: "high", name: "recloseNoteDate" })
    const attempt = Effect.tryPromise({
      try: (signal) =>
        client.send(command, { abortSignal: signal }).then(
          (output) => ({ output, date: dates.get(output) }),
          (error: unknown) => {
            const output = recover?.(error)
            if (output === undefined) throw error
            const response = typeof error === "object" && error !== null && "$response" in error && error.$response
            return { output, date: dateOf(response) }
          }
        ),
      catch: (cause) => fromSdkError(cause, action, tableName)
    })
    if (hasRetries) return attempt
    return Effect.suspend(() => {
      let isFirst = true
      return Effect.retry(attempt, {
        schedule: retries,
        while: ({ retry = "Never" }) => {
          const wasFirst = isFirst
          isFirst = false
          return retry === "Often" || retry === "Once" && wasFirst
        }
      })
    })
  }

  return { send }
})

/** The time of an answer, in milliseconds since 1970. */
export const timeOf = (answer: Answer<unknown>, tableName: string): Effect.Effect<number, DynamoFailure> => {
  const time = answer.date === undefined ? Option.none() : DateTime.make(answer.date)
  return Option.isSome(time)
    ? Effect.succeed(DateTime.toEpochMillis(time.value))
    : Effect.fail(
      new DynamoFailure({
        reason: "Unavailable",
        message:
          `an answer about table "${tableName}" came without a Date header, which shared circuits tell the time ` +
          "by: let it through whatever stands between here and DynamoDB, and use a client without cacheMiddleware"
      })
    )
}
