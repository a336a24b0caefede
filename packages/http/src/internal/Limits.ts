/** The waits of all calls of a client. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TimeLimit, ValidTimeLimits } from "../TimeLimits.ts"
import { Deadlines } from "./Deadlines.ts"

/** What a call may wait for: the dependency, or somebody who reads on. */
export type Limit = TimeLimit | "unread"

export interface Limits extends Readonly<Record<Exclude<Limit, "call">, Deadlines<Limit>>> {
  readonly call: Deadlines<Limit> | undefined
}

export const makeLimits = (limits: ValidTimeLimits): Effect.Effect<Limits, never, Scope.Scope> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const of = (limit: Limit, millis: number) => new Deadlines<Limit>(limit, millis, clock)
    return Effect.acquireRelease(
      Effect.sync((): Limits => ({
        headers: of("headers", limits.headers),
        body: of("body", limits.body),
        bodyIdle: of("bodyIdle", limits.bodyIdle),
        unread: of("unread", limits.unread),
        call: limits.call === undefined ? undefined : of("call", limits.call)
      })),
      ({ body, bodyIdle, call, headers, unread }) =>
        Effect.sync(() => {
          for (const deadlines of [headers, body, bodyIdle, unread, call]) deadlines?.close()
        })
    )
  })
