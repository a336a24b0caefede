/** Responses that no caller reads. */
import * as Effect from "effect/Effect"
import { isHttpClientError } from "effect/http/HttpClientError"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"

/** How much of such a body is read to reuse its connection, in bytes. A new connection costs less than reading more. */
const maxBytes = 65_536

/** How long that may take, in milliseconds. A retry waits for it. */
const maxMillis = 100

/**
 * Frees the connection of a response that no caller reads: reads the rest of its body, or closes the connection if that is
 * longer than 64 KiB or takes longer than 100 milliseconds. Never fails.
 */
export const discard = (response: HttpClientResponse): Effect.Effect<void> => {
  const isLong = Number(response.headers["content-length"]) > maxBytes
  let length = 0
  const drained = Stream.runForEachWhile(response.stream, (chunk) => {
    length += chunk.length
    return Effect.succeed(!isLong && length <= maxBytes)
  })
  return Effect.asVoid(Effect.exit(Effect.timeoutOption(drained, maxMillis)))
}

/** The answer that an error is about, as of a client that takes some statuses for errors. */
export const answerOf = (error: unknown): HttpClientResponse | undefined =>
  isHttpClientError(error) && error.reason._tag === "StatusCodeError" ? error.reason.response : undefined
