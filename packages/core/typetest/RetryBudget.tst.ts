import {
  type Budget,
  BudgetPolicy,
  type CircuitOpen,
  type PolicyError,
  RetryBudget,
  withBreaker,
  withRetryBudget
} from "@reclose/core"
import { type ConfigProvider, Context, Effect, type Layer, Schedule, type Scope } from "effect"
import { describe, expect, test } from "tstyche"

class Down extends Error {
  readonly _tag = "Down"
}

class Gone extends Error {
  readonly _tag = "Gone"
}

class Pace extends Context.Service<Pace, number>()("test/Pace") {}

declare const call: Effect.Effect<number, Down, Scope.Scope>
declare const budget: Budget
declare const open: CircuitOpen

const schedule = Schedule.recurs(2)

type Retried<R, E = Down> = Effect.Effect<number, E, Scope.Scope | R>

describe("withRetryBudget", () => {
  test("adds RetryBudget to the needs in both forms, and nothing to the errors", () => {
    expect(withRetryBudget(call, { key: "quotes", schedule })).type.toBe<Retried<RetryBudget>>()
    expect(call.pipe(withRetryBudget({ key: "quotes", schedule }))).type.toBe<Retried<RetryBudget>>()
  })

  test("keeps CircuitOpen, which is no error that a predicate or a schedule is asked about", () => {
    const guarded = call.pipe(withBreaker("quotes"))
    const worthIt = (error: Down) => error.message === ""
    const paced = Schedule.recurs(2).pipe(Schedule.setInputType<Down>())
    void withRetryBudget(guarded, {
      key: "quotes",
      schedule,
      while: (error) => {
        expect(error).type.toBe<Down>()
        return true
      }
    })
    const piped = guarded.pipe(withRetryBudget({ key: "quotes", schedule: paced, while: worthIt }))
    expect<Effect.Error<typeof piped>>().type.toBe<Down | CircuitOpen>()
    const direct = withRetryBudget(guarded, { key: "quotes", schedule: paced, while: worthIt })
    expect<Effect.Error<typeof direct>>().type.toBe<Down | CircuitOpen>()
  })

  test("takes no predicate and no schedule over other errors", () => {
    const worthIt = (error: Down) => error.message === ""
    expect(withRetryBudget({ key: "quotes", schedule, while: worthIt })).type.not.toBeCallableWith(
      Effect.fail(new Gone())
    )
    const paced = Schedule.recurs(2).pipe(Schedule.setInputType<Down>())
    expect(withRetryBudget({ key: "quotes", schedule: paced })).type.not.toBeCallableWith(Effect.fail(new Gone()))
    expect(withRetryBudget({ key: "quotes", schedule: paced })).type.toBeCallableWith(Effect.fail(open))
  })

  test("needs what its schedule needs, and takes none that can fail", () => {
    const needing = Schedule.recurs(2).pipe(Schedule.tap(() => Effect.asVoid(Pace)))
    expect(withRetryBudget(call, { key: "quotes", schedule: needing })).type.toBe<Retried<RetryBudget | Pace>>()
    expect(call.pipe(withRetryBudget({ key: "quotes", schedule: needing }))).type.toBe<Retried<RetryBudget | Pace>>()
    const failing = Schedule.recurs(2).pipe(Schedule.tap(() => Effect.fail("broken")))
    expect(withRetryBudget).type.not.toBeCallableWith(call, { key: "quotes", schedule: failing })
  })

  test("needs a key and a schedule, and takes no option that it doesn't have", () => {
    expect(withRetryBudget).type.not.toBeCallableWith(call)
    expect(withRetryBudget).type.not.toBeCallableWith({ schedule })
    expect(withRetryBudget).type.not.toBeCallableWith(call, { key: "quotes" })
    expect(withRetryBudget).type.not.toBeCallableWith(call, { key: "quotes", schedule, until: () => true })
    expect(withRetryBudget).type.not.toBeCallableWith(call, {
      key: "quotes",
      schedule,
      while: () => Effect.succeed(true)
    })
  })
})

describe("a retry budget", () => {
  test("retries without the service", () => {
    expect(budget.withRetryBudget(call, { key: "quotes", schedule })).type.toBe<Retried<never>>()
    expect(call.pipe(budget.withRetryBudget({ key: "quotes", schedule }))).type.toBe<Retried<never>>()
  })

  test("is the service, made from a policy that may be mistaken, and needs nothing", () => {
    expect<RetryBudget["Service"]>().type.toBe<Budget>()
    expect(RetryBudget.make()).type.toBe<Effect.Effect<Budget, PolicyError>>()
    expect(RetryBudget.layer({})).type.toBe<Layer.Layer<RetryBudget, PolicyError>>()
    expect(RetryBudget.layer).type.not.toBeCallableWith({ percent: 20 })
    expect(BudgetPolicy.config("retries")).type.toBe<
      Effect.Effect<BudgetPolicy.BudgetPolicy, PolicyError | ConfigProvider.SourceError>
    >()
  })

  test("asks and takes without an error", () => {
    expect(budget.deposit("quotes")).type.toBe<Effect.Effect<void>>()
    expect(budget.mayWithdraw("quotes")).type.toBe<Effect.Effect<boolean>>()
    expect(budget.withdraw("quotes")).type.toBe<Effect.Effect<boolean>>()
  })
})
