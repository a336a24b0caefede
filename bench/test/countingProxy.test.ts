import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { once } from "node:events"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { countingProxy } from "../src/shared/countingProxy.ts"

/** Answers with what it was sent. */
const echo = Effect.acquireRelease(
  Effect.promise(async () => {
    const server = createServer((request, response) => {
      void text(request).then((body) => response.writeHead(201, { "x-target": request.headers["x-target"] }).end(body))
    })
    await once(server.listen(0, "127.0.0.1"), "listening")
    return server
  }),
  (server) => Effect.sync(() => server.close())
).pipe(Effect.map((server) => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}))

const post = (port: number, body: string) =>
  Effect.promise(async () => {
    const headers = { "x-target": "GetItem" }
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", headers, body })
    return [response.status, response.headers.get("x-target"), await response.text()]
  })

it.live("a counting proxy passes on what is asked and answered, and counts it", () =>
  Effect.gen(function*() {
    const proxy = yield* countingProxy(yield* echo)
    assert.strictEqual(proxy.requests(), 0)
    assert.deepStrictEqual(yield* post(proxy.port, "one"), [201, "GetItem", "one"])
    assert.deepStrictEqual(yield* post(proxy.port, "two"), [201, "GetItem", "two"])
    assert.strictEqual(proxy.requests(), 2)
  }))
