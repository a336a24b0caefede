/**
 * The user's own requests: a file with one JSON object a line.
 */
import { Array, Order, Result, Schema, SchemaIssue } from "effect"
import { HttpClientRequest, HttpMethod } from "effect/http"
import type { Request } from "./Traffic.ts"

/** A line that is no request. Lines count from 1. */
export interface Mistake {
  readonly line: number
  readonly problem: string
}

export interface Requests {
  /** In the order of their times. */
  readonly requests: ReadonlyArray<Request>
  readonly mistakes: ReadonlyArray<Mistake>
}

const Url = Schema.String.check(
  Schema.makeFilter((text) => ["http:", "https:"].includes(URL.parse(text)?.protocol ?? ""), {
    expected: "an http or https URL"
  })
)

// What the breaker takes for a key. A request with another one would die in the middle of the run.
const Key = Schema.String.check(
  Schema.isPattern(/^[^\p{Cc}\p{Cs}]{1,512}$/u, { expected: "1 to 512 characters, none of them a control character" })
)

const Headers = Schema.Record(
  Schema.String.check(Schema.isPattern(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, { expected: "the name of a header" })),
  Schema.String.check(Schema.isPattern(/^[\t\x20-\x7e\x80-\xff]*$/, { expected: "text that fits in a header" }))
)

const Line = Schema.Struct({
  url: Url,
  method: Schema.optionalKey(Schema.Literals([...HttpMethod.all])),
  headers: Schema.optionalKey(Headers),
  /** Text goes as it is, anything else as JSON. */
  body: Schema.optionalKey(Schema.Json),
  key: Schema.optionalKey(Key),
  /** Milliseconds after the start. */
  at: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)))
}).check(
  Schema.makeFilter(
    ({ body, method }) =>
      body === undefined || HttpMethod.hasBody(method ?? "GET") || `a ${method ?? "GET"} request has no body`
  )
)

const decode = Schema.decodeUnknownResult(Line, {
  errors: "all",
  // A misspelled field would otherwise send another request than the one that was meant.
  onExcessProperty: "error"
})

const issues = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "is missing"
    return issue._tag === "UnexpectedKey" ? "is no field of a request" : SchemaIssue.defaultLeafHook(issue)
  }
})

const problemOf = (issue: SchemaIssue.Issue): string =>
  issues(issue).issues
    .map(({ message, path }) => path === undefined || path.length === 0 ? message : `${path.join(".")}: ${message}`)
    .join("; ")

/** A problem quotes what the file says, which must not steer the terminal. */
const harmless = (text: string): string => text.replace(/\p{Cc}+/gu, " ")

const parseJson = (text: string): Result.Result<unknown, string> =>
  Result.try({ try: (): unknown => JSON.parse(text), catch: (error) => `is no JSON: ${error}` })

const readLine = (text: string): Result.Result<typeof Line.Type, string> =>
  Result.flatMap(parseJson(text), (json) => Result.mapError(decode(json), ({ issue }) => problemOf(issue)))

const requestOf = (line: typeof Line.Type, at: number): Request => {
  const http = HttpClientRequest.make(line.method ?? "GET")(line.url)
  const withBody = line.body === undefined
    ? http
    : typeof line.body === "string"
    ? HttpClientRequest.bodyText(http, line.body)
    : HttpClientRequest.bodyJsonUnsafe(http, line.body)
  return {
    key: line.key ?? new URL(line.url).origin,
    at,
    http: HttpClientRequest.setHeaders(withBody, line.headers ?? {})
  }
}

const byTime = Order.mapInput(Order.Number, (request: Request) => request.at)

/**
 * Reads a file's text. A line without a time is due one `gap` (in milliseconds) after the request before it. What is
 * wrong with a line does not touch the others.
 */
export const parse = (text: string, gap: number): Requests => {
  let next = 0
  const lines = text.replace(/^\uFEFF/, "").split("\n").map((text, index) => ({ text: text.trim(), line: index + 1 }))
  const [requests, mistakes] = Array.partition(
    lines.filter(({ text }) => text !== ""),
    ({ line, text }): Result.Result<Request, Mistake> => {
      const read = readLine(text)
      if (Result.isFailure(read)) return Result.fail({ line, problem: harmless(read.failure) })
      const at = read.success.at ?? next
      next = at + gap
      return Result.succeed(requestOf(read.success, at))
    }
  )
  return { requests: Array.sort(requests, byTime), mistakes }
}
