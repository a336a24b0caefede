/**
 * What a message asks for: one request to somebody else's API.
 *
 * A message can name any URL, and whoever may write to the queue may not be who may reach every host that the function
 * can reach. So the origins that a worker calls are a setting, and a job for another one is malformed.
 */
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Schema from "effect/Schema"

const Url = Schema.URLFromString.check(
  Schema.makeFilter((url) => /^https?:$/.test(url.protocol) || "an http or https URL"),
  Schema.makeFilter((url) => url.username === "" && url.password === "" || "a URL without a user and a password")
)

/** What can't be set in a message, since it is the connection's or the worker's. */
const reserved = new Set(["connection", "content-length", "host", "transfer-encoding"])

const Headers = Schema.Record(Schema.String, Schema.String).check(
  Schema.makeFilter((headers) => {
    const taken = Object.keys(headers).filter((name) => reserved.has(name.toLowerCase()))
    return taken.length === 0 || `headers without ${taken.join(", ")}`
  })
)

export const Job = Schema.Struct({
  /** Names the job in logs, and makes it safe to be done twice: it is sent as `Idempotency-Key`. */
  id: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(128)),
  request: Schema.Struct({
    method: Schema.Literals(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
    url: Url,
    headers: Schema.optionalKey(Headers),
    /** Sent as JSON. */
    body: Schema.optionalKey(Schema.Json)
  })
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
