/**
 * Waits of one length, in the order in which they end: one sleeping fiber for all of them, where a timer for each would
 * cost more than the rest of a guarded call.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/** Who waits: for one thing at a time, and so in one list at a time. */
export abstract class Waiting<Limit> {
  /** The list that this one is in, and its neighbours there. */
  deadlines: Deadlines<Limit> | undefined = undefined
  earlier: Waiting<Limit> | undefined = undefined
  later: Waiting<Limit> | undefined = undefined
  until = 0

  /** It has waited for too long; it waits no more. */
  abstract expire(limit: Limit): void
  /** Nobody watches the time any more; it waits no more. */
  abstract abandon(): void
}

export class Deadlines<Limit> {
  readonly limit: Limit
  readonly millis: number
  private readonly clock: Clock.Clock
  /** Waits of one length end in the order in which they began. */
  private first: Waiting<Limit> | undefined
  private last: Waiting<Limit> | undefined
  private watch: Fiber.Fiber<void> | undefined
  isClosed = false

  constructor(limit: Limit, millis: number, clock: Clock.Clock) {
    this.limit = limit
    this.millis = millis
    this.clock = clock
  }

  now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
  }

  /** Waits for this, and for nothing else any more. */
  begin(waiting: Waiting<Limit>): void {
    waiting.deadlines?.end(waiting)
    if (this.isClosed) return waiting.abandon()
    waiting.deadlines = this
    waiting.until = this.now() + this.millis
    waiting.earlier = this.last
    if (this.last === undefined) this.first = waiting
    else this.last.later = waiting
    this.last = waiting
    this.watch ??= Effect.runFork(this.expire(this.millis))
  }

  end(waiting: Waiting<Limit>): void {
    if (waiting.deadlines !== this) return
    if (waiting.earlier === undefined) this.first = waiting.later
    else waiting.earlier.later = waiting.later
    if (waiting.later === undefined) this.last = waiting.earlier
    else waiting.later.earlier = waiting.earlier
    waiting.deadlines = waiting.earlier = waiting.later = undefined
  }

  /** Ends all waits: nobody watches the time from here on. */
  close(): void {
    this.isClosed = true
    this.watch?.interruptUnsafe()
    for (let waiting = this.first; waiting !== undefined; waiting = this.first) {
      this.end(waiting)
      waiting.abandon()
    }
  }

  private expire(millis: number): Effect.Effect<void> {
    return Effect.flatMap(this.clock.sleep(Duration.millis(millis)), () => {
      const now = this.now()
      for (let waiting = this.first; waiting !== undefined; waiting = this.first) {
        // Timers are a little early at times; who has less than that left has waited long enough.
        if (waiting.until - now >= 1) return this.expire(waiting.until - now)
        this.end(waiting)
        waiting.expire(this.limit)
      }
      this.watch = undefined
      return Effect.void
    })
  }
}
