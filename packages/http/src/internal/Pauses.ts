/** How long dependencies asked to be sent nothing, by a 429 with `Retry-After`. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as RetryAfter from "../RetryAfter.ts"
import { answerOf } from "./discard.ts"

/** After this time a request is sent all the same, in milliseconds: a wrong header must not end all traffic for days. */
const longest = Duration.toMillis(Duration.hours(1))

/** How many keys are held. If there are more, the oldest pause ends early. */
const maxKeys = 10_000

export class Pauses {
  private readonly clock: Clock.Clock
  /** When each pause ends, in milliseconds of the clock's monotonic time. */
  private readonly ends = new Map<string, number>()

  private constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  static readonly make: Effect.Effect<Pauses> = Effect.map(Clock.Clock, (clock) => new Pauses(clock))

  /** Returns how long requests of a key are to wait from now on, in milliseconds. */
  remaining(key: string): number {
    const end = this.ends.get(key)
    if (end === undefined) return 0
    const left = end - this.now()
    // Timers are a little early at times.
    if (left >= 1) return left
    this.ends.delete(key)
    return 0
  }

  /** Sends a request, and begins a pause if the response asks for one. */
  observe<E, R>(key: string, send: Effect.Effect<HttpClientResponse, E, R>): Effect.Effect<HttpClientResponse, E, R> {
    return Effect.onExitPrimitive(send, (exit) => {
      const response = exit._tag === "Success"
        ? exit.value
        : exit.cause.reasons.flatMap((reason) => reason._tag === "Fail" ? answerOf(reason.error) ?? [] : [])[0]
      if (response?.status === 429) this.add(key, response)
      return undefined
    })
  }

  private add(key: string, response: HttpClientResponse): void {
    const wait = RetryAfter.fromResponse(response, this.clock.currentTimeMillisUnsafe())
    if (wait === undefined) return
    const end = this.now() + Math.min(Duration.toMillis(wait), longest)
    if (end <= (this.ends.get(key) ?? 0)) return
    this.ends.delete(key)
    const [oldest] = this.ends.keys()
    if (this.ends.size >= maxKeys && oldest !== undefined) this.ends.delete(oldest)
    this.ends.set(key, end)
  }

  private now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
  }
}
