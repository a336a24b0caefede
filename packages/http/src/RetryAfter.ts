/**
 * How long a dependency asks to be left alone.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type * as Headers from "effect/http/Headers"
import { parseHttpDate, parseRetryAfter, retryAfterDelay } from "effect/http/Headers"
import * as Result from "effect/Result"

/** Who asks to be left alone for longer doesn't mean it. */
const longest = Duration.days(7)

/**
 * Reads `Retry-After` from the headers of a response, in both of its forms: seconds, or a date.
 *
 * **Details**
 *
 * A date is relative to the response's own `Date`, so that a clock that goes wrong on either side makes no difference; to
 * `now`, in milliseconds since 1970, where there is none.
 *
 * A date that has passed, a wait of none, one of more than 7 days, and what is neither seconds nor a date are all no wish:
 * `undefined`. Whoever waits bounds it further: a breaker by `maxOpenDuration`, a retry by `maxRetryAfter`.
 *
 * **Example** (Both forms)
 *
 * ```ts
 * import { RetryAfter } from "@reclose/http"
 * import { Duration } from "effect"
 * import { Headers } from "effect/http"
 *
 * const seconds = Headers.fromInput({ "retry-after": "120" })
 * const date = Headers.fromInput({
 *   date: "Wed, 21 Oct 2026 07:28:00 GMT",
 *   "retry-after": "Wed, 21 Oct 2026 07:30:00 GMT"
 * })
 *
 * RetryAfter.fromHeaders(seconds, 0) // => Duration.minutes(2)
 * RetryAfter.fromHeaders(date, 0) // => Duration.minutes(2)
 * RetryAfter.fromHeaders(Headers.empty, 0) // => undefined
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const fromHeaders = (headers: Headers.Headers, now: number): Duration.Duration | undefined => {
  const text = headers["retry-after"]
  if (text === undefined) return undefined
  const parsed = parseRetryAfter(text)
  if (Result.isFailure(parsed)) return undefined
  const date = headers["date"] === undefined ? undefined : parseHttpDate(headers["date"])
  const delay = retryAfterDelay(
    parsed.success,
    date !== undefined && Result.isSuccess(date) ? DateTime.toEpochMillis(date.success) : now
  )
  return Duration.isZero(delay) || Duration.isGreaterThan(delay, longest) ? undefined : delay
}
