/** Makes a policy ready for the machine. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { type MachinePolicy, needs, slowerThan } from "../machine/Rule.ts"
import type { Policy } from "../Policy.ts"
import type { PolicyError } from "../PolicyError.ts"
import type { Limits } from "./CircuitTable.ts"
import { matches } from "./KeyPattern.ts"
import { makeOpenDuration } from "./OpenDuration.ts"
import { readPolicy, type SyncPolicy, type ValidPolicy } from "./PolicyReader.ts"

/** A policy ready for the machine, for each key. */
export interface Policies extends Limits {
  readonly sync: SyncPolicy
  readonly forKey: (key: string) => MachinePolicy
}

/** Returns what makes policies ready. They draw from the random numbers of its own surroundings, at an update as well. */
export const policyMaker: Effect.Effect<(policy: Policy) => Effect.Effect<Policies, PolicyError>> = Effect.map(
  Effect.context<never>(),
  (context) => (policy) => Effect.provideContext(makePolicies(policy), context)
)

const makePolicies = (policy: Policy): Effect.Effect<Policies, PolicyError> =>
  Effect.gen(function*() {
    const { base, maxKeys, patterns, sync } = yield* readPolicy(policy)
    const context = yield* Effect.context<never>()
    const random = yield* Random.Random
    const ready = (policy: ValidPolicy): MachinePolicy => ({
      ...policy,
      openDuration: makeOpenDuration(policy, context, random),
      needs: needs(policy.tripRule),
      slowerThan: slowerThan(policy.tripRule)
    })
    const otherwise = ready(base)
    const narrowestFirst = patterns.map(({ pattern, policy }) => ({ pattern, policy: ready(policy) }))
    const forKey = (key: string) => narrowestFirst.find(({ pattern }) => matches(pattern, key))?.policy ?? otherwise
    return { forKey, maxKeys, idleTimeToLive: sync.idleTimeToLive, sync }
  })
