/**
 * The sending of a request's body: when the wait for the response's headers begins.
 *
 * No client reports when its socket has sent the last byte. A stream's pieces are seen when the client takes them; of a body
 * in memory only the size is known. So every byte is given the time that it takes at `bytesPerSecond`, and the wait for the
 * headers begins after that.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as HttpBody from "effect/http/HttpBody"
import { type HttpClientRequest, makeWith } from "effect/http/HttpClientRequest"
import * as Stream from "effect/Stream"
import type { Waiting } from "./Deadlines.ts"
import type { Limit, Limits } from "./Limits.ts"

/** The slowest connection on which an upload has its time: 1 Mbit/s. */
const bytesPerSecond = 131_072

/** What buffers of both sides may hold of a stream at most, in bytes: more of it has been read by the dependency. */
const maxBuffered = 8_388_608

/** A body that is shorter needs no time of its own, in bytes. */
const negligible = 65_536

export class Upload {
  private readonly call: Waiting<Limit>
  private readonly clock: Clock.Clock
  private readonly limits: Limits
  /** That of the call around this one, if any. */
  private readonly outer: Upload | undefined
  /** When what the client took so far has been sent, in milliseconds of the clock's monotonic time. */
  private sentAt = 0
  private timer: Fiber.Fiber<void> | undefined
  private isOver = false
  /** Whether the client waits for the body's own stream. */
  isProducing = false
  /** Why the body's own stream failed. */
  failure: Cause.Cause<unknown> | undefined = undefined

  constructor(
    call: Waiting<Limit>,
    clock: Clock.Clock,
    limits: Limits,
    outer: Upload | undefined
  ) {
    this.call = call
    this.clock = clock
    this.limits = limits
    this.outer = outer
  }

  start({ body }: HttpClientRequest): void {
    this.limits.uploads.add(this.call)
    this.addSize(body._tag === "Stream" ? 0 : sizeOf(body), Infinity)
  }

  /** The client waits for the next piece: this is not the dependency's time. */
  pull(): void {
    this.outer?.pull()
    this.isProducing = true
    if (!this.isOver) this.limits.headers?.end(this.call)
  }

  /** The client took a piece. */
  take(bytes: number): void {
    this.outer?.take(bytes)
    this.isProducing = false
    this.addSize(bytes, maxBuffered)
  }

  /** The body's own stream failed, or was interrupted. */
  fail(cause: Cause.Cause<unknown>): void {
    this.outer?.fail(cause)
    this.isProducing = false
    if (!this.isOver && !Cause.hasInterruptsOnly(cause)) this.failure = cause
  }

  /** The response is there, or the call is over. */
  end(): void {
    this.isOver = true
    this.limits.uploads.delete(this.call)
    this.timer?.interruptUnsafe()
  }

  private now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
  }

  /** Begins the wait for the headers when this has been sent, too. */
  private addSize(bytes: number, most: number): void {
    const { headers } = this.limits
    if (this.isOver || headers === undefined) return
    const now = this.now()
    this.sentAt = Math.min(Math.max(this.sentAt, now) + millisOf(bytes), now + millisOf(most))
    if (this.sentAt - now <= millisOf(negligible)) headers.begin(this.call)
    else this.timer ??= Effect.runFork(this.wait(this.sentAt - now))
  }

  private wait(millis: number): Effect.Effect<void> {
    this.limits.headers?.end(this.call)
    return Effect.flatMap(this.clock.sleep(Duration.millis(millis)), () => {
      const left = this.sentAt - this.now()
      if (left >= 1) return this.wait(left)
      this.timer = undefined
      if (!this.isProducing && !this.isOver) this.limits.headers?.begin(this.call)
      return Effect.void
    })
  }
}

const millisOf = (bytes: number): number => bytes / bytesPerSecond * 1_000

/** Returns the size of a body in memory, in bytes. Approximate where the exact size needs the encoded body. */
const sizeOf = (body: HttpBody.HttpBody): number => {
  switch (body._tag) {
    case "Uint8Array":
      return body.contentLength
    case "FormData":
      return Array.from(body.formData).reduce((sum, [, value]) => sum + rawSize(value), 0)
    case "Raw":
      return body.contentLength ?? rawSize(body.body)
    default:
      return 0
  }
}

const rawSize = (raw: unknown): number => {
  if (typeof raw === "string") return raw.length
  if (raw instanceof ArrayBuffer || ArrayBuffer.isView(raw)) return raw.byteLength
  if (raw instanceof Blob) return raw.size
  if (raw instanceof FormData) return sizeOf(HttpBody.formData(raw))
  return raw instanceof URLSearchParams ? raw.toString().length : 0
}

/** The upload that observes the request body that a client sends. */
export const CurrentUpload = Context.Reference<Upload | undefined>("@reclose/http/CurrentUpload", {
  defaultValue: () => undefined
})

const observed = new WeakSet<HttpBody.HttpBody>()

/** Returns a request whose body's stream reports to the `CurrentUpload`, and any other request unchanged. */
export const observeBody = (request: HttpClientRequest): HttpClientRequest => {
  const { body, hash, headers, method, url, urlParams } = request
  const stream = observed.has(body) ? undefined : streamOf(body)
  if (stream === undefined) return request
  const { contentLength, contentType }: HttpBody.HttpBody.Proto = body
  const reporting = HttpBody.stream(observe(stream), contentType, contentLength)
  observed.add(reporting)
  return makeWith(method, url, urlParams, hash, headers, reporting)
}

/** Returns the stream of a body, also of a raw stream of the platform; undefined for a body in memory. */
const streamOf = (body: HttpBody.HttpBody): Stream.Stream<Uint8Array, unknown> | undefined => {
  if (body._tag === "Stream") return body.stream
  const raw = body._tag === "Raw" ? body.body : undefined
  if (raw instanceof ReadableStream) {
    // The client fails for pieces of another type.
    const readable: ReadableStream<string | Uint8Array> = raw
    return encoded(Stream.fromReadableStream({ evaluate: () => readable, onError: identity }))
  }
  return isAsyncIterable(raw) ? encoded(Stream.fromAsyncIterable(raw, identity)) : undefined
}

/** Such as a stream of Node. */
const isAsyncIterable = (raw: unknown): raw is AsyncIterable<string | Uint8Array> =>
  typeof raw === "object" && raw !== null && Symbol.asyncIterator in raw

const encoded = <E>(stream: Stream.Stream<string | Uint8Array, E>): Stream.Stream<Uint8Array, E> =>
  Stream.map(stream, (piece) => typeof piece === "string" ? new TextEncoder().encode(piece) : piece)

const observe = <A extends Uint8Array, E>(stream: Stream.Stream<A, E>): Stream.Stream<A, E> =>
  Stream.unwrap(Effect.contextWith((context: Context.Context<never>) => {
    const upload = Context.get(context, CurrentUpload)
    if (upload === undefined) return Effect.succeed(stream)
    return Effect.succeed(Stream.transformPull(stream, (pull) =>
      Effect.succeed(Effect.suspend(() => {
        upload.pull()
        return Effect.onExitPrimitive(pull, (exit) => {
          if (exit._tag === "Success") upload.take(exit.value.reduce((sum, { byteLength }) => sum + byteLength, 0))
          else if (isDone(exit.cause)) upload.take(0)
          else upload.fail(exit.cause)
          return undefined
        })
      }))))
  }))

const isDone = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => Cause.isFailReason(reason) && Cause.isDone(reason.error))
