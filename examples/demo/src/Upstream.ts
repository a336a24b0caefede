/**
 * A real HTTP server whose health follows a script.
 */
import { NodeHttpServer, NodeHttpServerRequest } from "@effect/platform-node"
import { Effect } from "effect"
import { HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import type { Stopwatch } from "./Stopwatch.ts"

export type Health = "healthy" | "slow" | "failing" | "down" | "recovering"

/** A stretch of time, in milliseconds from the start of the run. */
export interface Phase {
  readonly health: Health
  readonly from: number
  readonly to: number
}

export type Script = ReadonlyArray<Phase>

/** What an upstream does with a request: after how long, with which end. Times are in milliseconds. */
export interface Answer {
  readonly after: number
  readonly end: 200 | 503 | "reset"
}

/** What each state of health means, for people. */
export const meaning: Readonly<Record<Health, string>> = {
  healthy: "answers within 0.1 s",
  slow: "takes 0.5 to 1.5 s to answer",
  failing: "answers 503",
  down: "resets every connection",
  recovering: "fails every third request"
}

export const script = (phases: ReadonlyArray<readonly [health: Health, lasts: number]>): Script => {
  let from = 0
  return phases.map(([health, lasts]) => {
    const phase = { health, from, to: from + lasts }
    from = phase.to
    return phase
  })
}

export const healthAt = (script: Script, elapsed: number): Health =>
  (script.find((phase) => elapsed < phase.to) ?? script.at(-1))?.health ?? "healthy"

/** The upstream's answer to its n-th request. It is no chance, so that two servers with one script do the same. */
export const answer = (health: Health, nth: number): Answer => {
  const quick = 20 + (nth * 37) % 60
  switch (health) {
    case "healthy":
      return { after: quick, end: 200 }
    case "slow":
      return { after: 500 + (nth * 370) % 1_000, end: 200 }
    case "failing":
      return { after: quick, end: 503 }
    case "down":
      return { after: 0, end: "reset" }
    case "recovering":
      return { after: quick * 2, end: nth % 3 === 0 ? 503 : 200 }
  }
}

export interface Upstream {
  readonly url: string
  /** How many requests came while it was not healthy. */
  readonly receivedWhileSick: Effect.Effect<number>
}

/** Serves a script on a loopback port that the system picks, until the scope closes. */
export const serve = Effect.fnUntraced(function*(options: {
  readonly script: Script
  readonly stopwatch: Stopwatch
}) {
  let received = 0
  let receivedWhileSick = 0

  const handle = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const health = healthAt(options.script, yield* options.stopwatch.elapsed)
    if (health !== "healthy") receivedWhileSick++
    const { after, end } = answer(health, received++)
    yield* Effect.sleep(after)
    if (end === "reset") {
      // Whatever this handler answers, nobody is left to read it.
      NodeHttpServerRequest.toIncomingMessage(request).socket.resetAndDestroy()
      return HttpServerResponse.empty()
    }
    return HttpServerResponse.text(end === 200 ? "42" : "overloaded", { status: end })
  })

  const server = yield* NodeHttpServer.make(() => createServer(), {
    host: "127.0.0.1",
    port: 0,
    gracefulShutdownTimeout: "100 millis"
  })
  // A handler is uninterruptible by default, so a caller that gave up would leave it sleeping.
  yield* server.serve(Effect.interruptible(handle))
  const upstream: Upstream = {
    url: HttpServer.formatAddress(server.address),
    receivedWhileSick: Effect.sync(() => receivedWhileSick)
  }
  return upstream
})
