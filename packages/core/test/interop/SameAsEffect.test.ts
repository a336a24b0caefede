import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, type Schema } from "effect"
import * as EffectBreaker from "effect/persistence/CircuitBreaker"
import { isDeepStrictEqual } from "node:util"
import * as RecloseBreaker from "../../src/EffectCircuitBreaker.ts"
import { Action, growing, observe, type Options, policies, SequentialAction } from "./scenario.ts"

const some = <A>(action: Schema.Schema<A>) => Arbitrary.array(Arbitrary.schema(action), { maxLength: 60 })

const limits = { arbitrary: { runs: 150, size: 60 } }

const same = Effect.fnUntraced(function*(options: Options, actions: ReadonlyArray<Action>) {
  const theirs = yield* observe(EffectBreaker, options, actions)
  const ours = yield* observe(RecloseBreaker, options, actions)
  const index = ours.findIndex((step, index) => !isDeepStrictEqual(step, theirs[index]))
  if (index < 0) return
  assert.fail(
    `after ${index} actions\nours:   ${JSON.stringify(ours[index])}\ntheirs: ${JSON.stringify(theirs[index])}`
  )
})

describe("a program sees the same of Effect's breaker and of ours", () => {
  for (const [name, options] of Object.entries(policies)) {
    it.effect.prop(`when ${name} open the circuit`, [some(Action)], ([actions]) => same(options, actions), limits)
  }

  // One call at a time: to one that began before the openings in a row were forgotten, Effect gives the longer opening.
  it.effect.prop("when openings grow", [some(SequentialAction)], ([actions]) => same(growing, actions), limits)
})
