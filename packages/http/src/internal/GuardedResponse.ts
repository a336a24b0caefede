/** A response whose readers tell its call how the body ends. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { DecodeError, HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Call } from "./Call.ts"
import { ForwardingResponse } from "./ForwardingResponse.ts"

export class GuardedResponse extends ForwardingResponse {
  private readonly call: Call

  constructor(original: HttpClientResponse, call: Call) {
    super(original)
    this.call = call
  }

  /** Whether what is known of it by now speaks against the dependency. */
  get isFailure(): boolean {
    return this.call.isFailure
  }

  protected whole<A>(read: Effect.Effect<A, HttpClientError>): Effect.Effect<A, HttpClientError> {
    return this.call.whole(read, this.original)
  }

  /**
   * Read as bytes, and parsed after that: what is wrong with a form that is whole is not the dependency's, and clients read
   * a form in a way that takes the body from everybody else.
   */
  override get formData(): Effect.Effect<FormData, HttpClientError> {
    return Effect.flatMap(this.arrayBuffer, (bytes) =>
      Effect.tryPromise({
        try: () => new Response(bytes, { headers: { "content-type": this.headers["content-type"] ?? "" } }).formData(),
        catch: (cause) =>
          new HttpClientError({ reason: new DecodeError({ request: this.request, response: this, cause }) })
      }))
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError> {
    return Stream.suspend(() => {
      const { call, original } = this
      const limits = call.limitsOf(original)
      return Stream.transformPull(original.stream, (pull, scope) => {
        let waited = 0
        const isHeard = call.take()
        const end = (exit: Exit.Exit<unknown, unknown>) => isHeard ? call.end(exit) : call.pause()
        const next = Effect.suspend(() => {
          const since = call.now()
          const ended = (exit: Exit.Exit<unknown, unknown>) => {
            waited += call.now() - since
            if (exit._tag === "Failure") end(isDone(exit.cause) ? Exit.void : exit)
            else call.pause()
          }
          return call.await(pull, "bodyIdle", original, ended, limits, waited)
        })
        const bounded = Effect.flatMap(next, (chunk) => {
          const late = call.tooLate(waited, original, limits)
          if (late === undefined) {
            const settled = call.settleDelivering(limits)
            return settled === undefined ? Effect.succeed(chunk) : Effect.as(settled, chunk)
          }
          end(Exit.fail(late))
          return Effect.fail(late)
        })
        // Closed before its end: whoever read had enough, or was interrupted.
        const closed = (exit: Exit.Exit<unknown, unknown>) =>
          Effect.sync(() => end(exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause) ? exit : Exit.void))
        return Effect.as(Scope.addFinalizerExit(scope, closed), bounded)
      })
    })
  }
}

const isDone = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => Cause.isFailReason(reason) && Cause.isDone(reason.error))
