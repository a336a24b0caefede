/**
 * The last good answer of a request, served while its circuit is open.
 *
 * **Details**
 *
 * Kept is the 200 of a GET or HEAD request without a body: of a GET when its body has been read to its end and is no longer
 * than `maxBytes`, of a HEAD at once. Not kept is
 *
 * - what `classify` or `classifyBody` judged to be a failure;
 * - a response with `Cache-Control: no-store` or `private`, or with `Set-Cookie` (for the latter two, see `storePrivate`);
 * - a response to a request with `Cache-Control: no-store`;
 * - a response to a request to which the client adds headers inside the guard, such as a token from a transformation of
 *   responses: the guard does not see them when it looks for an answer (`HttpClient.mapRequest` is seen);
 * - a response whose `Vary` is `*`, or names one of `harmlessHeaders`, unless `vary` names that header, too.
 *
 * An answer belongs to the method, the URL with its user info and query, and all headers of the request but
 * `harmlessHeaders`. A caller with another credential, tenant or language in any header never gets it. Keys hold a hash of
 * all that. What tells callers apart and is in no header of the request is not in the key: a certificate, or the cookies that
 * a browser adds to `fetch`.
 *
 * A response that takes the place of a kept one without being kept itself drops it: a 401, 403, 404, 410 or any other 4xx but
 * 408, 425 and 429, a redirect, another 2xx, a 200 that must not be kept. So does a successful request of another method to
 * the same URL, such as DELETE, for every caller of this client. No stale response is served for such an answer, nor while
 * the circuit of the request's credential is open, whatever `when` and `classify` say.
 *
 * The header `reclose-stale` tells a stale response from a fresh one: how many seconds ago it was fresh. A guarded client
 * removes that header where a dependency sends it. `Age` says how old the response is in all. How old it may be is `maxAge`,
 * and nothing else: it goes before `max-age`, `no-cache` and `must-revalidate`, by which a dependency speaks of freshness.
 *
 * A body that its client did not decode is kept as it came, with its `content-encoding`. Each stale response has a copy of
 * its own of the bytes.
 *
 * @since 0.1.0
 */
import type { LastGood } from "@reclose/core/LastGood"
import type * as Duration from "effect/Duration"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Schema from "effect/Schema"
import * as StaleKey from "./internal/StaleKey.ts"

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

const isName = (name: string): boolean => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)

const isValue = (value: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(value)

/**
 * An answer in JSON, for `LastGoodStore.make`. Text with a header that can't be sent is no answer: the store's reader takes it
 * for absent, and reports it as `AnswerCorrupt`.
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
 *   return HttpBreaker.layer({ stale: { maxAge: "1 hour", lastGood, salt: "a secret of this deployment" } })
 * }))
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const schema: Schema.Codec<StoredAnswer, unknown> = Schema.Struct({
  headers: Schema.Record(Schema.String, Schema.String).check(
    Schema.makeFilter((headers) => Object.entries(headers).every(([name, value]) => isName(name) && isValue(value)), {
      expected: "headers that can be sent"
    })
  ),
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
  /** Names of `harmlessHeaders` that make a difference to answers all the same. Default: none. */
  readonly vary?: ReadonlyArray<string> | undefined
  /**
   * Names of further headers that make no difference to answers, such as one that is new for every request. Default: none.
   *
   * Name none that tells callers apart, unless all requests are one caller's: a caller would be served another one's answer.
   */
  readonly ignoreHeaders?: ReadonlyArray<string> | undefined
  /**
   * Whether a response with `Cache-Control: private` or `Set-Cookie` is kept, without its cookies, for requests with the same
   * headers. Say so where each caller has a header of its own. Default false.
   */
  readonly storePrivate?: boolean | undefined
  /**
   * A secret that goes into the hashes of keys. Without it, a key in a log or a store lets its reader try out what the
   * request may have been. All processes that share `lastGood` need the same. Default: none with `lastGood`, and else one of
   * the process's own.
   */
  readonly salt?: string | undefined
  /**
   * Where answers are remembered, such as `LastGoodStore.make`. Clients that share it share their answers: one that identifies itself by a
   * certificate, and in no header, needs one of its own, with another `prefix`. Default: in memory, for as long as
   * the client lives.
   */
  readonly lastGood?: LastGood<StoredAnswer> | undefined
}

/**
 * The request headers that make no difference to an answer, in lower case: ids of traces and requests, `date`, conditions
 * (`if-none-match`, `if-modified-since`), `cache-control`, and those of the connection. Every other header makes one, among
 * them `user-agent`, `accept-encoding`, `x-forwarded-for` and `baggage`.
 *
 * **Details**
 *
 * An `Authorization` that is new for every request, such as a signature, makes every request one of its own: none of them gets
 * a stale response. Where all requests are one caller's, name it in `ignoreHeaders`, with what else is signed.
 *
 * @category constants
 * @since 0.1.0
 */
export const harmlessHeaders: ReadonlyArray<string> = StaleKey.harmlessHeaders

/**
 * Returns how many seconds ago a response of a guarded client was fresh; `undefined` for one that is fresh.
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
  // Stale responses are of status 200. A redirect is handed over as it came, with what its sender wrote.
  return text !== undefined && response.status === 200 && /^\d+$/.test(text) ? Number(text) : undefined
}
