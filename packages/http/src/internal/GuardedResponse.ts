/** A response whose readers tell its call how the body ends. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type HttpClientResponse, TypeId } from "effect/http/HttpClientResponse"
import { TypeId as MessageTypeId } from "effect/http/HttpIncomingMessage"
import { NodeInspectSymbol } from "effect/Inspectable"
import { pipeArguments } from "effect/Pipeable"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Call } from "./Call.ts"

export class GuardedResponse implements HttpClientResponse {
  readonly [TypeId]: typeof TypeId = TypeId
  readonly [MessageTypeId]: typeof MessageTypeId = MessageTypeId
  private readonly original: HttpClientResponse
  private readonly call: Call

  constructor(original: HttpClientResponse, call: Call) {
    this.original = original
    this.call = call
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
    return this.original.headers
  }

  get cookies() {
    return this.original.cookies
  }

  get remoteAddress() {
    return this.original.remoteAddress
  }

  get text() {
    return this.call.whole(this.original.text, this.original)
  }

  get json() {
    return this.call.whole(this.original.json, this.original)
  }

  get urlParamsBody() {
    return this.call.whole(this.original.urlParamsBody, this.original)
  }

  get formData() {
    return this.call.whole(this.original.formData, this.original)
  }

  get arrayBuffer() {
    return this.call.whole(this.original.arrayBuffer, this.original)
  }

  /** A connection that is handed over is no answer any more. */
  get upgrade() {
    return this.original.upgrade
  }

  get stream() {
    return Stream.suspend(() => {
      const { call, original } = this
      // A stream of events has no end, and is silent for as long as nothing happens.
      if (original.headers["content-type"]?.startsWith("text/event-stream") === true) {
        call.end(Exit.void)
        return original.stream
      }
      return Stream.transformPull(original.stream, (pull, scope) => {
        let waited = 0
        const next = Effect.suspend(() => {
          const since = call.now()
          return call.await(pull, "bodyIdle", original, (exit) => {
            waited += call.now() - since
            if (exit._tag === "Failure") call.end(isDone(exit.cause) ? Exit.void : exit)
            else call.pause()
          })
        })
        const bounded = Effect.flatMap(next, (chunk) => {
          const late = call.tooLate(waited, original)
          if (late === undefined) return Effect.succeed(chunk)
          call.end(Exit.fail(late))
          return Effect.fail(late)
        })
        // Closed before its end: whoever read had enough, or was interrupted.
        const closed = (exit: Exit.Exit<unknown, unknown>) =>
          Effect.sync(() => call.end(exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause) ? exit : Exit.void))
        return Effect.as(Scope.addFinalizerExit(scope, closed), bounded)
      })
    })
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

const isDone = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => Cause.isFailReason(reason) && Cause.isDone(reason.error))
