/**
 * What a run of the demo does.
 */
import type { Policy } from "@reclose/core"
import type { Duration, Effect } from "effect"
import type { Request } from "./Traffic.ts"
import type { Script } from "./Upstream.ts"

/** One of the two ways the traffic goes. */
export interface Side {
  /** In the order of their times. */
  readonly requests: ReadonlyArray<Request>
  /** How many requests reached an upstream while it was sick, where there is one that can tell. */
  readonly receivedWhileSick: Effect.Effect<number> | undefined
}

export interface Plan {
  readonly intro: ReadonlyArray<string>
  /** The health of the upstreams by key; empty where nobody knows. */
  readonly scripts: Readonly<Record<string, Script>>
  readonly policy: Policy.Policy
  /** How long a call may take. */
  readonly timeout: Duration.Duration
  /** When the last request is due, in milliseconds. */
  readonly lasts: number
  readonly guarded: Side
  readonly unguarded: Side | undefined
}
