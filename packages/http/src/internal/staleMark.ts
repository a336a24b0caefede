/** Tells our own stale responses from those of a dependency that sends our header. */
import { type Headers, remove } from "effect/http/Headers"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"

export const staleHeader = "reclose-stale"

/** The headers of our own stale responses. Whatever wraps a response hands on this very object. */
const marked = new WeakSet<Headers>()

/** Marks a response as our own stale one. */
export const markStale = (response: HttpClientResponse): void => {
  const { headers } = response
  marked.add(headers)
  // Else it would make them anew for each reader.
  Object.defineProperty(response, "headers", { value: headers })
}

export const isMarkedStale = ({ headers }: HttpClientResponse): boolean => marked.has(headers)

/** Returns the headers of a response, without `reclose-stale` where the dependency has sent it. */
export const trustedHeaders = ({ headers }: HttpClientResponse): Headers =>
  headers[staleHeader] === undefined || marked.has(headers) ? headers : remove(headers, staleHeader)
