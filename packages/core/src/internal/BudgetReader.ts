/** Reads what a retry budget allows: the one place that holds its fields, bounds and defaults. */
import * as Effect from "effect/Effect"
import type { BudgetRule } from "../machine/KeyBudget.ts"
import type { PolicyError } from "../PolicyError.ts"
import { readOptions } from "./Options.ts"
import * as Reader from "./Reader.ts"

export interface ValidBudget extends BudgetRule {
  readonly maxKeys: number
}

/** See `BudgetPolicy` for where these defaults come from. */
export const budgetFields = {
  ratio: Reader.field(Reader.share({ zero: true }), 0.2),
  minimumPerSecond: Reader.field(Reader.atLeast(0), 10),
  window: Reader.field(Reader.duration("1 second", "1 hour"), "10 seconds"),
  maxKeys: Reader.field(Reader.integer(1, 10_000_000), 10_000)
} satisfies Record<string, Reader.Field>

/** Reads a budget's policy, or every mistake in it. */
export const readBudget = (
  input: unknown,
  settings?: Pick<Reader.Reading, "requiresUnits">
): Effect.Effect<ValidBudget, PolicyError> =>
  Effect.map(
    readOptions((reading) => {
      const whole = Reader.record(input, "policy", reading)
      Reader.onlyKnown(whole, Object.keys(budgetFields), "", reading)
      return {
        ratio: Reader.option(whole, budgetFields, "ratio", "", reading),
        minimumPerSecond: Reader.option(whole, budgetFields, "minimumPerSecond", "", reading),
        window: Reader.option(whole, budgetFields, "window", "", reading),
        maxKeys: Reader.option(whole, budgetFields, "maxKeys", "", reading)
      }
    }, settings),
    ({ minimumPerSecond, ...rest }) => ({ ...rest, reserve: minimumPerSecond * rest.window / 1000 })
  )
