/** The test's clock with a wall time that can be set, as by an operator or by a time service. */
import { Clock, Effect } from "effect"

export interface SettableClock extends Clock.Clock {
  /** By how many milliseconds the wall time is ahead. The monotonic time knows nothing of it. */
  ahead: number
}

export const settableClock: Effect.Effect<SettableClock> = Effect.map(Clock.Clock, (base) => {
  const clock: SettableClock = {
    ahead: 0,
    currentTimeMillisUnsafe: () => base.currentTimeMillisUnsafe() + clock.ahead,
    currentTimeMillis: Effect.suspend(() => Effect.map(base.currentTimeMillis, (millis) => millis + clock.ahead)),
    currentTimeNanosUnsafe: () => base.currentTimeNanosUnsafe() + BigInt(clock.ahead) * 1_000_000n,
    currentTimeNanos: Effect.suspend(() =>
      Effect.map(base.currentTimeNanos, (nanos) => nanos + BigInt(clock.ahead) * 1_000_000n)
    ),
    monotonicTimeNanosUnsafe: () => base.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: base.monotonicTimeNanos,
    sleep: (duration) => base.sleep(duration)
  }
  return clock
})
