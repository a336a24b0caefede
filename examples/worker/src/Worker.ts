/** Does a job: sends its request through the guarded client. */
import { GuardedHttpClient } from "@reclose/http/HttpBreaker"
import * as Effect from "effect/Effect"
import { fromResponse } from "./Answer.ts"
import { type Job, toRequest } from "./Job.ts"

export const perform = Effect.fn("Worker.perform")(function*(job: Job) {
  const client = yield* GuardedHttpClient
  return yield* Effect.flatMap(client.execute(toRequest(job)), fromResponse)
})
