/**
 * Circuits for credentials, so that a wrong key cannot lock an account.
 *
 * **Details**
 *
 * Responses that refuse a credential, again and again, open a circuit for that credential at that host, and for nothing
 * else: others of the same host go on. Its key is `credential:<host>:<hash>`, for the `keys` of a breaker's policy:
 * `"credential:*": { tripRule: TripRule.consecutive(3), openDuration: "10 minutes" }`. `Retry-After` of a refusal counts as
 * that of any failure.
 *
 * What identifies a credential is the whole header, or in an `Authorization` with a signature the id in it: the access key of
 * SigV4 (`Credential=`) and of `AWS`, `SharedKey` and their like, `keyId`, `username` of Digest, `id` of Hawk, the token and
 * the consumer key of OAuth 1. All requests that are signed with one key share a circuit.
 *
 * A credential has a circuit from its second request on; if its first was refused, that counts. So credentials that are new
 * for each request make no circuits, and read no store. At most `maxKeys` credentials have one. When that many have, one that
 * is refused takes the place of one that was accepted last or had no request for 10 minutes, and any other goes without. An
 * override on a circuit of this breaker holds from the next request on.
 *
 * The hash is the first 16 hexadecimal digits of a SHA-256 of the host, the credential and a salt. No key, span, log or
 * error holds a credential itself, and without the salt no reader of a key can try out passwords. By default each process has a
 * salt of its own, so that processes which share a store don't share these circuits. Give all of them one `salt` for that.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { type HttpClientRequest, toUrl } from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import { fingerprint, processSalt } from "./internal/fingerprint.ts"
import { identityOf } from "./internal/identityOf.ts"
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
  /** How many credentials may have a circuit at once, 1 to 1,000,000. Default 100. */
  readonly maxKeys?: number | undefined
  /** A secret of the deployment that goes into the hashes of keys. Default: one of this process's own, drawn at its start. */
  readonly salt?: string | undefined
}

/** @internal */
export interface ValidCredentials {
  readonly headers: ReadonlyArray<string>
  readonly statuses: ReadonlySet<number>
  readonly maxKeys: number
  readonly salt: string | undefined
}

/** @internal */
export const defaultHeaders: ReadonlyArray<string> = ["authorization", "x-api-key", "api-key"]

/**
 * Returns the key of the circuit of a request's credential; `undefined` for a request that has none.
 *
 * **Details**
 *
 * `headers` and `salt` are those of the `CredentialPolicy`. Without a salt, the key is that of this process.
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
  headers: ReadonlyArray<string> = defaultHeaders,
  salt: string = processSalt()
): Effect.Effect<string | undefined> => {
  const name = headers.map((name) => name.toLowerCase()).find((name) => request.headers[name] !== undefined)
  const url = Option.getOrUndefined(toUrl(request))
  return name === undefined || url === undefined ? Effect.succeed(undefined) : Effect.map(
    fingerprint([url.host, name, identityOf(request.headers[name] ?? "")].join("\n"), 8, salt),
    (hash) => safeKey(`credential:${url.host}:${hash}`)
  )
}
