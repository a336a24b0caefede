/**
 * The whole demo, as a person starts it, on a pipe.
 */
import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, FileSystem, Stream } from "effect"
import { HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { ChildProcess } from "effect/process"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const start = (...args: ReadonlyArray<string>) => ChildProcess.make(process.execPath, [main, ...args])

/** Runs the demo to its end. */
const play = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const child = yield* start(...args)
  const output = yield* child.all.pipe(Stream.decodeText(), Stream.mkString)
  return { output, code: yield* child.exitCode }
})

/** The two numbers of a row of the summary. */
const sides = (output: string, label: string): ReadonlyArray<number> => {
  const row = new RegExp(`^ ${label} +([\\d.]+)(?: s)? +([\\d.]+)(?: s)?$`, "m").exec(output)
  assert.isNotNull(row, `no row "${label}" in:\n${output}`)
  return row.slice(1).map(Number)
}

layer(NodeServices.layer, { excludeTestServices: true })("the demo", (it) => {
  describe.concurrent("with its script", () => {
    it.effect("opens, says why, recovers, and compares, in plain lines", () =>
      Effect.gen(function*() {
        const { code, output } = yield* play("--speed", "3", "--only", "servers")
        assert.strictEqual(code, 0, output)
        assert.notInclude(output, "\u001b")
        assert.match(output, /quotes: the upstream is failing/)
        assert.match(output, /quotes: OPEN for [\d.]+ s: \d+ of \d+ calls (failed|were slow) \(\d+ %, opens at 50 %\)/)
        assert.match(output, /quotes: CLOSED: its probes succeeded/)
        assert.match(output, /with Reclose +without/)
        const [guarded = 0, unguarded = 0] = sides(output, "calls")
        assert.isAbove(guarded, 0)
        assert.strictEqual(guarded, unguarded)
        const [bore = 0, boreUnguarded = 0] = sides(output, "requests that a sick upstream had to bear")
        assert.isBelow(bore, boreUnguarded)
        const [rejected = 0, rejectedUnguarded] = sides(output, "rejected at once")
        assert.strictEqual(rejectedUnguarded, 0)
        // The circuits have counted what the callers have seen.
        const circuits = [...output.matchAll(/^ (?:quotes|orders) .*let through (\d+) .*rejected (\d+)/gm)]
        assert.lengthOf(circuits, 2)
        const counted = (column: number) => circuits.reduce((sum, circuit) => sum + Number(circuit[column]), 0)
        assert.strictEqual(counted(1), guarded - rejected)
        assert.strictEqual(counted(2), rejected)
      }).pipe(Effect.scoped), 60_000)

    it.effect("goes through the worker's day, in which nothing is lost", () =>
      Effect.gen(function*() {
        const { code, output } = yield* play("--only", "worker")
        assert.strictEqual(code, 0, output)
        assert.notMatch(output, /with Reclose/)
        assert.match(output, /circuit of quotes: OPEN, its calls fail/)
        assert.match(output, /containers die/)
        assert.match(output, /circuit of quotes: OPEN, another container says so/)
        assert.match(output, /circuit of quotes: CLOSED, its probe succeeded/)
        const [, sent, done, left, dead] =
          /(\d+) jobs in [\d.]+ s: (\d+) done, (\d+) left, (\d+) among the dead letters/.exec(output) ?? []
        assert.strictEqual(sent, done)
        assert.deepStrictEqual([left, dead], ["0", "0"])
        const [, handedOut, wasted] = /(\d+) jobs for it were handed out and (\d+) of them sent/.exec(output) ?? []
        assert.isBelow(Number(wasted), Number(handedOut))
        assert.notMatch(output, /circuit of orders/)
      }).pipe(Effect.scoped), 60_000)

    it.effect("ends with the summary when it is interrupted", () =>
      Effect.gen(function*() {
        const child = yield* start()
        // Once: who is interrupted again while ending ends at once.
        const interrupt = yield* Effect.cached(child.kill({ killSignal: "SIGINT" }))
        const output = yield* child.all.pipe(
          Stream.decodeText(),
          // The introduction is out, so the run is on.
          Stream.tap((text) => text.includes("upstream") ? Effect.forkChild(interrupt) : Effect.void),
          Stream.mkString
        )
        assert.match(output, /with Reclose +without/)
        assert.strictEqual(yield* child.exitCode, 130)
      }).pipe(Effect.scoped), 60_000)
  })

  describe.concurrent("with requests of one's own", () => {
    const upstream = Effect.gen(function*() {
      const server = yield* NodeHttpServer.make(() => createServer(), { host: "127.0.0.1", port: 0 })
      const received: Array<string> = []
      yield* server.serve(Effect.gen(function*() {
        const { method, url } = yield* HttpServerRequest.HttpServerRequest
        received.push(`${method} ${url}`)
        return HttpServerResponse.empty({ status: url === "/sick" ? 503 : url === "/wrong" ? 404 : 200 })
      }))
      return { url: HttpServer.formatAddress(server.address), received }
    })

    const file = Effect.fnUntraced(function*(lines: ReadonlyArray<string>) {
      const files = yield* FileSystem.FileSystem
      const path = yield* files.makeTempFileScoped({ suffix: ".jsonl" })
      yield* files.writeFileString(path, lines.join("\n"))
      return path
    })

    it.effect("replays them, names the bad lines, and opens what is sick", () =>
      Effect.gen(function*() {
        const { received, url } = yield* upstream
        const line = (path: string, more: object) => JSON.stringify({ url: `${url}${path}`, ...more })
        const sick = Array.from({ length: 30 }, (_, nth) => line("/sick", { key: "sick", at: nth * 60 }))
        const wrong = Array.from({ length: 20 }, (_, nth) => line("/wrong", { key: "wrong", at: nth * 60 }))
        const path = yield* file([
          "{oops",
          ...sick,
          ...wrong,
          line("/well", { at: 1, method: "POST", body: { a: 1 } }),
          line("/well", { at: "soon" })
        ])
        const { code, output } = yield* play("--requests", path)
        assert.strictEqual(code, 0, output)
        assert.match(output, /line 1: is no JSON/)
        assert.match(output, /line 53: at: /)
        assert.match(output, /sick: OPEN for 1\.0 s: \d+ of \d+ calls failed/)
        assert.match(output, new RegExp(`${url} +● CLOSED +let through 1 `))
        // What is the request's own fault says nothing against the upstream.
        assert.match(output, /wrong +● CLOSED +let through 20 +failed 0 +rejected 0/)
        assert.match(output, /^ calls +51$/m)
        assert.notInclude(output, "without")
        assert.strictEqual(received.filter((request) => request === "GET /wrong").length, 20)
        assert.strictEqual(received.filter((request) => request === "POST /well").length, 1)
        assert.isBelow(received.filter((request) => request === "GET /sick").length, 30)
      }).pipe(Effect.scoped), 60_000)

    it.effect("sends them twice to compare", () =>
      Effect.gen(function*() {
        const { received, url } = yield* upstream
        const path = yield* file(Array.from({ length: 5 }, (_, at) => JSON.stringify({ url: `${url}/well`, at })))
        const { code, output } = yield* play("--requests", path, "--compare")
        assert.strictEqual(code, 0, output)
        assert.deepStrictEqual(sides(output, "answered"), [5, 5])
        assert.lengthOf(received, 10)
      }).pipe(Effect.scoped), 60_000)

    it.effect("takes a policy from a file", () =>
      Effect.gen(function*() {
        const { url } = yield* upstream
        const path = yield* file(
          Array.from({ length: 4 }, (_, nth) => JSON.stringify({ url: `${url}/sick`, at: nth * 50 }))
        )
        const policy = yield* file([`{ "tripRule": { "_tag": "Consecutive", "failures": 2 } }`])
        const { output } = yield* play("--requests", path, "--policy", policy)
        assert.match(output, /OPEN for 30\.0 s: 2 failures in a row \(opens at 2\)/)
      }).pipe(Effect.scoped), 60_000)

    it.effect("fails with what is wrong", () =>
      Effect.gen(function*() {
        const empty = yield* play("--requests", yield* file(["{oops"]))
        assert.strictEqual(empty.code, 1)
        assert.match(empty.output, /no request in the file[^]*line 1: is no JSON/)
        const missing = yield* play("--requests", `${main}.jsonl`)
        assert.strictEqual(missing.code, 1)
        assert.match(missing.output, /main\.ts\.jsonl/)
        const policy = yield* play("--policy", yield* file([`{ "opneDuration": 1 }`]))
        assert.strictEqual(policy.code, 1)
        assert.match(policy.output, /holds no policy: Unknown option "opneDuration"\. Did you mean "openDuration"\?/)
      }).pipe(Effect.scoped), 60_000)
  })
})
