/** The clients that guards are tested around, and what all tests of guarded clients need. */
import { NodeHttpClient } from "@effect/platform-node"
import { type CallCounts, CircuitBreaker, CircuitStore, type Policy } from "@reclose/core"
import { GuardedHttpClient, HttpBreaker, type HttpPolicy } from "@reclose/http"
import { Effect, Layer } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"

export const clients = {
  undici: NodeHttpClient.layerUndici,
  fetch: FetchHttpClient.layer,
  "node:http": NodeHttpClient.layerNodeHttp
}

export type ClientName = keyof typeof clients

export const clientNames: ReadonlyArray<ClientName> = ["undici", "fetch", "node:http"]

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

export const stateOf = (url: string) =>
  Effect.flatMap(CircuitBreaker, (breaker) => Effect.orDie(breaker.state(new URL(url).origin)))

/** How the calls of a URL's origin ended. */
export const countsOf = (url: string): Effect.Effect<CallCounts, never, CircuitBreaker> =>
  Effect.map(stateOf(url), ({ counts }) => counts)
