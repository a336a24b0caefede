/** The waits of all calls of a client. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TimeLimit, ValidTimeLimits } from "../TimeLimits.ts"
import { Deadlines, type Waiting } from "./Deadlines.ts"

/** What a call may wait for: the dependency, or somebody who reads on. */
export type Limit = TimeLimit | "unread"

export interface Limits extends Readonly<Record<TimeLimit, Deadlines<Limit> | undefined>> {
  readonly unread: Deadlines<Limit>
  /** Those of the body of a stream of events. */
  readonly events: BodyLimits
  /** Calls that send a body, which may wait for nothing that has a limit. */
  readonly uploads: Set<Waiting<Limit>>
}

/** The waits for a body: for all of it, and for a piece of it. */
export type BodyLimits = Readonly<Record<"body" | "bodyIdle", Deadlines<Limit> | undefined>>

export const makeLimits = (limits: ValidTimeLimits): Effect.Effect<Limits, never, Scope.Scope> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const of = (limit: TimeLimit, millis = limits[limit]) =>
      millis === undefined ? undefined : new Deadlines<Limit>(limit, millis, clock)
    return Effect.acquireRelease(
      Effect.sync((): Limits => ({
        headers: of("headers"),
        body: of("body"),
        bodyIdle: of("bodyIdle"),
        events: {
          body: limits.events.body === undefined ? undefined : of("body", limits.events.body),
          bodyIdle: limits.events.bodyIdle === undefined ? undefined : of("bodyIdle", limits.events.bodyIdle)
        },
        unread: new Deadlines<Limit>("unread", limits.unread, clock),
        call: of("call"),
        uploads: new Set()
      })),
      ({ body, bodyIdle, call, events, headers, unread, uploads }) =>
        Effect.sync(() => {
          // By `unread` it is known that the others are closed, or about to be.
          for (const deadlines of [unread, headers, body, bodyIdle, events.body, events.bodyIdle, call]) {
            deadlines?.close()
            for (const call of uploads) call.abandon()
          }
        })
    )
  })
