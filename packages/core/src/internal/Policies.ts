/** Makes a policy ready for the machine. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { type MachinePolicy, needs, slowerThan } from "../machine/Rule.ts"
import type { Policy } from "../Policy.ts"
import type { PolicyError } from "../PolicyError.ts"
import type { Limits } from "./CircuitTable.ts"
import { matches } from "./KeyPattern.ts"
import { makeOpenDuration } from "./OpenDuration.ts"
import { readPolicy, type ValidPolicy } from "./PolicyReader.ts"

/** A policy ready for the machine, for each key. */
export interface Policies extends Limits {
  readonly forKey: (key: string) => MachinePolicy
}

export const makePolicies = (policy: Policy): Effect.Effect<Policies, PolicyError> =>
  Effect.gen(function*() {
    const { idleTimeToLive, maxKeys, ...valid } = yield* readPolicy(policy)
    const random = yield* Random.Random
    const base = yield* makeMachinePolicy(valid.base, random)
    const patterns = yield* Effect.forEach(valid.patterns, ({ pattern, policy }) =>
      Effect.map(makeMachinePolicy(policy, random), (policy) => ({ pattern, policy })))
    const forKey = (key: string) => patterns.find(({ pattern }) => matches(pattern, key))?.policy ?? base
    return { forKey, maxKeys, idleTimeToLive }
  })

const makeMachinePolicy = (policy: ValidPolicy, random: Random.Random): Effect.Effect<MachinePolicy, PolicyError> =>
  Effect.map(makeOpenDuration(policy, random), (openDuration) => ({
    tripRule: policy.tripRule,
    halfOpen: policy.halfOpen,
    warmUp: policy.warmUp,
    maxOpenDuration: policy.maxOpenDuration,
    openDuration,
    needs: needs(policy.tripRule),
    slowerThan: slowerThan(policy.tripRule)
  }))
