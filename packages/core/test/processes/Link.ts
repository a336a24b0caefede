/** A way to a server that can be slow or broken: a proxy that passes on bytes, and knows nothing of what they mean. */
import { Effect, type Scope } from "effect"
import { connect, createServer, type Socket } from "node:net"
import { setTimeout } from "node:timers/promises"

export interface Link {
  readonly port: number
  /** Delays all that the server says from here on, in milliseconds. */
  readonly slow: (delay: number) => Effect.Effect<void>
  /** Resets every connection, and each new one until it is mended. */
  readonly cut: Effect.Effect<void>
  /** Passes everything on at once again, to connections that are made anew. */
  readonly mend: Effect.Effect<void>
}

/** Calls back with whatever clients send, for those who count. */
export const makeLink = (
  target: number,
  heard: (text: string) => void = () => {}
): Effect.Effect<Link, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Link & { readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      let delay = 0
      let isCut = false
      const reset = () => sockets.forEach((socket) => socket.resetAndDestroy())
      const join = (from: Socket, to: Socket, wait: () => number, hear: (chunk: Uint8Array) => void) => {
        sockets.add(from)
        from.setNoDelay(true)
        // What comes later must not overtake, also when the link becomes faster.
        let passed = Promise.resolve()
        from.on("data", (chunk) => {
          hear(chunk)
          const waited = wait() === 0 ? undefined : setTimeout(wait())
          passed = Promise.all([passed, waited]).then(() => {
            if (to.writable) to.write(chunk)
          })
        })
        from.on("error", () => to.destroy())
        from.on("close", () => {
          sockets.delete(from)
          to.destroy()
        })
      }
      const server = createServer((client) => {
        if (isCut) {
          client.resetAndDestroy()
          return
        }
        const upstream = connect(target, "127.0.0.1")
        join(client, upstream, () => 0, (chunk) => heard(Buffer.from(chunk).toString("latin1")))
        join(upstream, client, () => delay, () => {})
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed({
          port: typeof address === "object" && address !== null ? address.port : 0,
          slow: (millis) => Effect.sync(() => void (delay = millis)),
          cut: Effect.sync(() => {
            isCut = true
            reset()
          }),
          mend: Effect.sync(() => {
            isCut = false
            delay = 0
            reset()
          }),
          close: () => {
            server.close()
            reset()
          }
        }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
