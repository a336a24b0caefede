/** What a retry budget's policy may be, from code, JSON and Config alike. */
import { assert, describe, it } from "@effect/vitest"
import { BudgetPolicy, PolicyError, RetryBudget } from "@reclose/core"
import { ConfigProvider, Effect } from "effect"

const fromConfig = (retries: unknown) =>
  Effect.provideService(
    BudgetPolicy.config("retries"),
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromUnknown({ retries, other: 5 })
  )

const fieldsOf = (error: unknown) => {
  assert.instanceOf(error, PolicyError)
  return error.issues.map((issue) => issue.field).sort()
}

const whole = { ratio: 0.5, minimumPerSecond: 2.5, window: "1 minute", maxKeys: 7 }

describe("a budget's policy", () => {
  it.effect("has a default for everything", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make()
      for (let i = 0; i < 50; i++) yield* budget.deposit("quotes")
      assert.strictEqual((yield* budget.state("quotes")).balance, 110)
    }))

  it.effect.each<[string, unknown]>([
    ["numbers", whole],
    ["text", { ...whole, ratio: "0.5", minimumPerSecond: "2.5", maxKeys: "7" }]
  ])("is what stands in Config as %s", ([, data]) =>
    Effect.gen(function*() {
      const policy = yield* fromConfig(data)
      assert.deepStrictEqual<unknown>(policy, whole)
      assert.strictEqual((yield* (yield* RetryBudget.make(policy)).state("quotes")).balance, 150)
    }))

  it.effect("may be missing from Config", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* fromConfig(undefined), {})
    }))

  it.effect.each<[string, unknown, ReadonlyArray<string>]>([
    ["a share above one", { ratio: 1.1 }, ["ratio"]],
    ["a negative share", { ratio: -0.1 }, ["ratio"]],
    ["a negative rate", { minimumPerSecond: -1 }, ["minimumPerSecond"]],
    ["no finite rate", { minimumPerSecond: Infinity }, ["minimumPerSecond"]],
    ["a window that is too short", { window: "999 millis" }, ["window"]],
    ["a window that is too long", { window: "61 minutes" }, ["window"]],
    ["no room for a key", { maxKeys: 0 }, ["maxKeys"]],
    ["an unknown field", { ttl: "10 seconds" }, ["ttl"]],
    ["several mistakes", { ratio: 5, window: "soon", x: 1 }, ["ratio", "window", "x"]],
    ["no object", 5, ["policy"]]
  ])("with %s is refused everywhere", ([, data, fields]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(fieldsOf(yield* Effect.flip(BudgetPolicy.fromJson(data))), fields)
      assert.deepStrictEqual(fieldsOf(yield* Effect.flip(fromConfig(data))), fields)
      // As a program without types could say it.
      assert.deepStrictEqual(fieldsOf(yield* Effect.flip(RetryBudget.make(data as BudgetPolicy.BudgetPolicy))), fields)
    }))
})
