/** A dependency on this machine that can be made to fail. */
import { NodeHttpServer } from "@effect/platform-node"
import { Effect } from "effect"
import { HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"

/** How it answers: 200; 503 at once; or never, so that whoever calls has to give up. */
export type Health = "healthy" | "failing" | "hanging"

export interface Upstream {
  /** Its origin, as `ALLOWED_ORIGINS` wants it. */
  readonly url: string
  health: Health
  /** The `Idempotency-Key` of each request that came, in the order in which they came. */
  readonly received: Array<string>
  /** Of those that were answered with 200. */
  readonly done: Set<string>
}

/** Serves on a loopback port that the system picks, until the scope closes. */
export const serve = Effect.fnUntraced(function*(health: Health = "healthy") {
  const server = yield* NodeHttpServer.make(() => createServer(), {
    host: "127.0.0.1",
    port: 0,
    gracefulShutdownTimeout: "100 millis"
  })
  const upstream: Upstream = { url: HttpServer.formatAddress(server.address), health, received: [], done: new Set() }
  const handle = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const id = request.headers["idempotency-key"] ?? ""
    upstream.received.push(id)
    if (upstream.health === "hanging") return yield* Effect.never
    yield* Effect.sleep("20 millis")
    if (upstream.health !== "healthy") return HttpServerResponse.text("overloaded", { status: 503 })
    upstream.done.add(id)
    return HttpServerResponse.jsonUnsafe({ path: request.url })
  })
  // A handler is uninterruptible by default, and would outlive a caller that gave up.
  yield* server.serve(Effect.interruptible(handle))
  return upstream
})
