import { type Clock, Duration, Effect } from "effect"

/** A clock of two hands, wall time and monotonic time, that stand still until they are set. Nobody can wait for it. */
export class SteppedClock implements Clock.Clock {
  private wall = 1_700_000_000_000
  private monotonic = 5_000_000

  /** Steps both hands, back too, which no monotonic time should. */
  readonly step = (by: Duration.Input | { readonly back: Duration.Input }) =>
    Effect.sync(() => {
      const millis = typeof by === "object" && "back" in by
        ? -Duration.toMillis(Duration.fromInputUnsafe(by.back))
        : Duration.toMillis(Duration.fromInputUnsafe(by))
      this.wall += millis
      this.monotonic += millis
    })

  /** Sets the wall time alone by that many milliseconds, back if negative. */
  readonly setWall = (by: number) =>
    Effect.sync(() => {
      this.wall += by
    })

  currentTimeMillisUnsafe() {
    return this.wall
  }

  currentTimeNanosUnsafe() {
    return BigInt(this.wall) * 1_000_000n
  }

  monotonicTimeNanosUnsafe() {
    return BigInt(this.monotonic) * 1_000_000n
  }

  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())

  sleep() {
    return Effect.never
  }
}
