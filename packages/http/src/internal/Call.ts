/**
 * One request, from its admission to the end of its body: for the breaker it is one call with one outcome.
 *
 * The guarded effect runs on a fiber of its own, because a caller has its response, and goes on, before the call is over.
 * The fiber sends the request, hands the response over, and waits for whoever reads the body to say how that ended.
 */
import * as Outcome from "@reclose/core/Outcome"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { DecodeError, HttpClientError, isHttpClientError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import { type Classify, isWhole } from "../HttpOutcome.ts"
import { exceeded, type TimeLimit, type TimeLimitExceeded } from "../TimeLimits.ts"
import { Waiting } from "./Deadlines.ts"
import { GuardedResponse } from "./GuardedResponse.ts"
import type { Limit, Limits } from "./Limits.ts"

/** What the calls of a client have in common. */
export interface Calls {
  readonly limits: Limits
  readonly clock: Clock.Clock
  readonly classify: Classify
  readonly classifyBody: ((response: HttpClientResponse, body: string) => Outcome.Outcome) | undefined
  readonly settleOn: "headers" | "body"
}

export class Call extends Waiting<Limit> {
  private readonly calls: Calls
  private readonly request: HttpClientRequest
  /** What waits for the dependency at present: the sending of the request, or the reading of its body. */
  private waiter: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** Why the waiter was interrupted. */
  private late: TimeLimitExceeded | undefined = undefined
  private isSending = true
  /** Ends the fiber's wait for the end of the body. Undefined: the call is not that far, or over. */
  private resume: ((exit: Exit.Exit<HttpClientResponse>) => void) | undefined = undefined
  private total: TotalTime | undefined = undefined
  private outcome: Outcome.Outcome = Outcome.ignored
  /** Of the response, once it is there. */
  private status: number | undefined = undefined
  private defect: { readonly value: unknown } | undefined = undefined

  constructor(calls: Calls, request: HttpClientRequest) {
    super()
    this.calls = calls
    this.request = request
  }

  /** The fiber of the call. It is uninterruptible: what can be interrupted is the sending. */
  start(fiber: Fiber.Fiber<unknown, unknown>): void {
    if (this.isSending) this.waiter = fiber
  }

  /** The call itself, for the breaker to admit. */
  run<E, R>(
    send: Effect.Effect<HttpClientResponse, E, R>,
    deliver: (response: Exit.Exit<HttpClientResponse>) => void
  ): Effect.Effect<HttpClientResponse, E | TimeLimitExceeded, R> {
    return Effect.suspend(() => {
      const { limits } = this.calls
      limits.headers?.begin(this)
      if (limits.call !== undefined) limits.call.begin(this.total = new TotalTime(this))
      return Effect.matchCauseEffect(Effect.interruptible(send), {
        onFailure: (cause): Exit.Exit<never, E | TimeLimitExceeded> => {
          this.sent()
          this.over()
          const exit = this.late === undefined ? Exit.failCause(cause) : Exit.fail(this.late)
          this.judge(exit)
          return exit
        },
        onSuccess: (response) => {
          this.sent()
          this.status = response.status
          const guarded = new GuardedResponse(response, this)
          if (!this.judge(Exit.succeed(response)) || this.calls.settleOn === "headers" || isBodiless(response)) {
            this.over()
            return Exit.succeed(guarded)
          }
          // Handed over only when the end of the body can be told: a reader may be quick.
          return Effect.callback<HttpClientResponse>((resume) => {
            this.resume = resume
            limits.unread.begin(this)
            deliver(Exit.succeed(guarded))
          })
        }
      })
    })
  }

  /** How the call is judged, for the breaker; what a classifier threw is for the breaker to tell. */
  readonly verdict = (): Outcome.Outcome => {
    if (this.defect !== undefined) throw this.defect.value
    return this.outcome
  }

  /** How the call is judged for the circuit of its credential: by nothing but whether that was refused. */
  credentialVerdict(refusing: ReadonlySet<number>): Outcome.Outcome {
    if (this.status === undefined || this.status >= 500) return Outcome.ignored
    return refusing.has(this.status) ? Outcome.failure() : Outcome.success
  }

  /** Whether the end of the body is still to come. */
  get isOpen(): boolean {
    return this.resume !== undefined
  }

  expire(limit: Limit): void {
    // Nobody waits for the dependency at present, so it is not late.
    if (this.waiter === undefined || limit === "unread") return this.end(Exit.void)
    this.late = this.exceeded(limit)
    this.waiter.interruptUnsafe()
  }

  /** Ends without a word about the dependency: there is nobody left to watch the time. */
  abandon(): void {
    this.waiter?.interruptUnsafe()
    this.end(Exit.interrupt())
  }

  /** The body ended, or whoever read it did. The first word about it counts. */
  end(exit: Exit.Exit<unknown, unknown>): void {
    if (this.resume === undefined) return
    if (exit._tag === "Failure") {
      const error = exit.cause.reasons.find(Cause.isFailReason)?.error
      if (!isHttpClientError(error) || !isWhole(error)) this.judge(Exit.failCause(exit.cause))
    }
    this.settle(exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause) ? exit : Exit.void)
  }

  /** Reads a body at once. */
  whole<A>(read: Effect.Effect<A, HttpClientError>, response: HttpClientResponse): Effect.Effect<A, HttpClientError> {
    const { classifyBody } = this.calls
    const reading = this.await(read, "body", response, (exit) => this.end(exit))
    if (classifyBody === undefined) return reading
    const inspected = this.await(response.text, "body", response, (exit) => {
      if (exit._tag === "Success") this.attempt(() => classifyBody(response, exit.value))
      this.end(exit)
    })
    // Clients keep a body that was read at once, so it can be read again.
    return Effect.suspend(() => this.isOpen ? Effect.flatMap(inspected, () => reading) : reading)
  }

  /** Waits for the dependency within a limit. */
  await<A, E>(
    read: Effect.Effect<A, E>,
    limit: "body" | "bodyIdle",
    response: HttpClientResponse,
    onExit: (exit: Exit.Exit<A, E | HttpClientError>) => void
  ): Effect.Effect<A, E | HttpClientError> {
    return Effect.withFiber((reader) =>
      Effect.callback((resume) => {
        const fiber = Effect.runForkWith(reader.context)(read)
        this.waiter = fiber
        this.late = undefined
        // Somebody reads, so the call is no longer unread; that ends here even where reading has no limit.
        this.deadlines?.end(this)
        this.calls.limits[limit]?.begin(this)
        fiber.addObserver((ended) => {
          this.deadlines?.end(this)
          this.waiter = undefined
          const exit = this.late === undefined ? ended : Exit.fail(this.decodeError(response, this.late))
          onExit(exit)
          resume(exit)
        })
        return Fiber.interrupt(fiber)
      })
    )
  }

  /** The reader does something else; if for long, the call ends as it stands. */
  pause(): void {
    if (this.isOpen) this.calls.limits.unread.begin(this)
  }

  now(): number {
    return this.calls.limits.unread.now()
  }

  /** The error of a reader that has waited for longer than `body` in all; undefined if it has not. */
  tooLate(waited: number, response: HttpClientResponse): HttpClientError | undefined {
    const { body } = this.calls.limits
    return body === undefined || waited < body.millis ? undefined : this.decodeError(response, this.exceeded("body"))
  }

  private exceeded(limit: TimeLimit): TimeLimitExceeded {
    return exceeded(this.request, limit, this.calls.limits[limit]?.millis ?? 0)
  }

  private decodeError(response: HttpClientResponse, cause: TimeLimitExceeded): HttpClientError {
    const { request } = this
    return new HttpClientError({ reason: new DecodeError({ request, response, cause, description: cause.message }) })
  }

  /** Has an end judged; tells whether it is a success so far. */
  private judge(exit: Exit.Exit<HttpClientResponse, unknown>): boolean {
    this.attempt(() => this.calls.classify(exit, this.calls.clock.currentTimeMillisUnsafe()))
    return this.defect === undefined && this.outcome._tag === "Success"
  }

  private attempt(classify: () => Outcome.Outcome): void {
    try {
      this.outcome = classify()
    } catch (value) {
      this.defect = { value }
    }
  }

  private settle(exit: Exit.Exit<unknown, unknown>): void {
    const { resume } = this
    this.resume = undefined
    this.over()
    // The response was handed over before, so nobody hears what the fiber answers; the breaker asks for the verdict.
    resume?.(exit as Exit.Exit<HttpClientResponse>)
  }

  private sent(): void {
    this.isSending = false
    this.waiter = undefined
  }

  private over(): void {
    this.deadlines?.end(this)
    this.total?.deadlines?.end(this.total)
  }
}

/** The wait for all of a call, beside the one for its parts. */
class TotalTime extends Waiting<Limit> {
  private readonly call: Call

  constructor(call: Call) {
    super()
    this.call = call
  }

  expire(limit: Limit): void {
    this.call.expire(limit)
  }

  abandon(): void {
    this.call.abandon()
  }
}

/** Redirects have bodies that nobody reads. */
const isBodiless = ({ request, status }: HttpClientResponse): boolean =>
  status < 200 || status === 204 || status === 205 || status >= 300 || request.method === "HEAD"
