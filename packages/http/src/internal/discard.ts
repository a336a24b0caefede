/** Answers that nobody wants. */
import * as Effect from "effect/Effect"
import { isHttpClientError } from "effect/http/HttpClientError"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"

/** How long such an answer may take to be read off its connection, which is closed after that. */
const within = "1 second"

/** Frees the connection of an answer that nobody wants: by reading what is left of it, or by closing it. */
export const discard = (response: HttpClientResponse): Effect.Effect<void> =>
  Effect.asVoid(Effect.exit(Effect.timeoutOption(Stream.runDrain(response.stream), within)))

/** The answer that an error is about, as of a client that takes some statuses for errors. */
export const answerOf = (error: unknown): HttpClientResponse | undefined =>
  isHttpClientError(error) && error.reason._tag === "StatusCodeError" ? error.reason.response : undefined
