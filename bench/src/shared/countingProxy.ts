import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import { Agent, createServer, request } from "node:http"

/** Stands before a server of HTTP on this machine and counts what it is asked. */
export interface CountingProxy {
  readonly port: number
  readonly requests: () => number
}

export const countingProxy = (target: number): Effect.Effect<CountingProxy, never, Scope.Scope> =>
  Effect.gen(function*() {
    let requests = 0
    const agent = new Agent({ keepAlive: true })
    const server = createServer((asked, answer) => {
      requests++
      const { headers, method, url } = asked
      const passedOn = request({ agent, port: target, host: "127.0.0.1", method, path: url, headers }, (answered) => {
        answer.writeHead(answered.statusCode ?? 502, answered.headers)
        answered.pipe(answer)
      })
      passedOn.on("error", () => answer.destroy())
      asked.pipe(passedOn)
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
      () =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
          agent.destroy()
        })
    )
    const address = server.address()
    if (address === null || typeof address === "string") return yield* Effect.die("a socket of TCP has a port")
    return { port: address.port, requests: () => requests }
  })
