/** The waits of all calls of a client. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TimeLimit, ValidTimeLimits } from "../TimeLimits.ts"
import { Deadlines } from "./Deadlines.ts"

/** What a call may wait for: the dependency, or somebody who reads on. */
export type Limit = TimeLimit | "unread"

export interface Limits extends Readonly<Record<TimeLimit, Deadlines<Limit> | undefined>> {
  readonly unread: Deadlines<Limit>
}

export const makeLimits = (limits: ValidTimeLimits): Effect.Effect<Limits, never, Scope.Scope> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const of = (limit: TimeLimit) => {
      const millis = limits[limit]
      return millis === undefined ? undefined : new Deadlines<Limit>(limit, millis, clock)
    }
    return Effect.acquireRelease(
      Effect.sync((): Limits => ({
        headers: of("headers"),
        body: of("body"),
        bodyIdle: of("bodyIdle"),
        unread: new Deadlines<Limit>("unread", limits.unread, clock),
        call: of("call")
      })),
      ({ body, bodyIdle, call, headers, unread }) =>
        Effect.sync(() => {
          // By `unread` it is known that the others are closed, or about to be.
          for (const deadlines of [unread, headers, body, bodyIdle, call]) deadlines?.close()
        })
    )
  })
