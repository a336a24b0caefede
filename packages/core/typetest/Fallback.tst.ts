import {
  type CircuitOpen,
  Fallback,
  type FallbackEvent,
  LastGood,
  LastGoodStore,
  type PolicyError,
  withBreaker
} from "@reclose/core"
import { Context, type Duration, Effect, Schema, type Scope, type Stream } from "effect"
import type { KeyValueStore } from "effect/persistence"
import { describe, expect, test } from "tstyche"

class Down extends Error {
  readonly _tag = "Down"
}

class Gone extends Error {
  readonly _tag = "Gone"
}

class Mirror extends Context.Service<Mirror, string>()("test/Mirror") {}

declare const call: Effect.Effect<number, Down | CircuitOpen, Scope.Scope>
declare const quotes: LastGood.LastGood<number>
declare const dynamic: boolean
declare const maybeTotal: Fallback.Step<unknown, string, never, boolean>

const last = Fallback.lastGood(quotes, { key: "ACME", maxAge: "10 minutes" })
const mirror = Effect.as(Mirror, "42")
const brokenMirror = Effect.tap(mirror, () => Effect.fail(new Gone()))

const isDown = (error: Down | CircuitOpen): error is Down => error._tag === "Down"

type Chained<A, E, Handled = CircuitOpen, R = never> = Effect.Effect<Fallback.Answer<A, Handled>, E, Scope.Scope | R>

describe("a chain", () => {
  test("leaves the call's errors where no step always answers", () => {
    expect(call.pipe(Fallback.chain([last]))).type.toBe<Chained<number, Down | CircuitOpen>>()
    expect(Fallback.chain(call, [last])).type.toBe<Chained<number, Down | CircuitOpen>>()
    expect(call.pipe(Fallback.chain([last, Fallback.effect(brokenMirror)]))).type.toBe<
      Chained<number | string, Down | CircuitOpen, CircuitOpen, Mirror>
    >()
  })

  test("leaves nothing of CircuitOpen where the last step always answers", () => {
    expect(call.pipe(Fallback.chain([Fallback.value("none")]))).type.toBe<Chained<number | string, Down>>()
    expect(Fallback.chain(call, [last, Fallback.value("none")])).type.toBe<Chained<number | string, Down>>()
    expect(call.pipe(Fallback.chain([last, Fallback.effect(mirror)]))).type.toBe<
      Chained<number | string, Down, CircuitOpen, Mirror>
    >()
    expect(call.pipe(Fallback.chain([last, Fallback.effect(brokenMirror), Fallback.value(null)]))).type.toBe<
      Chained<number | string | null, Down, CircuitOpen, Mirror>
    >()
  })

  test("leaves nothing of what a refinement answers", () => {
    expect(call.pipe(Fallback.chain([Fallback.value(0)], { when: isDown }))).type.toBe<
      Chained<number, CircuitOpen, Down>
    >()
    expect(Fallback.chain(call, [Fallback.value(0)], { when: isDown })).type.toBe<Chained<number, CircuitOpen, Down>>()
    expect(Fallback.chain(call, [last], { when: isDown })).type.toBe<Chained<number, Down | CircuitOpen, Down>>()
    const anything = (error: unknown): error is unknown => error !== undefined
    expect(call.pipe(Fallback.chain([Fallback.value(0)], { when: anything }))).type.toBe<
      Chained<number, never, unknown>
    >()
  })

  test("leaves every error where a predicate answers some, and names them all as the reason", () => {
    const some = (error: Down | CircuitOpen): boolean => error.message === ""
    const expected = Fallback.chain(call, [Fallback.value(0)], { when: some })
    expect(expected).type.toBe<Chained<number, Down | CircuitOpen, Down | CircuitOpen>>()
    expect(call.pipe(Fallback.chain([Fallback.value(0)], { when: some }))).type.toBe<
      Chained<number, Down | CircuitOpen, Down | CircuitOpen>
    >()
  })

  test("gives what decides the errors of the call", () => {
    void Fallback.chain(call, [Fallback.value(0)], {
      when: (error) => {
        expect(error).type.toBe<Down | CircuitOpen>()
        return error._tag === "Down" && error.message === ""
      }
    })
  })

  test("takes nothing that decides about other errors", () => {
    const options = { when: (error: Gone) => error.message === "" }
    expect(Fallback.chain).type.not.toBeCallableWith(call, [Fallback.value(0)], options)
    expect(Fallback.chain([Fallback.value(0)], options)).type.not.toBeCallableWith(call)
  })

  test("follows a guarded call", () => {
    const guarded = Effect.succeed(42).pipe(withBreaker("quotes"), Fallback.chain([Fallback.value(0)]))
    expect<Effect.Error<typeof guarded>>().type.toBe<never>()
    expect(Effect.map(guarded, Fallback.toValue)).type.toBeAssignableTo<Effect.Effect<number, never, unknown>>()
  })

  test("can't go on after a step that always answers", () => {
    expect(Fallback.chain).type.not.toBeCallableWith(call, [Fallback.value(0), last])
    expect(Fallback.chain).type.not.toBeCallableWith([Fallback.value(0), last])
    expect(Fallback.chain).type.not.toBeCallableWith([Fallback.effect(mirror), last])
    expect(Fallback.chain).type.toBeCallableWith([Fallback.effect(brokenMirror), last])
  })

  test("has a step", () => {
    expect(Fallback.chain).type.not.toBeCallableWith([])
    expect(Fallback.chain).type.not.toBeCallableWith(call, [])
  })

  test("counts on no step of which nobody knows whether it always answers", () => {
    expect(Fallback.chain(call, [maybeTotal])).type.toBe<Chained<number | string, Down | CircuitOpen>>()
    const either = dynamic ? Fallback.value("none") : last
    const chained = Fallback.chain(call, [either])
    expect<Effect.Error<typeof chained>>().type.toBe<Down | CircuitOpen>()
  })

  test("remembers no answers but those that its calls give", () => {
    const texts = Effect.succeed("42").pipe(withBreaker("quotes"))
    expect(Fallback.chain([last])).type.not.toBeCallableWith(texts)
    expect(Fallback.chain).type.not.toBeCallableWith(texts, [last])
    expect(Fallback.chain).type.not.toBeCallableWith(texts, [Fallback.effect(brokenMirror), last])
    expect(Fallback.chain).type.toBeCallableWith(texts, [Fallback.value(0)])
  })
})

describe("an answer", () => {
  test("tells a degraded one, and why, from a fresh one", () => {
    void Effect.map(Fallback.chain(call, [last]), (answer) => {
      if (answer._tag === "Fresh") {
        expect(answer.value).type.toBe<number>()
        expect(answer).type.not.toHaveProperty("age")
        return
      }
      expect(answer.error).type.toBe<CircuitOpen>()
      expect(answer.age).type.toBe<Duration.Duration | undefined>()
      expect(answer.source).type.toBe<string>()
    })
  })
})

describe("what remembers answers", () => {
  const store = {} as KeyValueStore.KeyValueStore

  test("lives in memory, or as long as a scope", () => {
    expect(LastGood.memory<number>()).type.toBe<Effect.Effect<LastGood.LastGood<number>, PolicyError>>()
    expect(LastGoodStore.make({ store, schema: Schema.Struct({ at: Schema.Date }) })).type.toBe<
      Effect.Effect<LastGood.LastGood<{ readonly at: Date }>, PolicyError, Scope.Scope>
    >()
  })

  test("needs a schema of its answers for a store, and a bound on their age for serving", () => {
    expect(LastGoodStore.make).type.not.toBeCallableWith({ store })
    expect(Fallback.lastGood).type.not.toBeCallableWith(quotes, { key: "ACME" })
    expect(Fallback.lastGood).type.not.toBeCallableWith(quotes, { maxAge: "1 minute" })
  })

  test("fails with nothing and needs nothing", () => {
    expect(quotes.remember("ACME", 42)).type.toBe<Effect.Effect<void>>()
    expect(quotes.recall("ACME")).type.toBe<Effect.Effect<LastGood.Remembered<number> | undefined>>()
    expect(Fallback.events).type.toBe<Stream.Stream<FallbackEvent>>()
  })
})
