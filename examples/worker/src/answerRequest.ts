/** One job over the function's URL: what its dependency answered, or why there is no answer. */
import * as TimeLimits from "@reclose/http/TimeLimits"
import type { LambdaFunctionURLEvent, LambdaFunctionURLResult } from "aws-lambda"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Job from "./Job.ts"
import { Settings } from "./Settings.ts"
import { perform } from "./Worker.ts"

const json = (statusCode: number, body: object, headers: Readonly<Record<string, string>> = {}) => ({
  statusCode,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body)
})

const late = ({ message }: TimeLimits.TimeLimitExceeded) => json(504, { reason: message })

const textOf = ({ body = "", isBase64Encoded }: LambdaFunctionURLEvent): string =>
  isBase64Encoded ? Buffer.from(body, "base64").toString("utf8") : body

export const answerRequest = (event: LambdaFunctionURLEvent): Effect.Effect<
  LambdaFunctionURLResult,
  never,
  Settings | Effect.Services<ReturnType<typeof perform>>
> =>
  Effect.gen(function*() {
    const { origins } = yield* Settings
    const job = yield* Job.fromText(textOf(event), origins)
    return json(200, yield* perform(job))
  }).pipe(
    Effect.catchTags({
      SchemaError: ({ message }) => Effect.succeed(json(400, { reason: message })),
      JobRefused: ({ message, status }) => Effect.succeed(json(422, { status, reason: message })),
      JobFailed: ({ message, status }) => Effect.succeed(json(502, { status, reason: message })),
      HttpClientError: (error) => {
        // A body that takes too long fails whoever reads it.
        const tooLong = TimeLimits.fromError(error)
        return Effect.succeed(tooLong === undefined ? json(502, { reason: error.message }) : late(tooLong))
      },
      Throttled: ({ message }) => Effect.succeed(json(429, { reason: message }, { "retry-after": "1" })),
      TimeLimitExceeded: (error) => Effect.succeed(late(error)),
      CircuitOpen: ({ key, message, retryAfter }) =>
        Effect.succeed(json(503, { circuit: key, reason: message }, {
          // With 0 a client would be back at once.
          "retry-after": String(Math.max(1, Math.ceil(Duration.toSeconds(retryAfter))))
        }))
    })
  )
