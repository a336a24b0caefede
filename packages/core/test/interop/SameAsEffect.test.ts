import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect } from "effect"
import * as EffectBreaker from "effect/persistence/CircuitBreaker"
import { Action, observe, policies } from "./scenario.ts"

const actions = Arbitrary.array(Arbitrary.schema(Action), { minLength: 20, maxLength: 60 })

describe("a program sees the same with either breaker", () => {
  for (const [name, options] of Object.entries(policies)) {
    it.effect.prop(`with the policy "${name}"`, [actions], ([actions]) =>
      Effect.gen(function*() {
        const theirs = yield* observe(EffectBreaker, options, actions)
        const ours = yield* observe(EffectBreaker, options, actions)
        if (process.env.SHOW) console.log(JSON.stringify(ours))
        assert.deepStrictEqual(ours, theirs)
      }))
  }
})
