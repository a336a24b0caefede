/** Does a job: sends its request through the guarded client, and says what to make of the answer. */
import { GuardedHttpClient } from "@reclose/http"
import { Data, Effect, Stream } from "effect"
import type { HttpClientResponse } from "effect/http"
import { type Job, toRequest } from "./Job.ts"

/** What a dependency answered. */
export interface Answer {
  readonly status: number
  readonly contentType: string | undefined
  readonly body: string
}

/** A dependency has answered in a way that no second try will change: the job itself is wrong. */
export class JobRefused extends Data.TaggedError("JobRefused")<{ readonly status: number; readonly body: string }> {
  override get message(): string {
    return `the dependency refused it with ${this.status}: ${this.body.slice(0, 200)}`
  }
}

/** A dependency has answered in a way that a later try may change. */
export class JobFailed extends Data.TaggedError("JobFailed")<{ readonly status: number }> {
  override get message(): string {
    return `the dependency answered ${this.status}`
  }
}

/** How much of an answer is kept, in bytes: a function may answer with 6 MB at most, and a log line with far less. */
const maxBody = 256 * 1024

const readBody = (response: HttpClientResponse.HttpClientResponse) =>
  response.stream.pipe(
    Stream.mapAccum(() => 0, (read, chunk) => [read + chunk.length, [chunk.subarray(0, Math.max(0, maxBody - read))]]),
    Stream.takeUntil((chunk) => chunk.length === 0),
    Stream.decodeText(),
    Stream.mkString
  )

/** Statuses in the four hundreds that say something of the moment, and not of the request. */
const passing = new Set([408, 425, 429])

export const perform = Effect.fn("Worker.perform")(function*(job: Job) {
  const client = yield* GuardedHttpClient
  const response = yield* client.execute(toRequest(job))
  const { headers, status } = response
  const body = yield* readBody(response)
  if (status >= 500 || passing.has(status)) return yield* new JobFailed({ status })
  if (status >= 400) return yield* new JobRefused({ status, body })
  const answer: Answer = { status, contentType: headers["content-type"], body }
  return answer
})
