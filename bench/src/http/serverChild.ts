/** A server that answers every request with a short JSON, in a process of its own; prints its port. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const server = createServer((_, response) => {
  response.setHeader("content-type", "application/json")
  response.end(`{"symbol":"ACME","price":42}`)
})

server.listen(0, "127.0.0.1", () => {
  // Listening on TCP, as was asked for.
  console.log((server.address() as AddressInfo).port)
})

// Ends with whoever started it.
process.stdin.on("end", () => process.exit(0)).resume()
