/** A response whose body is kept when it has been read to its end. */
import * as Effect from "effect/Effect"
import type { HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"
import { ForwardingResponse } from "./ForwardingResponse.ts"

/** Keeps a body. No reader of the response holds these bytes. */
export type Keep = (body: Uint8Array) => Effect.Effect<void>

export class KeptResponse extends ForwardingResponse {
  private readonly maxBytes: number
  private readonly keep: Keep
  /** A body is there once: a client may report it as empty to a second reader that streams it. */
  private body: "unread" | "whole" | "kept" | "gone" = "unread"

  constructor(original: HttpClientResponse, maxBytes: number, keep: Keep) {
    super(original)
    this.maxBytes = maxBytes
    this.keep = keep
  }

  protected whole<A>(read: Effect.Effect<A, HttpClientError>): Effect.Effect<A, HttpClientError> {
    // Clients keep a body that was read at once. If one doesn't, there is nothing to be kept.
    const kept = Effect.flatMap(this.original.arrayBuffer, (buffer) => {
      if (buffer.byteLength > this.maxBytes) return Effect.void
      // A copy: callers get this very buffer, and may write to it or transfer it.
      return this.keep(new Uint8Array(buffer).slice())
    })
    return Effect.suspend(() => {
      if (this.body === "gone" || this.body === "kept") return read
      this.body = "whole"
      const gone = Effect.sync(() => void (this.body = "gone"))
      return Effect.tap(
        Effect.onInterrupt(read, () => gone),
        Effect.suspend(() => {
          // Another reader was quicker, and may have changed the bytes since.
          if (this.body !== "whole") return Effect.void
          this.body = "kept"
          return Effect.exit(kept)
        })
      )
    })
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError> {
    return Stream.suspend(() => {
      const isFirst = this.body === "unread"
      this.body = this.body === "kept" ? "kept" : "gone"
      if (!isFirst) return this.original.stream
      const chunks: Array<Uint8Array> = []
      let length = 0
      const noted = Stream.tap(this.original.stream, (chunk) =>
        Effect.sync(() => {
          length += chunk.length
          // A copy of each: the reader gets this very chunk. The `slice` of Node's buffers copies nothing.
          if (length <= this.maxBytes) chunks.push(new Uint8Array(chunk))
          else chunks.length = 0
        }))
      return Stream.concat(
        noted,
        Stream.fromEffectDrain(
          Effect.suspend(() => length > this.maxBytes ? Effect.void : this.keep(joined(chunks, length)))
        )
      )
    })
  }
}

const joined = (chunks: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  const body = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk, at)
    at += chunk.length
  }
  return body
}
