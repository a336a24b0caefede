/**
 * How long a request may take, part by part.
 *
 * **Details**
 *
 * The limits lie inside the breaker, so that a dependency that hangs fails its calls. Whatever takes longer is
 * interrupted, which closes its connection, or its stream where HTTP/2 shares the connection.
 *
 * Connecting is part of the wait for headers, since clients don't tell the two apart. To bound it more tightly, say so to
 * the client: `NodeHttpClient.layerUndiciOptions({ connect: { timeout: 1_000 } })`.
 *
 * **Sending a request's body.** The limit `headers` begins when the body is sent. Clients don't report that, so a body has the
 * time that its size takes at 1 Mbit/s (131,072 bytes a second), and `headers` after that:
 *
 * - Up to 64 KiB: no time of its own.
 * - A body in memory: its whole size. 10 MiB have 80 seconds, and then `headers`.
 * - A stream: from the last piece that the client took, what buffers may still hold of it, 64 seconds at most. The time in
 *   which the client waits for the stream's next piece does not count, and a stream that fails is not the dependency's failure.
 * - A stream of the platform in `HttpBody.raw`: the same. It is sent as an `HttpBody.stream`.
 *
 * So a dependency that reads nothing is detected after `headers` and at most this time.
 *
 * A stream of events is a body of the type `text/event-stream`, `application/x-ndjson`, `application/jsonl`,
 * `application/json-seq` or `application/vnd.amazon.eventstream`, with which model APIs answer. Its defaults are longer than
 * those of other bodies; a limit that a policy sets holds for every body.
 *
 * **Gotchas**
 *
 * A connection that isn't there yet is the client's: undici and `fetch` go on with it for 10 seconds unless told otherwise,
 * also when nobody waits for it any more.
 *
 * With `HttpClient.withScope`, connections belong to the scope: what takes longer fails, and is closed with the scope.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import { isHttpClientError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import { redactUrl } from "effect/http/UrlParams"

/**
 * The limits of a request, each 1 millisecond to 1 day.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimeLimits {
  /**
   * How long a dependency may take to send the headers of its response, once the request is sent; connecting included.
   * Default 30 seconds. Sending a body longer than 64 KiB has time of its own, see the module.
   */
  readonly headers?: Duration.Input | undefined
  /**
   * How long a reader may wait for a body in all: time in which a stream's reader asks for nothing doesn't count. Default
   * 1 minute; raise it for downloads. Without this field, a stream of events may take as long as it likes.
   */
  readonly body?: Duration.Input | undefined
  /**
   * How long the reader of a stream may wait for one more piece of it. Default 30 seconds; 2 minutes for a stream of events.
   * It doesn't bound `text`, `json` and whatever else reads a body at once, which clients do in one step.
   */
  readonly bodyIdle?: Duration.Input | undefined
  /**
   * How long a call waits for somebody to read on, before it counts as the success it is so far. Reading is possible after
   * that, but no longer counts. Default 1 second.
   */
  readonly unread?: Duration.Input | undefined
  /**
   * From the start of a request to the end of its response's body, retries inside the breaker included. Default none: the
   * others bound it, except a request's own body stream that does not go on.
   */
  readonly call?: Duration.Input | undefined
}

/**
 * The name of a limit that can be exceeded.
 *
 * @category models
 * @since 0.1.0
 */
export type TimeLimit = "headers" | "body" | "bodyIdle" | "call"

const waited: Record<TimeLimit, string> = {
  headers: "sent no response headers",
  body: "did not finish its body",
  bodyIdle: "sent nothing more of its body",
  call: "did not finish"
}

/**
 * Raised when a request takes longer than one of its limits.
 *
 * **Details**
 *
 * Before the response is there, it is an error of the request. After that it comes to whoever reads the body, as the cause
 * of the `DecodeError` that readers of bodies fail with; `fromError` finds it in either.
 *
 * - `limit`: which one; `duration`: how long it is.
 * - `method`, `url`: of the request; the URL without its user info, parameters and hash.
 *
 * @category errors
 * @since 0.1.0
 */
export class TimeLimitExceeded extends Data.TaggedError("TimeLimitExceeded")<{
  readonly limit: TimeLimit
  readonly duration: Duration.Duration
  readonly method: string
  readonly url: string
}> {
  override get message(): string {
    const { duration, limit, method, url } = this
    return `${method} ${url} ${waited[limit]} within ${
      Duration.format(duration)
    }: if it may take longer, raise the time limit "${limit}"`
  }
}

/**
 * The exceeded time limit that an error is, or is about; `undefined` for all else.
 *
 * **Example** (Which limit it was)
 *
 * ```ts
 * import { GuardedHttpClient, TimeLimits } from "@reclose/http"
 * import { Effect } from "effect"
 *
 * export const quote = Effect.gen(function*() {
 *   const client = yield* GuardedHttpClient
 *   const response = yield* client.get("https://quotes.example/latest")
 *   return yield* response.text
 * }).pipe(
 *   Effect.catch((error) => Effect.succeed(`slow: ${TimeLimits.fromError(error)?.limit ?? "no"}`))
 * )
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const fromError = (error: unknown): TimeLimitExceeded | undefined => {
  const found = isHttpClientError(error) ? error.cause : error
  return found instanceof TimeLimitExceeded ? found : undefined
}

/** @internal */
export const exceeded = (request: HttpClientRequest, limit: TimeLimit, millis: number): TimeLimitExceeded =>
  new TimeLimitExceeded({
    limit,
    duration: Duration.millis(millis),
    method: request.method,
    // Without what may hold secrets: errors are logged.
    url: redactUrl(request.url.replace(/[?#].*$/s, ""))
  })

/** The limits in milliseconds; undefined where there is none. */
export interface ValidTimeLimits extends Readonly<Record<TimeLimit, number | undefined>> {
  readonly unread: number
  /** Those of the body of a stream of events. */
  readonly events: Readonly<Record<"body" | "bodyIdle", number | undefined>>
}
