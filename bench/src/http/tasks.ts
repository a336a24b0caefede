import { NodeHttpClient } from "@effect/platform-node"
import { CircuitBreaker, CircuitStore, TripRule, withBreaker } from "@reclose/core"
import { HttpBreaker, HttpOutcome } from "@reclose/http"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { endWithUs } from "../../../packages/core/test/processes/endWithUs.ts"
import { effectLoop } from "../loops.ts"
import type { Task } from "../measure.ts"
import type { Row } from "../rows.ts"
import { Tally } from "../subjects/work.ts"

/** The URL of a server in a process of its own, so that what is timed is the client's work and the way. */
const server: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.callback<readonly [string, () => void]>((resume) => {
    const script = fileURLToPath(new URL("serverChild.ts", import.meta.url))
    const child = endWithUs(spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] }))
    child.stdout.once(
      "data",
      (port) => resume(Effect.succeed([`http://127.0.0.1:${String(port).trim()}/latest`, () => child.kill()]))
    )
  }),
  ([, stop]) => Effect.sync(stop)
).pipe(Effect.map(([url]) => url))

/** That of the other rows. */
const tripRule = TripRule.failureRate({ threshold: 0.5, window: 100, minimumCalls: 20 })

type Get<E, R> = Effect.Effect<Effect.Success<ReturnType<typeof HttpClient.get>>, E, R>

/** Requests over loopback, one after the other, each with its body read. */
export const makeHttpTasks: Effect.Effect<ReadonlyArray<Task>, unknown, Scope.Scope> = Effect.gen(function*() {
  const url = yield* server
  const layer = Layer.merge(
    NodeHttpClient.layerUndici,
    CircuitBreaker.layer({ tripRule }).pipe(Layer.provide(CircuitStore.layerMemory))
  )
  const context = yield* Layer.build(layer)
  const client = yield* Effect.provide(HttpClient.HttpClient, context)
  const guarded = yield* Effect.provide(HttpBreaker.make(client), context)
  const clock = yield* Clock.Clock
  const classify = (exit: Parameters<HttpOutcome.Classify>[0]) =>
    HttpOutcome.classify(exit, clock.currentTimeMillisUnsafe())

  const task = <E>(name: string, get: Get<E, CircuitBreaker>): Task => {
    const tally = new Tally()
    const read = Effect.flatMap(get, (response) =>
      Effect.map(response.text, (text) => {
        if (text.endsWith("42}")) tally.prove()
      }))
    return { name, proofs: tally.proofs, run: effectLoop(context, () => read), unit: 10 }
  }
  return [
    task("http.request.bare", client.get(url)),
    task("http.request.reclose", guarded.get(url)),
    // Judged by its headers alone, without limits: what the breaker itself is of it.
    task("http.request.headersOnly", client.get(url).pipe(withBreaker({ key: "quotes", classify })))
  ]
})

export const httpRows: ReadonlyArray<Row> = [
  { name: "http.request.vsBare", numerator: "http.request.reclose", denominator: "http.request.bare", target: 1.05 }
]

/** Nobody promised these. */
export const httpSideRows: ReadonlyArray<Omit<Row, "target" | "aim">> = [
  { name: "http.headersOnly.vsBare", numerator: "http.request.headersOnly", denominator: "http.request.bare" }
]
