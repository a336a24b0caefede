/** Which responses are kept, and how they are served again. */
import * as Duration from "effect/Duration"
import { isEmpty } from "effect/http/Cookies"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import { fromWeb, type HttpClientResponse } from "effect/http/HttpClientResponse"
import type { StoredAnswer } from "../StaleAnswer.ts"
import { harmlessHeaders } from "./StaleKey.ts"
import { markStale, staleHeader } from "./staleMark.ts"

/** Returns the names in a header such as `Cache-Control`, in lower case. A quoted value may hold commas. */
export const directives = (value: string | undefined): ReadonlyArray<string> =>
  (value ?? "").replaceAll(/"(?:[^"\\]|\\.)*"?/g, "").toLowerCase().split(",")
    .map((directive) => (directive.split("=")[0] ?? "").trim())
    .filter((name) => name !== "")

const harmless: ReadonlySet<string> = new Set(harmlessHeaders)

/** Statuses by which a dependency says "not now" or "unchanged", and not "no". */
const temporary = new Set([304, 408, 425, 429])

/** Whether a status is an answer to the request that takes the place of the one before. */
export const isFinal = (status: number): boolean => status >= 200 && status < 500 && !temporary.has(status)

/** Whether a status refuses the request, or says that there is nothing. */
export const isRefusal = (status: number): boolean => status >= 400 && isFinal(status)

export interface StoragePolicy {
  readonly ignored: ReadonlySet<string>
  readonly storePrivate: boolean
}

/** Whether a response may be kept for requests like the one that the guard was asked to send. */
export const isStorable = (
  response: HttpClientResponse,
  request: HttpClientRequest,
  { ignored, storePrivate }: StoragePolicy
): boolean => {
  const { cookies, headers, status } = response
  const control = directives(headers["cache-control"])
  return status === 200 && !control.includes("no-store") &&
    // What a client adds inside the guard is not in the key: it may be a credential.
    Object.entries(response.request.headers).every(([name, value]) =>
      ignored.has(name) || harmless.has(name) || request.headers[name] === value
    ) &&
    (storePrivate || !control.includes("private") && headers["set-cookie"] === undefined && isEmpty(cookies)) &&
    directives(headers["vary"]).every((name) => name !== "*" && !ignored.has(name))
}

/** Headers of one connection, and of one recipient at one time. */
const passing = new Set([
  "age",
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-connection",
  "set-cookie",
  "set-cookie2",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  staleHeader
])

/** Headers that describe the body as it was sent. */
const ofBody = new Set(["content-encoding", "content-length"])

/** Returns the headers that hold for the body as it is kept; `undefined` for the body of a HEAD, which was never sent. */
export const storedHeaders = (
  headers: Readonly<Record<string, string>>,
  body: Uint8Array | undefined,
  isDecoded: boolean
): Readonly<Record<string, string>> => {
  const named = directives(headers["connection"])
  const isKept = (name: string): boolean =>
    !passing.has(name) && !named.includes(name) &&
    !(ofBody.has(name) && (isDecoded || name === "content-length" && !isLengthOf(headers[name], body)))
  return Object.fromEntries([
    ...Object.entries(headers).filter(([name]) => isKept(name)),
    // How old it was before it came.
    ...(headers["age"] === undefined ? [] : [["age", headers["age"]]])
  ])
}

const isLengthOf = (value: string | undefined, body: Uint8Array | undefined): boolean =>
  body === undefined || Number(value) === body.byteLength

/** Returns a stale response. Throws for what is no answer, such as a header that can't be sent. */
export const toResponse = (
  request: HttpClientRequest,
  value: StoredAnswer,
  age: Duration.Duration
): HttpClientResponse => {
  const seconds = Math.max(0, Math.floor(Duration.toSeconds(age)))
  const before = Number(value.headers["age"] ?? 0)
  const response = fromWeb(
    request,
    // A copy, which no other caller can change. Its buffer is no shared one.
    new Response(request.method === "HEAD" ? null : new Uint8Array(value.body), {
      headers: {
        ...Object.fromEntries(Object.entries(value.headers).filter(([name]) => !passing.has(name.toLowerCase()))),
        age: String(seconds + (before > 0 && Number.isFinite(before) ? Math.floor(before) : 0)),
        [staleHeader]: String(seconds)
      }
    })
  )
  markStale(response)
  return response
}
