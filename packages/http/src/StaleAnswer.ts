/**
 * The last good answer of a request, served while its circuit is open.
 *
 * **Details**
 *
 * Remembered are the answers with the status 200 to GET and HEAD requests that have no body, once the answer's body has been
 * read to its end, as far as it is no longer than `maxBytes`. Neither a request nor a response with `Cache-Control: no-store`
 * is, no response whose `Vary` names a header that is not among `vary`, and none that `classify` or `classifyBody` judged to
 * be a failure.
 *
 * What is remembered belongs to the method, the URL and the headers in `vary`, credentials among them: nobody is served what
 * another one was allowed to see. Keys hold a hash of all that.
 *
 * A stale answer is told from a fresh one by its header `reclose-stale`: how many seconds ago it was fresh. `Age` says how
 * old it is in all. How old it may be is `maxAge`, and nothing else: it is the program's word, which goes before what the
 * dependency says about freshness.
 *
 * @since 0.1.0
 */
import type { LastGood } from "@reclose/core/LastGood"
import type * as Duration from "effect/Duration"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Schema from "effect/Schema"

/**
 * An answer as it is remembered.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoredAnswer {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/**
 * An answer in JSON, for `LastGoodStore.make`.
 *
 * **Example** (Answers that outlive the process)
 *
 * ```ts
 * import { LastGoodStore } from "@reclose/core"
 * import { HttpBreaker, StaleAnswer } from "@reclose/http"
 * import { Effect, Layer } from "effect"
 * import { KeyValueStore } from "effect/persistence"
 *
 * export const Http = Layer.unwrap(Effect.gen(function*() {
 *   const lastGood = yield* LastGoodStore.make({ store: yield* KeyValueStore.KeyValueStore, schema: StaleAnswer.schema })
 *   return HttpBreaker.layer({ stale: { maxAge: "1 hour", lastGood } })
 * }))
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const schema: Schema.Codec<StoredAnswer, unknown> = Schema.Struct({
  headers: Schema.Record(Schema.String, Schema.String),
  body: Schema.Uint8ArrayFromBase64
})

/**
 * Which answers are remembered, and when they are served.
 *
 * @category models
 * @since 0.1.0
 */
export interface StalePolicy {
  /** How long ago an answer may have been fresh when it is served, 1 second to 30 days. */
  readonly maxAge: Duration.Input
  /**
   * When a stale answer is served: if the circuit rejects the request (`"rejected"`), or for whatever fails by its outcome
   * (`"failed"`), which a request outside its limits is, too. Default `"rejected"`.
   */
  readonly when?: "rejected" | "failed" | undefined
  /** The longest body that is remembered, in bytes, 1 to 100,000,000. Default 65,536. */
  readonly maxBytes?: number | undefined
  /** How many answers are remembered in memory, 1 to 10,000,000. Default 1,000. Not used with `lastGood`. */
  readonly maxKeys?: number | undefined
  /**
   * The request's headers that make a difference to an answer. Default `accept`, `accept-language`, `authorization`,
   * `proxy-authorization`, `cookie`, `x-api-key`, `api-key`, and those that the policy's `credentials` name. Whatever is given
   * takes their place.
   */
  readonly vary?: ReadonlyArray<string> | undefined
  /** Where answers are remembered, such as `LastGoodStore.make`. Default: in memory, for as long as the client lives. */
  readonly lastGood?: LastGood<StoredAnswer> | undefined
}

/**
 * How many seconds ago a response was fresh; `undefined` for one that is fresh.
 *
 * **Example** (Telling a stale answer)
 *
 * ```ts
 * import { StaleAnswer } from "@reclose/http"
 * import { HttpClientRequest, HttpClientResponse } from "effect/http"
 *
 * const request = HttpClientRequest.get("https://api.example")
 *
 * StaleAnswer.staleSeconds(HttpClientResponse.fromWeb(request, new Response("fresh"))) // => undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const staleSeconds = (response: HttpClientResponse): number | undefined => {
  const text = response.headers["reclose-stale"]
  return text === undefined ? undefined : Number(text)
}
