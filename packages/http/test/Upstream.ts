/** A dependency on loopback that fails in every way that one can. */
import { Effect, Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import { endWithUs } from "../../core/test/processes/endWithUs.ts"
import type { Certificate } from "./Certificate.ts"

export interface Upstream {
  readonly url: (path: string) => string
  /** `METHOD /path` of each request, in the order in which they came. */
  readonly requests: Array<string>
  readonly headers: Array<Http.IncomingHttpHeaders>
  /** Connections that are open at present, and all that ever were. */
  readonly sockets: Set<Net.Socket>
  connections: number
  /** Requests whose answers are not over: not sent yet, or not taken in by who asked. */
  underWay: number
  /** The greatest number of requests that were under way at once. */
  busiest: number
  /** What the next requests are answered with, whatever their path; empty: what the path says. */
  readonly next: Array<Answer>
  /** What every request is answered with, whatever its path. */
  always: Answer | undefined
  readonly port: number
}

export type Answer = (request: Http.IncomingMessage, response: Http.ServerResponse) => void

const later = (response: Http.ServerResponse, millis: number, run: () => void) => {
  const timer = setTimeout(run, millis)
  response.on("close", () => clearTimeout(timer))
}

export const status =
  (code: number, headers: Http.OutgoingHttpHeaders = {}, body = `{"status":${code}}`): Answer => (_, response) => {
    response.writeHead(code, { "content-type": "application/json", ...headers })
    response.end(body)
  }

/** Sends these bytes instead of a response, and closes the connection. */
export const raw = (text: string): Answer => (request) => {
  request.socket.end(text)
}

const number = (url: URL, name: string, otherwise: number) => Number(url.searchParams.get(name) ?? otherwise)

/** What each path answers. */
const answers: Record<string, (url: URL) => Answer> = {
  "/ok": () => status(200),
  "/status": (url) =>
    status(
      number(url, "code", 200),
      url.searchParams.has("after") ? { "retry-after": url.searchParams.get("after")! } : {}
    ),
  "/echo": () => (request, response) => {
    response.writeHead(200, { "content-type": "text/plain" })
    request.pipe(response)
  },
  "/slow": (url) => (request, response) =>
    later(response, number(url, "millis", 100), () => status(200)(request, response)),
  // Never answers.
  "/hang": () => () => {},
  // Answers, and is silent after that.
  "/hang-body": () => (_, response) => {
    response.writeHead(200, { "content-length": "100" })
    response.write("begin")
  },
  "/hang-chunked": () => (_, response) => {
    response.writeHead(200)
    response.write("begin")
  },
  // One byte after the other, with pauses.
  "/drip": (url) => (_, response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write("x"), number(url, "millis", 20))
    response.on("close", () => clearInterval(timer))
  },
  // Breaks off before the length that it promised, in chunks, and with a reset.
  "/truncated": () => raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegin"),
  "/truncated-chunk": () => raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n"),
  "/reset-body": () => (request, response) => {
    response.writeHead(200, { "content-length": "100" })
    response.write("begin", () => later(response, 20, () => request.socket.resetAndDestroy()))
  },
  "/reset": () => (request) => {
    request.socket.resetAndDestroy()
  },
  "/closed": () => (request) => {
    request.socket.destroy()
  },
  "/malformed": () => raw("HTTP/1.1 twohundred OK\r\n\r\n"),
  "/malformed-headers": () => raw("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"),
  "/no-http": () => raw("SSH-2.0-OpenSSH_9.6\r\n"),
  "/malformed-chunk": () => raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzzz\r\nbegin\r\n0\r\n\r\n"),
  "/no-json": () => status(200, {}, "<html>"),
  "/loop": () => status(302, { location: "/loop" }),
  "/moved": () => status(301, { location: "/ok" }),
  "/events": () => (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.write("data: 1\n\n")
  },
  "/large": (url) => (_, response) => {
    response.writeHead(200)
    response.end(Buffer.alloc(number(url, "bytes", 1_000_000), "x"))
  }
}

const answerOf = (request: Http.IncomingMessage): Answer => {
  const url = new URL(request.url ?? "/", "http://upstream")
  return answers[url.pathname]?.(url) ?? status(404)
}

/** An upstream for as long as the scope, on a port that is free; over TLS where it has a certificate. */
export const makeUpstream = (certificate?: Certificate): Effect.Effect<Upstream, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<readonly [Upstream, Http.Server | Https.Server]>((resume) => {
      const serve: Http.RequestListener = (request, response) => {
        upstream.requests.push(`${request.method} ${request.url}`)
        upstream.headers.push(request.headers)
        upstream.busiest = Math.max(upstream.busiest, ++upstream.underWay)
        let isOver = false
        const over = () => {
          if (!isOver) upstream.underWay--
          isOver = true
        }
        response.on("finish", over).on("close", over)
        const answer = upstream.next.shift() ?? upstream.always ?? answerOf(request)
        answer(request, response)
      }
      const options = { keepAliveTimeout: 60_000 }
      const server = certificate === undefined
        ? Http.createServer(options, serve)
        : Https.createServer({ ...options, ...certificate }, serve)
      const scheme = certificate === undefined ? "http" : "https"
      const upstream: Omit<Upstream, "port"> & { port: number } = {
        url: (path) => `${scheme}://127.0.0.1:${upstream.port}${path}`,
        requests: [],
        headers: [],
        sockets: new Set(),
        connections: 0,
        underWay: 0,
        busiest: 0,
        next: [],
        always: undefined,
        port: 0
      }
      server.on("connection", (socket) => {
        upstream.connections++
        upstream.sockets.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => upstream.sockets.delete(socket))
      })
      server.listen(0, "127.0.0.1", () => {
        // An address of TCP, which is what was asked for.
        upstream.port = (server.address() as Net.AddressInfo).port
        resume(Effect.succeed([upstream, server]))
      })
    }),
    ([upstream, server]) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of upstream.sockets) socket.destroy()
      })
  ).pipe(Effect.map(([upstream]) => upstream))

/** A port that refuses connections. */
export const refusingPort: Effect.Effect<number> = Effect.scoped(Effect.map(makeUpstream(), ({ port }) => port))

const connects = (port: number): Effect.Effect<boolean, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => Net.connect(port, "127.0.0.1").on("error", () => {})),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(
    Effect.flatMap((socket) =>
      Effect.callback<boolean>((resume) => void socket.on("connect", () => resume(Effect.succeed(true))))
    ),
    Effect.timeoutOrElse({ duration: "200 millis", orElse: () => Effect.succeed(false) })
  )

/**
 * A port whose connections are never accepted: the listener of a process that stands still, with a backlog that is full.
 * The kernel leaves whoever connects without an answer, as a broken network does.
 */
export const hungPort: Effect.Effect<number, never, Scope.Scope> = Effect.acquireRelease(
  Effect.callback<readonly [ChildProcess, number]>((resume) => {
    const script = `require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function() {
      console.log(this.address().port)
    })`
    const child = endWithUs(spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] }))
    child.stdout.once("data", (data) => {
      child.kill("SIGSTOP")
      resume(Effect.succeed([child, Number(data)]))
    })
  }),
  ([child]) => Effect.sync(() => child.kill("SIGKILL"))
).pipe(
  Effect.flatMap(([, port]) =>
    Effect.as(Effect.repeat(connects(port), { while: (connected) => connected, times: 20 }), port)
  )
)

/** A port that takes connections and says nothing on them, and the connections that it has at present. */
export const silentPort: Effect.Effect<
  { readonly port: number; readonly sockets: ReadonlySet<Net.Socket> },
  never,
  Scope.Scope
> = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly sockets: Set<Net.Socket>; readonly server: Net.Server }>(
    (resume) => {
      const sockets = new Set<Net.Socket>()
      const server = Net.createServer((socket) => {
        sockets.add(socket)
        // What it is told is read, or else the end of it would not be seen.
        socket.resume().on("error", () => {}).on("close", () => sockets.delete(socket))
      })
      server.listen(0, "127.0.0.1", () => {
        // An address of TCP, which is what was asked for.
        resume(Effect.succeed({ port: (server.address() as Net.AddressInfo).port, sockets, server }))
      })
    }
  ),
  ({ server, sockets }) =>
    Effect.sync(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
)

/** Waits until something holds, for a bounded time, in which a machine that is busy gets everything done. */
export const until = (holds: () => boolean): Effect.Effect<boolean> =>
  Effect.suspend(function wait(): Effect.Effect<boolean> {
    return holds() ? Effect.succeed(true) : Effect.flatMap(Effect.sleep("5 millis"), wait)
  }).pipe(Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.sync(holds) }))
