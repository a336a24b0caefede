import { CircuitBreaker, Policy, type PolicyError, Preset, TripRule } from "@reclose/core"
import { type ConfigProvider, type Duration, type Effect, Schedule } from "effect"
import { describe, expect, test } from "tstyche"

describe("a policy", () => {
  test("has a default for everything", () => {
    expect<Policy.Policy>().type.toBeAssignableFrom<{}>()
    expect(CircuitBreaker.layer).type.toBeCallableWith()
    expect<Required<Policy.Policy>>().type.toBeAssignableTo<Policy.Policy>()
    expect<{ [K in keyof Policy.Policy]: undefined }>().type.toBeAssignableTo<Policy.Policy>()
  })

  test("refuses a field that it doesn't have, at every level", () => {
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ opneDuration: "5 seconds" })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ halfOpen: { permit: 3 } })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ openDuration: { initial: "5 seconds", facto: 2 } })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ keys: { "a*": { maxKeys: 5 } } })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ keys: { "a*": { keys: {} } } })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({
      tripRule: { _tag: "Consecutive", failures: 3, window: 5 }
    })
    expect(CircuitBreaker.make).type.not.toBeCallableWith({ opneDuration: "5 seconds" })
  })

  test("refuses a value of another type", () => {
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ openDuration: "soon" })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ openDuration: { factor: 2 } })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ maxOpenDuration: Schedule.spaced("1 second") })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ warmUp: null })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ jitter: true })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ halfOpen: 3 })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ halfOpen: { permits: "3" } })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ maxKeys: "many" })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ keys: [{}] })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ tripRule: { _tag: "Streak" } })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ tripRule: { _tag: "Failures", failures: 3 } })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ tripRule: { _tag: "Any", rules: ["Consecutive"] } })
  })

  test("takes an open duration in each of its forms", () => {
    expect(CircuitBreaker.layer).type.toBeCallableWith({ openDuration: "5 seconds" })
    expect(CircuitBreaker.layer).type.toBeCallableWith({ openDuration: 5_000 })
    expect(CircuitBreaker.layer).type.toBeCallableWith({ openDuration: { initial: "5 seconds" } })
    expect(CircuitBreaker.layer).type.toBeCallableWith({ openDuration: { initial: { seconds: 5 }, factor: 3 } })
    expect(CircuitBreaker.layer).type.toBeCallableWith({ openDuration: Schedule.exponential("5 seconds") })
    expect(CircuitBreaker.layer).type.toBeCallableWith({
      openDuration: Schedule.upTo(Schedule.spaced(5), { times: 3 })
    })
  })

  test("takes a schedule that needs nothing, cannot fail, and asks for no other input than its number", () => {
    expect<Policy.Policy["openDuration"]>().type.toBeAssignableFrom<Schedule.Schedule<Duration.Duration, number>>()
    expect<Policy.Policy["openDuration"]>().type.not.toBeAssignableFrom<Schedule.Schedule<number, string>>()
    expect<Policy.Policy["openDuration"]>().type.not.toBeAssignableFrom<Schedule.Schedule<number, number, Error>>()
    expect<Policy.Policy["openDuration"]>().type.not.toBeAssignableFrom<
      Schedule.Schedule<number, number, never, "service">
    >()
  })

  test("takes any rule, and any rule below a pattern", () => {
    expect<Policy.Policy["tripRule"]>().type.toBeAssignableFrom<TripRule.TripRule>()
    expect(CircuitBreaker.layer).type.toBeCallableWith({ keys: { "a*": { tripRule: TripRule.consecutive(3) } } })
  })
})

describe("a policy that is read", () => {
  test("may be mistaken, and its source may fail", () => {
    expect(Policy.fromJson({})).type.toBe<Effect.Effect<Policy.Policy, PolicyError>>()
    expect(Policy.config("breaker")).type.toBe<Effect.Effect<Policy.Policy, PolicyError | ConfigProvider.SourceError>>()
  })
})

describe("a preset", () => {
  test("is a policy, every one of them", () => {
    expect<(typeof Preset)[keyof typeof Preset]>().type.toBeAssignableTo<Policy.Policy>()
    expect<keyof typeof Preset>().type.toBe<
      "simple" | "confirmed" | "windowed" | "resilience4j" | "polly" | "hystrix" | "opossum" | "cockatiel" | "effect"
    >()
  })

  test("can be changed in part", () => {
    expect(CircuitBreaker.layer).type.toBeCallableWith({ ...Preset.polly, maxKeys: 500 })
    expect(CircuitBreaker.layer).type.toBeCallableWith({
      ...Preset.polly,
      halfOpen: { ...Preset.polly.halfOpen, permits: 3 }
    })
  })
})
