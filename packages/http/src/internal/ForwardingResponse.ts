/** A response in front of another one, for those that differ in how their body is read. */
import type * as Effect from "effect/Effect"
import type { HttpClientError } from "effect/http/HttpClientError"
import { type HttpClientResponse, TypeId } from "effect/http/HttpClientResponse"
import { TypeId as MessageTypeId } from "effect/http/HttpIncomingMessage"
import { NodeInspectSymbol } from "effect/Inspectable"
import { pipeArguments } from "effect/Pipeable"
import type * as Stream from "effect/Stream"
import { trustedHeaders } from "./staleMark.ts"

export abstract class ForwardingResponse implements HttpClientResponse {
  readonly [TypeId]: typeof TypeId = TypeId
  readonly [MessageTypeId]: typeof MessageTypeId = MessageTypeId
  protected readonly original: HttpClientResponse

  constructor(original: HttpClientResponse) {
    this.original = original
  }

  get source(): HttpClientResponse {
    return sourceOf(this.original)
  }

  /** Reads a body at once, in any form. */
  protected abstract whole<A>(read: Effect.Effect<A, HttpClientError>): Effect.Effect<A, HttpClientError>

  /** Reads a body piece by piece. */
  abstract get stream(): Stream.Stream<Uint8Array, HttpClientError>

  get text() {
    return this.whole(this.original.text)
  }

  get json() {
    return this.whole(this.original.json)
  }

  get urlParamsBody() {
    return this.whole(this.original.urlParamsBody)
  }

  get formData() {
    return this.whole(this.original.formData)
  }

  get arrayBuffer() {
    return this.whole(this.original.arrayBuffer)
  }

  get request() {
    return this.original.request
  }

  get url() {
    return this.original.url
  }

  get status() {
    return this.original.status
  }

  get headers() {
    return trustedHeaders(this.original)
  }

  get cookies() {
    return this.original.cookies
  }

  get remoteAddress() {
    return this.original.remoteAddress
  }

  /** A connection that is handed over is no answer any more. */
  get upgrade() {
    return this.original.upgrade
  }

  toJSON() {
    return this.original.toJSON()
  }

  [NodeInspectSymbol]() {
    return this.original[NodeInspectSymbol]()
  }

  toString() {
    return this.original.toString()
  }

  pipe() {
    return pipeArguments(this, arguments)
  }
}

/** Returns the response that a client made, from below those in front of it. */
export const sourceOf = (response: HttpClientResponse): HttpClientResponse =>
  response instanceof ForwardingResponse ? response.source : response
