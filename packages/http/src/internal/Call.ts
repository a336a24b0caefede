/**
 * One request, from its admission to the end of its body: for the breaker it is one call with one outcome.
 *
 * The request is sent on a fiber of its own, since its time limits have to be able to end that without its caller. The call
 * goes on after that fiber and after its caller have what they wanted: whoever reads the body tells how it ends.
 */
import type { Admission } from "@reclose/core/Admission"
import * as Outcome from "@reclose/core/Outcome"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { DecodeError, EncodeError, HttpClientError, isHttpClientError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import { type Classify, isOfReader, ofCredential } from "../HttpOutcome.ts"
import { exceeded, type TimeLimit, type TimeLimitExceeded } from "../TimeLimits.ts"
import { decodedText } from "./contentCoding.ts"
import { Waiting } from "./Deadlines.ts"
import { answerOf, discard } from "./discard.ts"
import { GuardedResponse } from "./GuardedResponse.ts"
import type { BodyLimits, Limit, Limits } from "./Limits.ts"
import { CurrentUpload, Upload } from "./Upload.ts"
import { orDie } from "./userCode.ts"

/** What the calls of a client have in common. */
export interface Calls {
  readonly limits: Limits
  readonly clock: Clock.Clock
  readonly classify: Classify
  readonly classifyBody: ((response: HttpClientResponse, body: string) => Outcome.Outcome) | undefined
  readonly settleOn: "headers" | "body"
  readonly isHalfOpen: (key: string) => Effect.Effect<boolean>
}

/** Makes an effect interruptible again, where its surroundings were. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export class Call extends Waiting<Limit> {
  private readonly calls: Calls
  private readonly request: HttpClientRequest
  /** Of its circuit; undefined without one. */
  private readonly key: string | undefined
  /** Who has let it through, and hears how it ends. */
  private admission: Admission | undefined = undefined
  /** The sending of the request, while it waits for the dependency. */
  private sending: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private upload: Upload | undefined = undefined
  /** Why the sending was interrupted. */
  private late: TimeLimitExceeded | undefined = undefined
  /** Whether it was interrupted while the client waited for the stream of the request's body. */
  private isCallersDelay = false
  /** Who waits for the body at present. A response may be handed to several, so none of them may end another one's time. */
  private readonly readings = new Set<Reading>()
  private isSent = false
  private isTaken = false
  /** Whether the end of the body is still to come. */
  isOpen = false
  private total: TotalTime | undefined = undefined
  private outcome: Outcome.Outcome = Outcome.ignored
  /** Once it is there, also where the client takes it for an error. */
  private response: HttpClientResponse | undefined = undefined
  /** When the response was there. */
  private since = 0
  private defect: Cause.Cause<never> | undefined = undefined

  constructor(calls: Calls, request: HttpClientRequest, key: string | undefined) {
    super()
    this.calls = calls
    this.request = request
    this.key = key
  }

  /** Sends the request and waits for the response. */
  send<E, R>(
    send: Effect.Effect<HttpClientResponse, E, R>,
    context: Context.Context<R>,
    admission: Admission | undefined
  ): Effect.Effect<HttpClientResponse, E | TimeLimitExceeded> {
    return Effect.callback((resume) => {
      const { limits } = this.calls
      this.admission = admission
      this.isSent = true
      // A retry, or who has waited for a place: nobody would watch its time.
      if (limits.unread.isClosed) {
        this.release()
        return resume(Effect.interrupt)
      }
      if (limits.call !== undefined) limits.call.begin(this.total = new TotalTime(this))
      const fiber = Effect.runForkWith(this.observed(context))(send)
      this.sending = fiber
      fiber.addObserver((exit) => {
        const answered = orDie(() => this.answered(exit))
        // `answered` throws, for example, if a client returns no response. Releases what the call still holds.
        if (answered._tag === "Failure") this.admission?.release()
        resume(answered)
      })
      return Fiber.interrupt(fiber)
    })
  }

  /** The same for a call that may hold something, in a region that nothing interrupts but where it is restored. */
  sendHolding<E, R>(
    send: Effect.Effect<HttpClientResponse, E, R>,
    context: Context.Context<R>,
    admission: Admission,
    restore: Restore
  ): Effect.Effect<HttpClientResponse, E | TimeLimitExceeded> {
    return Effect.onExitPrimitive(restore(this.send(send, context, admission)), () => {
      // Interrupted before it was sent.
      if (!this.isSent) admission.release()
      return undefined
    })
  }

  /** Begins the wait for the headers, once the request's body is sent. */
  private observed<R>(context: Context.Context<R>): Context.Context<R> {
    const { calls: { clock, limits }, request } = this
    if (request.body._tag === "Empty") {
      limits.headers?.begin(this)
      return context
    }
    this.upload = new Upload(this, clock, limits, Context.get(context, CurrentUpload))
    this.upload.start(request)
    return Context.add(context, CurrentUpload, this.upload)
  }

  private answered<E>(exit: Exit.Exit<HttpClientResponse, E>): Exit.Exit<HttpClientResponse, E | TimeLimitExceeded> {
    this.sending = undefined
    const { upload } = this
    upload?.end()
    if (exit._tag === "Success") {
      const response = exit.value
      this.response = response
      this.since = this.now()
      this.isOpen = this.judge(exit) && this.calls.settleOn === "body" && !isBodiless(response)
      if (this.isOpen) this.calls.limits.unread.begin(this)
      else this.settle()
      if (this.defect !== undefined) {
        // Without its response the caller cannot close the connection.
        Effect.runFork(discard(response))
        return Exit.failCause(this.defect)
      }
      return Exit.succeed(isRedirect(response) ? response : new GuardedResponse(response, this))
    }
    if (this.late === undefined && Cause.hasInterruptsOnly(exit.cause)) {
      this.release()
      return exit
    }
    this.response = answerOf(exit.cause.reasons.find(Cause.isFailReason)?.error)
    const cause: Cause.Cause<E | TimeLimitExceeded> = this.late === undefined ? exit.cause : Cause.fail(this.late)
    // The caller's own stream did not go on, which says nothing about the dependency.
    if (this.isCallersDelay) {
      this.release()
      return Exit.failCause(cause)
    }
    this.judge(upload?.failure === undefined ? Exit.failCause(cause) : this.unsent(upload.failure))
    this.settle()
    return Exit.failCause(this.defect === undefined ? cause : Cause.combine(cause, this.defect))
  }

  /** How the call is judged for the circuit of its credential: by nothing but whether that was refused. */
  credentialOutcome(refusing: ReadonlySet<number>): Outcome.Outcome {
    return this.response === undefined
      ? Outcome.ignored
      : ofCredential(this.response, refusing, this.calls.clock.currentTimeMillisUnsafe())
  }

  get isFailure(): boolean {
    return this.outcome._tag === "Failure"
  }

  expire(limit: Limit): void {
    // Nobody waits for the dependency at present, so it is not late.
    if (limit === "unread" || this.sending === undefined && this.readings.size === 0) return this.end(Exit.void)
    for (const reading of this.readings) reading.expire(limit)
    if (this.sending === undefined) return
    this.late = this.exceeded(limit)
    this.isCallersDelay = this.upload?.isProducing === true
    this.sending.interruptUnsafe()
  }

  /** Ends without a word about the dependency: there is nobody left to watch the time. */
  abandon(): void {
    this.sending?.interruptUnsafe()
    for (const { fiber } of this.readings) fiber.interruptUnsafe()
    this.end(Exit.interrupt())
  }

  /** The body ended, or whoever read it did. The first word about it counts. */
  end(exit: Exit.Exit<unknown, unknown>): void {
    if (!this.isOpen) return
    this.isOpen = false
    if (exit._tag === "Failure") {
      const error = exit.cause.reasons.find(Cause.isFailReason)?.error
      if (!isHttpClientError(error) || !isOfReader(error)) this.judge(Exit.failCause(exit.cause))
      if (Cause.hasInterruptsOnly(exit.cause)) return this.release()
    }
    this.settle()
  }

  /** Reads a body at once. */
  whole<A>(read: Effect.Effect<A, HttpClientError>, response: HttpClientResponse): Effect.Effect<A, HttpClientError> {
    return Effect.suspend(() => {
      const { classifyBody } = this.calls
      const isHeard = this.take()
      const reading = this.await(read, "body", response, (exit) => isHeard ? this.end(exit) : this.pause())
      if (classifyBody === undefined || !isHeard || !this.isOpen) return reading
      const inspected = this.await(decodedText(response), "body", response, (exit) => {
        const text = exit._tag === "Success" ? exit.value : undefined
        if (text !== undefined) this.attempt(() => classifyBody(response, text))
        this.end(exit)
      })
      // Clients keep a body that was read at once, so it can be read again.
      return Effect.flatMap(inspected, () => reading)
    })
  }

  /** Begins to read; tells whether it is the first to do so. Others may find the body taken, which is nobody's failure. */
  take(): boolean {
    const isFirst = !this.isTaken
    this.isTaken = true
    return isFirst
  }

  /** Waits for the dependency within a limit, and for no longer than is left of the whole body's. */
  await<A, E>(
    read: Effect.Effect<A, E>,
    limit: "body" | "bodyIdle",
    response: HttpClientResponse,
    onExit: (exit: Exit.Exit<A, E | HttpClientError>) => void,
    limits: BodyLimits = this.calls.limits,
    waited = 0
  ): Effect.Effect<A, E | HttpClientError> {
    return Effect.withFiber((reader) =>
      Effect.callback((resume) => {
        const fiber = Effect.runForkWith(reader.context)(read)
        const reading = new Reading(this, fiber)
        this.readings.add(reading)
        // Somebody reads, so the call is no longer unread; that ends here even where reading has no limit.
        this.deadlines?.end(this)
        limits[limit]?.begin(reading)
        const watch = limit === "bodyIdle" ? this.watchRest(reading, limits, waited) : undefined
        fiber.addObserver((ended) => {
          reading.deadlines?.end(reading)
          watch?.interruptUnsafe()
          this.readings.delete(reading)
          const exit: Exit.Exit<A, E | HttpClientError> = reading.late === undefined
            ? ended
            : Exit.fail(this.decodeError(response, this.exceeded(reading.late, limits)))
          resume(orDie(() => {
            onExit(exit)
            return exit
          }))
        })
        return Fiber.interrupt(fiber)
      })
    )
  }

  /** What is left of the whole body's limit differs by reader: a timer of its own, where it is less than for a piece. */
  private watchRest(reading: Reading, { body, bodyIdle }: BodyLimits, waited: number): Fiber.Fiber<void> | undefined {
    if (body === undefined || bodyIdle === undefined || body.millis - waited >= bodyIdle.millis) return undefined
    return Effect.runFork(
      Effect.map(this.calls.clock.sleep(Duration.millis(body.millis - waited)), () => reading.expire("body"))
    )
  }

  /** The limits of a body that is read as a stream. */
  limitsOf(response: HttpClientResponse): BodyLimits {
    return isEventStream(response) ? this.calls.limits.events : this.calls.limits
  }

  /**
   * Settles a probe whose stream of events still delivers after 10 seconds. Its circuit would open again after
   * `halfOpen.maxDuration`, which a healthy stream may well take.
   */
  settleDelivering(limits: BodyLimits): Effect.Effect<void> | undefined {
    const { key } = this
    if (limits !== this.calls.limits.events || key === undefined || !this.isOpen) return undefined
    if (this.now() - this.since < provenAfter) return undefined
    return Effect.map(this.calls.isHalfOpen(key), (isHalfOpen) => isHalfOpen ? this.end(Exit.void) : undefined)
  }

  /** The reader does something else; if for long, the call ends as it stands. */
  pause(): void {
    if (this.isOpen && this.readings.size === 0) this.calls.limits.unread.begin(this)
  }

  now(): number {
    return this.calls.limits.unread.now()
  }

  /** The error of a reader that has waited for longer than `body` in all; undefined if it has not. */
  tooLate(waited: number, response: HttpClientResponse, limits: BodyLimits): HttpClientError | undefined {
    const { body } = limits
    return body === undefined || waited < body.millis
      ? undefined
      : this.decodeError(response, this.exceeded("body", limits))
  }

  private exceeded(limit: TimeLimit, limits?: BodyLimits): TimeLimitExceeded {
    const deadlines = limit === "body" || limit === "bodyIdle" ? limits?.[limit] : this.calls.limits[limit]
    return exceeded(this.request, limit, deadlines?.millis ?? 0)
  }

  /** What a body that could not be sent is judged by: clients differ in what they fail with. */
  private unsent(failure: Cause.Cause<unknown>): Exit.Exit<never, HttpClientError> {
    const { request } = this
    return Exit.fail(new HttpClientError({ reason: new EncodeError({ request, cause: Cause.squash(failure) }) }))
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
    } catch (defect) {
      this.defect = Cause.die(defect)
    }
  }

  private settle(): void {
    this.over()
    if (this.defect === undefined) this.admission?.settle(this.outcome)
    else this.admission?.unclassified(this.defect)
  }

  /** The call says nothing about anybody. */
  private release(): void {
    this.over()
    this.admission?.release()
  }

  private over(): void {
    this.deadlines?.end(this)
    this.total?.deadlines?.end(this.total)
  }
}

/** One reader's wait for the body, or for a piece of it. */
class Reading extends Waiting<Limit> {
  private readonly call: Call
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** The limit that it was interrupted for. */
  late: TimeLimit | undefined = undefined

  constructor(call: Call, fiber: Fiber.Fiber<unknown, unknown>) {
    super()
    this.call = call
    this.fiber = fiber
  }

  expire(limit: TimeLimit): void {
    this.late ??= limit
    this.fiber.interruptUnsafe()
  }

  abandon(): void {
    this.call.abandon()
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

/** How long a probe's stream of events has to deliver before it counts as a success, in milliseconds. */
const provenAfter = 10_000

const eventStreams =
  /^(?:text\/event-stream|application\/(?:x-ndjson|jsonl|json-seq|vnd\.amazon\.eventstream))(?:\s*;|\s*$)/i

const isEventStream = ({ headers }: HttpClientResponse): boolean => eventStreams.test(headers["content-type"] ?? "")

/** Redirects have bodies that nobody reads. */
const isBodiless = ({ request, status }: HttpClientResponse): boolean =>
  status < 200 || status === 204 || status === 205 || status >= 300 || request.method === "HEAD"

/** It is handed over as it is: `HttpClient.followRedirects` closes the very response that the client made, and no other. */
const isRedirect = ({ headers, status }: HttpClientResponse): boolean =>
  status >= 300 && status < 400 && headers["location"] !== undefined
