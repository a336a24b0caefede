import {
  type Breaker,
  CircuitBreaker,
  type CircuitOpen,
  type CircuitState,
  type CircuitStateSchema,
  CircuitStore,
  type CircuitStoreError,
  type CommandResult,
  Outcome,
  type PolicyError,
  withBreaker
} from "@reclose/core"
import { Context, Effect, type Exit, type Layer, type Scope, type Stream } from "effect"
import { describe, expect, test } from "tstyche"

class Down extends Error {
  readonly _tag = "Down"
}

class Severity
  extends Context.Service<Severity, { readonly of: (error: Down) => Outcome.Outcome }>()("test/Severity")
{}

declare const call: Effect.Effect<number, Down, Scope.Scope>
declare const breaker: Breaker

type Guarded<R> = Effect.Effect<number, Down | CircuitOpen, Scope.Scope | R>

describe("withBreaker", () => {
  test("adds CircuitOpen to the errors and CircuitBreaker to the needs, in all four forms, and nothing else", () => {
    expect(withBreaker(call, "quotes")).type.toBe<Guarded<CircuitBreaker>>()
    expect(withBreaker(call, { key: "quotes" })).type.toBe<Guarded<CircuitBreaker>>()
    expect(call.pipe(withBreaker("quotes"))).type.toBe<Guarded<CircuitBreaker>>()
    expect(call.pipe(withBreaker({ key: "quotes" }))).type.toBe<Guarded<CircuitBreaker>>()
  })

  test("adds nothing to a call that cannot fail and needs nothing but the two", () => {
    const guarded = withBreaker(Effect.succeed("42"), "quotes")
    expect(guarded).type.toBe<Effect.Effect<string, CircuitOpen, CircuitBreaker>>()
    expect(Effect.never.pipe(withBreaker("quotes"))).type.toBe<Effect.Effect<never, CircuitOpen, CircuitBreaker>>()
  })

  test("leaves nothing of CircuitOpen where it is handled", () => {
    const handled = call.pipe(withBreaker("quotes"), Effect.catchTag("CircuitOpen", (open) => Effect.succeed(open.key)))
    expect(handled).type.toBe<Effect.Effect<number | string, Down, Scope.Scope | CircuitBreaker>>()
    const both = call.pipe(
      withBreaker("quotes"),
      Effect.catchTags({ CircuitOpen: () => Effect.void, Down: () => Effect.void })
    )
    expect(both).type.toBe<Effect.Effect<number | void, never, Scope.Scope | CircuitBreaker>>()
  })

  test("needs what its classifier needs", () => {
    const classify = (_exit: Exit.Exit<number, Down>) => Effect.as(Severity, Outcome.success)
    expect(withBreaker(call, { key: "quotes", classify })).type.toBe<Guarded<CircuitBreaker | Severity>>()
    expect(call.pipe(withBreaker({ key: "quotes", classify }))).type.toBe<Guarded<CircuitBreaker | Severity>>()
    expect(withBreaker(call, { key: "quotes", classify: () => Outcome.ignored })).type.toBe<Guarded<CircuitBreaker>>()
  })

  test("keeps what the call says, where its classifier knows less of it", () => {
    expect(call.pipe(withBreaker({ key: "quotes", classify: Outcome.fromExit }))).type.toBe<Guarded<CircuitBreaker>>()
    const classify = Outcome.classifier({ ignoreError: (error: unknown) => error instanceof Error })
    expect(call.pipe(withBreaker({ key: "quotes", classify }))).type.toBe<Guarded<CircuitBreaker>>()
  })

  test("takes no classifier that can fail", () => {
    expect(withBreaker).type.not.toBeCallableWith(call, { key: "quotes", classify: () => Effect.fail("broken") })
    expect(withBreaker).type.not.toBeCallableWith({ key: "quotes", classify: () => Effect.fail("broken") })
    expect(withBreaker).type.toBeCallableWith(call, { key: "quotes", classify: () => Effect.succeed(Outcome.ignored) })
  })

  test("takes no classifier that answers anything but an outcome", () => {
    expect(withBreaker).type.not.toBeCallableWith(call, { key: "quotes", classify: () => "Failure" })
    expect(withBreaker).type.not.toBeCallableWith(call, { key: "quotes", classify: () => Effect.succeed(true) })
    expect(withBreaker).type.not.toBeCallableWith(call, { key: "quotes", classify: () => ({ _tag: "Fine" }) })
  })

  test("gives its classifier the exit of the call", () => {
    void withBreaker(call, {
      key: "quotes",
      classify: (exit) => {
        expect(exit).type.toBe<Exit.Exit<number, Down>>()
        return Outcome.fromExit(exit)
      }
    })
    // TypeScript can't know the call of an operator beforehand, so there the classifier says what it reads.
    const classify = (exit: Exit.Exit<number, Down>) => Outcome.fromExit(exit)
    expect(withBreaker({ key: "quotes", classify })).type.toBeCallableWith(call)
    expect(withBreaker({ key: "quotes", classify })).type.not.toBeCallableWith(Effect.succeed("42"))
    expect(withBreaker({ key: "quotes", classify })).type.not.toBeCallableWith(Effect.fail("down"))
  })

  test("takes a classifier made of predicates over the call's own error and result", () => {
    const classify = Outcome.classifier({
      ignoreError: (error: Down) => error.message === "",
      failOnResult: (n: number) => n < 0
    })
    expect(withBreaker(call, { key: "quotes", classify })).type.toBe<Guarded<CircuitBreaker>>()
    expect(call.pipe(withBreaker({ key: "quotes", classify }))).type.toBe<Guarded<CircuitBreaker>>()
  })

  test("takes a key, and no option that it doesn't have", () => {
    expect(withBreaker).type.not.toBeCallableWith(call)
    expect(withBreaker).type.not.toBeCallableWith(call, 5)
    expect(withBreaker).type.not.toBeCallableWith(call, {})
    expect(withBreaker).type.not.toBeCallableWith({ classify: () => Outcome.success })
    expect(withBreaker).type.not.toBeCallableWith(call, { key: "quotes", clasify: () => Outcome.success })
  })
})

describe("a breaker's handle", () => {
  test("guards without the service", () => {
    expect(breaker.withBreaker(call, "quotes")).type.toBe<Guarded<never>>()
    expect(breaker.withBreaker(call, { key: "quotes" })).type.toBe<Guarded<never>>()
    expect(call.pipe(breaker.withBreaker("quotes"))).type.toBe<Guarded<never>>()
    expect(call.pipe(breaker.withBreaker({ key: "quotes" }))).type.toBe<Guarded<never>>()
  })

  test("is the service", () => {
    expect<CircuitBreaker["Service"]>().type.toBe<Breaker>()
    expect(CircuitBreaker.use((breaker) => breaker.list)).type.toBeAssignableTo<
      Effect.Effect<ReadonlyArray<unknown>, never, CircuitBreaker>
    >()
  })

  test("is made from a policy that may be mistaken, with a store, for a scope", () => {
    expect(CircuitBreaker.make()).type.toBe<Effect.Effect<Breaker, PolicyError, CircuitStore | Scope.Scope>>()
    expect(CircuitBreaker.layer({})).type.toBe<Layer.Layer<CircuitBreaker, PolicyError, CircuitStore>>()
    expect(CircuitStore.layerMemory).type.toBe<Layer.Layer<CircuitStore>>()
  })

  test("refuses keys as typed errors, and isolates for as long as a scope", () => {
    expect(breaker.forceOpen("quotes")).type.toBe<Effect.Effect<CommandResult, PolicyError>>()
    expect(breaker.reset("quotes")).type.toBe<Effect.Effect<CommandResult, PolicyError>>()
    expect(breaker.remove("quotes")).type.toBe<Effect.Effect<CommandResult, PolicyError>>()
    expect<typeof CircuitStateSchema.Type>().type.toBeAssignableTo<CircuitState>()
    expect<CircuitState>().type.toBeAssignableTo<typeof CircuitStateSchema.Type>()
    expect(breaker.listStored("payments/")).type.toBe<Stream.Stream<CircuitState, CircuitStoreError>>()
    expect(breaker.isolate("quotes")).type.toBe<Effect.Effect<void, PolicyError, Scope.Scope>>()
    expect(Effect.scoped(breaker.isolate("quotes"))).type.toBe<Effect.Effect<void, PolicyError>>()
  })

  test("has streams that need nothing and cannot fail", () => {
    expect(breaker.transitions).type.toBeAssignableTo<Stream.Stream<{ readonly _tag: "Transition" }>>()
    expect(breaker.events).type.toBeAssignableTo<Stream.Stream<{ readonly _tag: string }>>()
  })
})
