/**
 * Circuits for credentials, so that a wrong key cannot lock an account.
 *
 * **Details**
 *
 * Responses that refuse a credential, again and again, open a circuit for that credential at that host, and for nothing
 * else: others of the same host go on. Its key is `credential:<host>:<hash>`, for the `keys` of a breaker's policy:
 * `"credential:*": { tripRule: TripRule.consecutive(3), openDuration: "10 minutes" }`.
 *
 * The hash is the first 16 hexadecimal digits of a SHA-256 of the host and the credential. No key, span, log or error holds
 * a credential itself.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { type HttpClientRequest, toUrl } from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import { fingerprint, processSalt } from "./internal/fingerprint.ts"
import { safeKey } from "./internal/SafeKey.ts"

/**
 * Which requests have a credential, and which responses refuse it.
 *
 * @category models
 * @since 0.1.0
 */
export interface CredentialPolicy {
  /** The headers that hold credentials; the first that a request has counts. Default `authorization`, `x-api-key`, `api-key`. */
  readonly headers?: ReadonlyArray<string> | undefined
  /** The statuses that refuse a credential, 400 to 499. Default 401 and 403. */
  readonly statuses?: ReadonlyArray<number> | undefined
}

/** @internal */
export interface ValidCredentials {
  readonly headers: ReadonlyArray<string>
  readonly statuses: ReadonlySet<number>
}

/** @internal */
export const defaultHeaders: ReadonlyArray<string> = ["authorization", "x-api-key", "api-key"]

/**
 * The key of the circuit of a request's credential; `undefined` for a request that has none.
 *
 * **Example** (The same credential, the same circuit)
 *
 * ```ts
 * import { Credentials } from "@reclose/http"
 * import { Effect } from "effect"
 * import { HttpClientRequest } from "effect/http"
 *
 * const request = (token: string) => HttpClientRequest.get("https://api.example/a").pipe(HttpClientRequest.bearerToken(token))
 * const keyOf = (token: string) => Effect.runPromise(Credentials.circuitKey(request(token)))
 *
 * const key = await keyOf("secret")
 *
 * key?.startsWith("credential:api.example:") // => true
 * key === await keyOf("secret") // => true
 * key === await keyOf("another") // => false
 * ```
 *
 * @category keys
 * @since 0.1.0
 */
export const circuitKey = (
  request: HttpClientRequest,
  headers: ReadonlyArray<string> = defaultHeaders
): Effect.Effect<string | undefined> => {
  const name = headers.map((name) => name.toLowerCase()).find((name) => request.headers[name] !== undefined)
  const url = Option.getOrUndefined(toUrl(request))
  return name === undefined || url === undefined ? Effect.succeed(undefined) : Effect.map(
    fingerprint([url.host, name, request.headers[name] ?? ""].join("\n"), 8, processSalt()),
    (hash) => safeKey(`credential:${url.host}:${hash}`)
  )
}
