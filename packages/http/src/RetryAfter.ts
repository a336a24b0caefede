/**
 * How long a dependency asks to be left alone.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type * as Headers from "effect/http/Headers"
import { parseHttpDate } from "effect/http/Headers"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Result from "effect/Result"

/** The longest delay that is returned. */
const longest = Duration.toMillis(Duration.days(7))

/**
 * Returns how long `Retry-After` of a response asks to wait, up to 7 days; `undefined` if it asks for no wait.
 *
 * **Details**
 *
 * The header holds seconds or a date. Servers also send what the standard doesn't allow, and this is read too:
 *
 * - Fractions of a second, `1.5`: rounded up to whole seconds.
 * - Several values, `30, 60`, of one header or of several: the longest counts.
 * - Dates in another zone than GMT, `+0000` or `+02:00`, and ISO 8601 dates with a zone.
 * - Waits of more than 7 days: 7 days.
 *
 * A date is relative to the response's own `Date`, so that a wrong clock on either side makes no difference. Without one it
 * is relative to `now`, in milliseconds since 1970.
 *
 * A date that has passed, `0`, a negative number and all other text ask for no wait. The caller bounds the wait further: a
 * breaker by `maxOpenDuration`, a retry by `maxRetryAfter`, a rate limit's queue by `maxWait`.
 *
 * **Gotchas**
 *
 * `node:http` keeps the first of several `Retry-After` headers only. The classifiers of `HttpOutcome` read all of them.
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
 * RetryAfter.fromHeaders(Headers.fromInput({ "retry-after": "0.5, 1.5" }), 0) // => Duration.seconds(2)
 * RetryAfter.fromHeaders(Headers.empty, 0) // => undefined
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const fromHeaders = (headers: Headers.Headers, now: number): Duration.Duration | undefined =>
  fromTexts([headers["retry-after"] ?? ""], headers["date"], now)

/**
 * The same for a response of any client, with every `Retry-After` header that it has.
 *
 * @internal
 */
export const fromResponse = (response: HttpClientResponse, now: number): Duration.Duration | undefined => {
  const { headers } = response
  return fromTexts(distinctOf(response) ?? [headers["retry-after"] ?? ""], headers["date"], now)
}

/**
 * Every `Retry-After` header of a response of `node:http`, whose `headers` hold the first one only. Its message is the
 * `source` of the client's response, which Effect and guards wrap as their `original`.
 */
const distinctOf = (response: unknown): ReadonlyArray<string> | undefined => {
  const original = at(response, "original")
  if (original !== undefined) return distinctOf(original)
  const distinct = at(at(at(response, "source"), "headersDistinct"), "retry-after")
  return Array.isArray(distinct) ? distinct.map(String) : undefined
}

const at = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

const fromTexts = (
  texts: ReadonlyArray<string>,
  date: string | undefined,
  now: number
): Duration.Duration | undefined => {
  const values = texts.flatMap(valuesOf)
  if (values.length === 0) return undefined
  // A list of dates, where a proxy has added one: the first is the server's.
  const sent = date === undefined ? undefined : valuesOf(date).map(dateOf).find((millis) => millis !== undefined)
  const wait = Math.max(...values.map((value) => secondsOf(value) ?? (dateOf(value) ?? 0) - (sent ?? now)))
  return wait > 0 ? Duration.millis(Math.min(wait, longest)) : undefined
}

const weekday = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*$/i

/** In characters. Nothing that asks for a wait is longer, and reading it takes time. */
const maxLength = 1_000

/** The parts of a list. A date has a comma of its own, after its weekday. */
const valuesOf = (text: string): ReadonlyArray<string> => {
  const values: Array<string> = []
  for (const part of text.slice(0, maxLength).split(",").map((part) => part.trim())) {
    const last = values.at(-1)
    if (last !== undefined && weekday.test(last)) values[values.length - 1] = `${last}, ${part}`
    else if (part !== "") values.push(part)
  }
  return values
}

/** Milliseconds, of whole seconds. */
const secondsOf = (text: string): number | undefined =>
  /^(?:\d+\.?\d*|\.\d+)$/.test(text) ? Math.ceil(Number(text)) * 1_000 : undefined

const zone = /(?:\s+(?:UTC?|Z)|\s*(?<sign>[+-])(?<hours>\d\d):?(?<minutes>\d\d))$/i

const isoDate = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)$/i

/** Milliseconds since 1970. */
const dateOf = (text: string): number | undefined => {
  if (isoDate.test(text)) {
    const date = DateTime.make(text)
    return date._tag === "Some" ? DateTime.toEpochMillis(date.value) : undefined
  }
  const { hours = "0", minutes = "0", sign = "+" } = zone.exec(text)?.groups ?? {}
  const date = parseHttpDate(text.replace(zone, " GMT"))
  if (Result.isFailure(date)) return undefined
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000
  return DateTime.toEpochMillis(date.success) - (sign === "-" ? -offset : offset)
}
