/** The clients that guards are tested around, and what all tests of guarded clients need. */
import { NodeHttpClient } from "@effect/platform-node"
import { type CallCounts, CircuitBreaker, CircuitStore, type Policy } from "@reclose/core"
import { GuardedHttpClient, HttpBreaker, type HttpPolicy, TimeLimits } from "@reclose/http"
import { Effect, Layer, type Scope } from "effect"
import { FetchHttpClient, HttpClient, HttpClientError } from "effect/http"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { Socket } from "node:net"

export const clients = {
  undici: NodeHttpClient.layerUndici,
  fetch: FetchHttpClient.layer,
  "node:http": NodeHttpClient.layerNodeHttp
}

export type ClientName = keyof typeof clients

export const clientNames: ReadonlyArray<ClientName> = ["undici", "fetch", "node:http"]

/**
 * The same where they soon give up to connect. When a call is over whose connection is not there yet, `node:http` closes it;
 * undici goes on for a time of its own, and so does `fetch`, whose 10 seconds nobody can change.
 */
export const connectingBriefly = {
  ...clients,
  undici: NodeHttpClient.layerUndiciOptions({ connect: { timeout: 1_000 } })
}

/** Those that can be waited for. */
export const closesSoon: Record<ClientName, boolean> = { undici: true, fetch: false, "node:http": true }

export interface Options {
  readonly policy?: HttpPolicy.HttpPolicy | undefined
  readonly breaker?: Policy.Policy | undefined
  readonly client?: ClientName | undefined
}

/** A guarded client and its breaker, around a client of one's own. */
export const guardedBy = (
  client: Layer.Layer<HttpClient.HttpClient>,
  { breaker, policy }: Omit<Options, "client"> = {}
) =>
  HttpBreaker.layer(policy).pipe(
    Layer.provide(client),
    Layer.provideMerge(CircuitBreaker.layer(breaker)),
    Layer.provide(CircuitStore.layerMemory)
  )

export const guarded = ({ client = "undici", ...options }: Options = {}) => guardedBy(clients[client], options)

export const guardedOver = (client: HttpClient.HttpClient, options: Omit<Options, "client"> = {}) =>
  guardedBy(Layer.succeed(HttpClient.HttpClient, client), options)

/** Sends a request and reads its answer as text. */
export const text = (url: string) =>
  Effect.flatMap(Effect.flatMap(GuardedHttpClient, (client) => client.get(url)), (response) => response.text)

/** How a call failed: by which limit, or by what kind of the client's errors. */
export const kindOf = (error: unknown): string => {
  const late = TimeLimits.fromError(error)
  if (late !== undefined) return `limit ${late.limit}`
  return HttpClientError.isHttpClientError(error) ? error.reason._tag : String(error)
}

export const stateOf = (url: string) =>
  Effect.flatMap(CircuitBreaker, (breaker) => Effect.orDie(breaker.state(new URL(url).origin)))

/** How the calls of a URL's origin ended. */
export const countsOf = (url: string): Effect.Effect<CallCounts, never, CircuitBreaker> =>
  Effect.map(stateOf(url), ({ counts }) => counts)

/** The sockets that clients of this process open from here on. */
export const clientSockets: Effect.Effect<ReadonlySet<Socket>, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const sockets = new Set<Socket>()
      const opened = (message: unknown) => {
        const socket = typeof message === "object" && message !== null && "socket" in message && message.socket
        if (!(socket instanceof Socket)) return
        sockets.add(socket)
        socket.once("close", () => sockets.delete(socket))
      }
      subscribe("net.client.socket", opened)
      return { opened, sockets }
    }),
    ({ opened }) => Effect.sync(() => unsubscribe("net.client.socket", opened))
  ),
  ({ sockets }) => sockets
)
