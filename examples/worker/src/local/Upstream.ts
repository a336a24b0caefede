/** A dependency on this machine that can be made to fail. */
import { NodeHttpServer } from "@effect/platform-node"
import { Effect } from "effect"
import { HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"

/**
 * How it answers: 200; 503 or 429, both with a `Retry-After` of a second; 308 to somewhere else; or never, so that whoever
 * calls has to give up.
 */
export type Health = "healthy" | "failing" | "throttling" | "moved" | "hanging"

/** What it answers while it is not healthy. */
const unhealthy = {
  failing: { status: 503, headers: { "retry-after": "1" } },
  throttling: { status: 429, headers: { "retry-after": "1" } },
  moved: { status: 308, headers: { location: "http://127.0.0.1:9/elsewhere" } }
}

export interface Upstream {
  /** Its origin, as `ALLOWED_ORIGINS` wants it. */
  readonly url: string
  health: Health
  /** The `Idempotency-Key` of each request that came, in the order in which they came. */
  readonly received: Array<string>
  /** Of those that were answered with 200. */
  readonly done: Set<string>
  /** Of those that it answers with 422, whatever its health. */
  readonly refused: Set<string>
}

/** Serves on a loopback port that the system picks, until the scope closes. */
export const serve = Effect.fnUntraced(function*(health: Health = "healthy") {
  const server = yield* NodeHttpServer.make(() => createServer(), {
    host: "127.0.0.1",
    port: 0,
    gracefulShutdownTimeout: "100 millis"
  })
  const upstream: Upstream = {
    url: HttpServer.formatAddress(server.address),
    health,
    received: [],
    done: new Set(),
    refused: new Set()
  }
  const handle = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const id = request.headers["idempotency-key"] ?? ""
    upstream.received.push(id)
    if (upstream.health === "hanging") return yield* Effect.never
    yield* Effect.sleep("20 millis")
    if (upstream.refused.has(id)) {
      return HttpServerResponse.jsonUnsafe({ reason: `there is no order for ${id}` }, { status: 422 })
    }
    if (upstream.health !== "healthy") return HttpServerResponse.text(upstream.health, unhealthy[upstream.health])
    upstream.done.add(id)
    return HttpServerResponse.jsonUnsafe({ path: request.url })
  })
  // A handler is uninterruptible by default, and would outlive a caller that gave up.
  yield* server.serve(Effect.interruptible(handle))
  return upstream
})
