/**
 * What a message asks for: one request to somebody else's API.
 *
 * A message can name any URL, and whoever may write to the queue may not be who may reach every host that the function
 * can reach. So the origins that a worker calls are a setting, and a job for another one is malformed. So is one that no
 * client could send: it would fail like a dependency that is down, and count against its circuit.
 */
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Schema from "effect/Schema"

const Url = Schema.URLFromString.check(
  Schema.makeFilter((url) => /^https?:$/.test(url.protocol) || "an http or https URL"),
  Schema.makeFilter((url) => url.username === "" && url.password === "" || "a URL without a user and a password")
)

/** What can't be set in a message, since it is the connection's or the worker's. */
const reserved = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "idempotency-key",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])

/** As HTTP allows them in a header: a name is a token, a value is without control characters and from Latin-1. */
const headerName = /^[!#$%&'*+.^_`|~\w-]+$/
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/

const Headers = Schema.Record(Schema.String, Schema.String).check(
  Schema.makeFilter((headers) =>
    Object.entries(headers).flatMap(([name, value]): ReadonlyArray<Schema.FilterIssue> => {
      if (reserved.has(name.toLowerCase())) return [`headers without ${name}`]
      if (!headerName.test(name)) return [`headers with names that HTTP allows, which ${JSON.stringify(name)} is not`]
      return headerValue.test(value) ? [] : [{ path: [name], issue: "a value that HTTP allows in a header" }]
    })
  )
)

const bodiless = new Set(["GET", "HEAD"])

const Request = Schema.Struct({
  method: Schema.Literals(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
  url: Url,
  headers: Schema.optionalKey(Headers),
  /** Sent as JSON. */
  body: Schema.optionalKey(Schema.Json)
}).check(
  Schema.makeFilter(({ body, method }) =>
    body === undefined || !bodiless.has(method) || { path: ["body"], issue: `no body, since a ${method} has none` }
  )
)

export const Job = Schema.Struct({
  /** Names the job in logs, and makes it safe to be done twice: it is sent as `Idempotency-Key`. */
  id: Schema.String.check(
    Schema.isMaxLength(128),
    Schema.makeFilter((id) => /^[!-~]+$/.test(id) || "an id of ASCII letters, digits and signs, without spaces")
  ),
  request: Request
})

export type Job = typeof Job.Type

/** A job from text, for a worker that may call these origins. */
export const fromText = (text: string, origins: ReadonlySet<string>): Effect.Effect<Job, Schema.SchemaError> =>
  Schema.decodeEffect(Schema.fromJsonString(allowed(origins)))(text, { errors: "all", onExcessProperty: "error" })

const allowed = (origins: ReadonlySet<string>) =>
  Job.check(
    Schema.makeFilter(({ request: { url } }) =>
      origins.has(url.origin)
        ? undefined
        : { path: ["request", "url"], issue: `an origin that this worker may call: ${[...origins].join(", ")}` }
    )
  )

export const toRequest = ({ id, request }: Job): HttpClientRequest.HttpClientRequest => {
  const { body, headers = {}, method, url } = request
  const bare = HttpClientRequest.make(method)(url).pipe(
    HttpClientRequest.setHeader("idempotency-key", id),
    HttpClientRequest.setHeaders(headers)
  )
  return body === undefined ? bare : HttpClientRequest.bodyJsonUnsafe(bare, body)
}
