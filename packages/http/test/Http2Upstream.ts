/** A dependency on loopback that speaks HTTP/2 alone, and fails in the ways that only it has. */
import { Effect, type Scope } from "effect"
import * as Http2 from "node:http2"
import type { AddressInfo } from "node:net"
import { trusted } from "./Certificate.ts"

type Stream = Http2.ServerHttp2Stream

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_REFUSED_STREAM } = Http2.constants

export interface Http2Upstream {
  readonly url: (path: string) => string
  /** The paths that were asked for. */
  readonly requests: Array<string>
  /** Connections that are open at present, and all that ever were. */
  readonly sessions: Set<Http2.ServerHttp2Session>
  connections: number
  /** Streams that are open at present, by the path that they ask for. */
  readonly streams: Map<string, Stream>
  /** How many streams were reset by who had opened them. */
  aborted: number
}

const begin = (stream: Stream, headers: Http2.OutgoingHttpHeaders = {}) => {
  stream.respond({ ":status": 200, ...headers })
  stream.write("begin")
}

export const answer = (stream: Stream): void => {
  stream.respond({ ":status": 200 })
  stream.end("whole")
}

const later = (stream: Stream, run: () => void) => {
  const timer = setTimeout(run, 20)
  stream.on("close", () => clearTimeout(timer))
}

/** What each path answers. */
const answers: Record<string, (stream: Stream) => void> = {
  "/ok": answer,
  // Reads the request's body, from a while later on, before it answers.
  "/upload": (stream) => {
    const timer = setTimeout(() => stream.on("end", () => answer(stream)).resume(), 700)
    stream.on("close", () => clearTimeout(timer))
  },
  // Never answers.
  "/hang": () => {},
  "/hang-body": begin,
  "/events": (stream) => begin(stream, { "content-type": "text/event-stream" }),
  "/reset": (stream) => stream.close(NGHTTP2_INTERNAL_ERROR),
  // Says that it has not even begun.
  "/refused": (stream) => stream.close(NGHTTP2_REFUSED_STREAM),
  "/reset-length": (stream) => {
    begin(stream, { "content-length": "100" })
    later(stream, () => stream.close(NGHTTP2_INTERNAL_ERROR))
  },
  "/reset-body": (stream) => {
    begin(stream)
    later(stream, () => stream.close(NGHTTP2_INTERNAL_ERROR))
  },
  // The whole connection, without a word.
  "/dead": (stream) => stream.session?.destroy(),
  "/dead-body": (stream) => {
    begin(stream)
    later(stream, () => stream.session?.destroy())
  },
  // With one: GOAWAY.
  "/goaway": (stream) => stream.session?.goaway(NGHTTP2_ENHANCE_YOUR_CALM),
  "/goaway-body": (stream) => {
    begin(stream)
    later(stream, () => stream.session?.goaway(NGHTTP2_ENHANCE_YOUR_CALM))
  },
  // It takes no more requests on this connection, and finishes those that are under way.
  "/leaving": (stream) => {
    stream.session?.close()
    later(stream, () => answer(stream))
  }
}

/** An upstream for as long as the scope, with a certificate that is trusted for as long. */
export const makeHttp2Upstream: Effect.Effect<Http2Upstream, never, Scope.Scope> = Effect.flatMap(
  trusted(),
  (certificate) =>
    Effect.acquireRelease(
      Effect.callback<readonly [Http2Upstream, Http2.Http2SecureServer]>((resume) => {
        const server = Http2.createSecureServer(certificate)
        let port = 0
        const upstream: Http2Upstream = {
          url: (path) => `https://127.0.0.1:${port}${path}`,
          requests: [],
          sessions: new Set(),
          connections: 0,
          streams: new Map(),
          aborted: 0
        }
        server.on("session", (session) => {
          upstream.connections++
          upstream.sessions.add(session)
          session.on("error", () => {}).on("close", () => upstream.sessions.delete(session))
        })
        server.on("stream", (stream, headers) => {
          const path = headers[":path"] ?? ""
          upstream.requests.push(path)
          upstream.streams.set(path, stream)
          stream.on("aborted", () => upstream.aborted++)
          stream.on("error", () => {}).on("close", () => upstream.streams.delete(path))
          answers[path]?.(stream)
        })
        server.listen(0, "127.0.0.1", () => {
          // An address of TCP, which is what was asked for.
          port = (server.address() as AddressInfo).port
          resume(Effect.succeed([upstream, server]))
        })
      }),
      ([upstream, server]) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const session of upstream.sessions) session.destroy()
        })
    )
).pipe(Effect.map(([upstream]) => upstream))
