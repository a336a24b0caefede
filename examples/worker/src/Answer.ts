/** What a dependency has answered, and what to make of it. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"

/** What a dependency answered. */
export interface Answer {
  readonly status: number
  readonly contentType: string | undefined
  readonly body: string
}

/** A dependency has answered in a way that no second try will change: the job itself is wrong, or asks in the wrong place. */
class JobRefused extends Data.TaggedError("JobRefused")<{ readonly status: number; readonly body: string }> {
  override get message(): string {
    return `the dependency refused it with ${this.status}: ${this.body.slice(0, 200)}`
  }
}

/** A dependency has answered in a way that a later try may change. */
class JobFailed extends Data.TaggedError("JobFailed")<{ readonly status: number }> {
  override get message(): string {
    return `the dependency answered ${this.status}`
  }
}

/** How much of an answer is kept, in bytes: a function may answer with 6 MB at most, and a log line with far less. */
const maxBody = 256 * 1024

/** Reads no further than that: whoever sends more is told to stop. */
const readBody = (response: HttpClientResponse.HttpClientResponse) => {
  const decoder = new TextDecoder()
  let text = ""
  let left = maxBody
  const read = (chunk: Uint8Array) =>
    Effect.sync(() => {
      text += decoder.decode(chunk.subarray(0, left), { stream: true })
      left -= Math.min(left, chunk.length)
      return left > 0
    })
  return Effect.map(Stream.runForEachWhile(response.stream, read), () => text)
}

/** Statuses in the four hundreds that say something of the moment, and not of the request. */
const passing = new Set([408, 425, 429])

export const fromResponse = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse) {
  const { headers, status } = response
  const body = yield* readBody(response)
  if (status >= 500 || passing.has(status)) return yield* new JobFailed({ status })
  // What has moved may be where a worker must not go: whoever writes the jobs has to say so. 304 answers a condition.
  if (status >= 300 && status !== 304) return yield* new JobRefused({ status, body })
  const answer: Answer = { status, contentType: headers["content-type"], body }
  return answer
})
