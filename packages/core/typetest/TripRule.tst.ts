import * as TripRule from "@reclose/core/TripRule"
import { describe, expect, test } from "tstyche"

describe("TripRule", () => {
  test("rules compose to a rule", () => {
    expect(TripRule.any([TripRule.consecutive(3), TripRule.failureRate()])).type.toBe<TripRule.TripRule>()
  })

  test("a window is a number of calls or a duration", () => {
    expect<TripRule.Window>().type.toBeAssignableFrom<100 | "30 seconds">()
    expect<TripRule.Window>().type.not.toBeAssignableFrom<"soon">()
  })

  test("a misspelt option does not compile", () => {
    expect(TripRule.failureRate).type.toBeCallableWith({ threshold: 0.5 })
    expect(TripRule.failureRate).type.not.toBeCallableWith({ treshold: 0.5 })
  })
})
