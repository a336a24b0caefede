/** A port of loopback that nobody listens on, as the system picks it. */
import { Effect } from "effect"
import { once } from "node:events"
import { createServer } from "node:net"

export const freePort = Effect.promise(async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  if (address === null || typeof address === "string") throw new Error("a socket of TCP has a port")
  return address.port
})
