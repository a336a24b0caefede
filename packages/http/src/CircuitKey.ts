/**
 * Which circuit guards a request.
 *
 * **Details**
 *
 * Keys are made of URLs: `https://api.example`, or `https://api.example/users/:id`. So the `keys` of a breaker's policy
 * address them with patterns: `https://api.example*` is everything of a host, `https://api.example/users/*` a part of it.
 *
 * A key never holds what a URL may hide in its user info, its query or its hash, and whatever a path contains, it is a key
 * that a breaker takes.
 *
 * @since 0.1.0
 */
import { type HttpClientRequest, toUrl } from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import { isIdentifier, matchRoute, toRoutes } from "./internal/Route.ts"
import { safeKey } from "./internal/SafeKey.ts"

/**
 * Names the circuit of a request. `undefined` or an empty text: the request is not guarded.
 *
 * **Details**
 *
 * What it answers is made a key that a breaker takes: control characters are replaced, and what is longer than 512
 * characters is cut and told apart by a hash.
 *
 * @category models
 * @since 0.1.0
 */
export type CircuitKey = (request: HttpClientRequest) => string | undefined

/** URLs begin with few origins: each is parsed once. */
const knownOrigins = 1_000

/**
 * One circuit for each origin: scheme, host and port, such as `https://api.example`.
 *
 * **Details**
 *
 * It is the default. A request whose URL is none has no circuit: it fails by itself, and never left the program.
 *
 * **Example** (A request's origin)
 *
 * ```ts
 * import { CircuitKey } from "@reclose/http"
 * import { HttpClientRequest } from "effect/http"
 *
 * CircuitKey.origin(HttpClientRequest.get("https://user:secret@api.example:443/users/7?q=1")) // => "https://api.example"
 * ```
 *
 * @category keys
 * @since 0.1.0
 */
export const origin: CircuitKey = (() => {
  const origins = new Map<string, string>()
  // Who calls again mostly calls the same: looking at the beginning is half of what looking it up is.
  let last = { beginning: "", origin: "" }
  return ({ url }) => {
    if (last.beginning !== "" && url.startsWith(last.beginning)) return last.origin
    const start = url.indexOf("://")
    const slash = start < 0 ? -1 : url.indexOf("/", start + 3)
    // Without a path, or without an authority, it takes a parser to know where what ends.
    if (slash <= start + 3) return parsedOrigin(url)
    const beginning = url.slice(0, slash + 1)
    const known = origins.get(beginning)
    const origin = known ?? parsedOrigin(url)
    if (origin === undefined) return undefined
    if (known === undefined) {
      // An authority that holds a question mark or a hash ends before this slash: it is none to be remembered.
      if (/[?#\\]/.test(beginning)) return origin
      if (origins.size >= knownOrigins) origins.clear()
      origins.set(beginning, origin)
    }
    last = { beginning, origin }
    return origin
  }
})()

const parsedOrigin = (url: string): string | undefined => {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  return parsed === undefined || parsed.origin === "null" ? undefined : safeKey(parsed.origin)
}

/**
 * One circuit for each origin and route, given the routes: `https://api.example/users/:id`.
 *
 * **Details**
 *
 * A route is a path whose segments are texts, parameters (`:id`, which stand for one segment) or, as the last one, `*`,
 * which stands for all that follows, at least one segment. Where several match, the one that says more in its first
 * segments wins, whatever the order: a text before a parameter, a parameter before `*`. A path that no route matches
 * belongs to the circuit of its origin.
 *
 * With `method`, the method stands in front: `GET https://api.example/users/:id`.
 *
 * **Example** (Ids make no circuits)
 *
 * ```ts
 * import { CircuitKey } from "@reclose/http"
 * import { HttpClientRequest } from "effect/http"
 *
 * const key = CircuitKey.routes(["/users/:id", "/users/me", "/files/*"])
 *
 * key(HttpClientRequest.get("https://api.example/users/7")) // => "https://api.example/users/:id"
 * key(HttpClientRequest.get("https://api.example/users/me")) // => "https://api.example/users/me"
 * key(HttpClientRequest.get("https://api.example/files/a/b")) // => "https://api.example/files/*"
 * key(HttpClientRequest.get("https://api.example/health")) // => "https://api.example"
 * ```
 *
 * @category keys
 * @since 0.1.0
 */
export const routes = (
  templates: ReadonlyArray<string>,
  options?: { readonly method?: boolean | undefined }
): CircuitKey => {
  const known = toRoutes(templates)
  return (request) => {
    const url = parsed(request)
    if (url === undefined) return undefined
    const route = matchRoute(known, segmentsOf(url))
    return named(request, url, route ?? "", options?.method)
  }
}

/**
 * One circuit for each origin and route, where the routes are guessed: segments that look like ids become `:id`.
 *
 * **Details**
 *
 * An id is a segment of digits; a UUID; 8 or more hexadecimal digits with at least one decimal among them; or 16 or more
 * letters, digits, `-` and `_` with at least 3 decimals among them, such as a ULID or a token. After `depth` segments (8
 * by default) the rest of a path is `*`.
 *
 * It knows `maxRoutes` routes (1,000 by default): what is met beyond them belongs to the circuit of its origin, so that
 * no set of paths makes circuits without end.
 *
 * **Gotchas**
 *
 * Names in paths, as in `/posts/my-first-post`, look like routes. Give `routes` where there are such.
 *
 * **Example** (Guessing)
 *
 * ```ts
 * import { CircuitKey } from "@reclose/http"
 * import { HttpClientRequest } from "effect/http"
 *
 * const key = CircuitKey.guessedRoutes({ method: true })
 *
 * key(HttpClientRequest.get("https://api.example/users/7/orders")) // => "GET https://api.example/users/:id/orders"
 * ```
 *
 * @category keys
 * @since 0.1.0
 */
export const guessedRoutes = (options?: {
  readonly method?: boolean | undefined
  readonly depth?: number | undefined
  readonly maxRoutes?: number | undefined
}): CircuitKey => {
  const { depth = 8, maxRoutes = 1_000, method } = options ?? {}
  const met = new Set<string>()
  return (request) => {
    const url = parsed(request)
    if (url === undefined) return undefined
    const segments = segmentsOf(url)
    const shown = segments.slice(0, depth).map((segment) => isIdentifier(segment) ? ":id" : segment)
    const route = [...shown, ...(segments.length > depth ? ["*"] : [])].map((segment) => `/${segment}`).join("")
    const key = named(request, url, route, method)
    if (met.has(key)) return key
    if (met.size >= maxRoutes) return named(request, url, "", method)
    met.add(key)
    return key
  }
}

const parsed = (request: HttpClientRequest): URL | undefined => {
  const url = Option.getOrUndefined(toUrl(request))
  return url === undefined || url.origin === "null" ? undefined : url
}

const segmentsOf = (url: URL): ReadonlyArray<string> => url.pathname.split("/").filter((segment) => segment !== "")

const named = (request: HttpClientRequest, url: URL, route: string, method: boolean | undefined): string =>
  safeKey(`${method === true ? `${request.method} ` : ""}${url.origin}${route}`)
