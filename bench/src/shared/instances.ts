import { type Breaker, CircuitBreaker, type CircuitStore, type Policy, TripRule } from "@reclose/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { openMillis } from "../subjects/policy.ts"

/** One breaker of a fleet. */
export interface Instance {
  readonly breaker: Breaker
  /** What went wrong with its store. */
  readonly troubles: ReadonlyArray<unknown>
}

/** A breaker as another process would have it, with connections of its own. */
export const instance = (
  store: Layer.Layer<CircuitStore, unknown>,
  policy: Policy.Policy
): Effect.Effect<Instance, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const services = yield* Layer.build(store)
    const breaker = yield* Effect.provide(CircuitBreaker.make({ openDuration: openMillis, ...policy }), services)
    const troubles: Array<unknown> = []
    yield* Stream.runForEach(breaker.events, (event) =>
      Effect.sync(() => {
        if (event._tag === "StoreFailed") troubles.push(event.cause)
      })).pipe(Effect.forkScoped({ startImmediately: true }))
    return { breaker, troubles }
  })

/** What waits for a store shows how long it takes, and not how long a breaker would have waited. */
export const patient: Policy.Policy = {
  tripRule: TripRule.consecutive(1),
  hydrateTimeout: "30 seconds",
  storeTimeout: "30 seconds"
}

/** A figure that was taken while a store failed tells of something else than it says. */
export const proveHealthy = (instances: ReadonlyArray<Instance>): Effect.Effect<void> =>
  // Events wait for their reader, and a reader for the event loop, which a store that fails at once may never let go of.
  Effect.flatMap(Effect.sleep(10), () => {
    const troubles = instances.flatMap(({ troubles }) => troubles)
    return troubles.length === 0
      ? Effect.void
      : Effect.die(new AggregateError(troubles, `a store failed ${troubles.length} times while it was measured`))
  })

export const keysOf = (name: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `${name}-${index}`)
