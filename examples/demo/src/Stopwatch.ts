/**
 * One clock for a whole run: the script of the upstreams, the schedule of the requests and the times on the screen all
 * count milliseconds from the same moment.
 */
import { Clock, Effect } from "effect"

export interface Stopwatch {
  /** Begins to count. */
  readonly start: Effect.Effect<void>
  /** Zero until it is started. */
  readonly elapsed: Effect.Effect<number>
  /** Waits until so many milliseconds have passed since the start. */
  readonly until: (at: number) => Effect.Effect<void>
}

// The wall clock may step while the demo runs; durations are measured with the clock that can't.
const now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1_000_000)

export const make: Effect.Effect<Stopwatch> = Effect.sync(() => {
  let started: number | undefined
  const elapsed = Effect.map(now, (at) => started === undefined ? 0 : at - started)
  return {
    start: Effect.map(now, (at) => {
      started = at
    }),
    elapsed,
    until: (at) => Effect.flatMap(elapsed, (passed) => passed < at ? Effect.sleep(at - passed) : Effect.void)
  }
})
