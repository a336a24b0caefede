/** DynamoDB's clock between its answers, which tell it to the second. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

export interface ServerClock {
  /** In milliseconds since 1970. */
  readonly now: () => number
  /** Asks DynamoDB something, and hears of the time by its answer. */
  readonly asking: <A, E, R>(ask: Effect.Effect<A, E, R>, timeOf: (answer: A) => number) => Effect.Effect<A, E, R>
}

/**
 * The machine's own clock, set by no more than an answer proves it wrong: so machines whose clocks are right agree to
 * the millisecond, and any two to about a second.
 */
export const makeServerClock: Effect.Effect<ServerClock> = Effect.map(Clock.Clock, (clock) => {
  let offset = 0
  const local = () => clock.currentTimeMillisUnsafe()
  return {
    now: () => local() + offset,
    asking: (ask, timeOf) =>
      Effect.suspend(() => {
        const sent = local()
        return Effect.map(ask, (answer) => {
          const received = local()
          // It was within the second from `earliest` when the answer left, at some time since the question did.
          const earliest = timeOf(answer)
          const latest = earliest + 999 + Math.max(0, received - sent)
          offset = Math.min(Math.max(received + offset, earliest), latest) - received
          return answer
        })
      })
  }
})
