/** Breakers of containers, whose store is far away at first: on the test's clock. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, type Policy, TripRule, withBreaker } from "@reclose/core"
import { BeforeResponse, LambdaBreaker } from "@reclose/lambda"
import { type Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1) }

/** A store whose answers take their time. */
const slowly = (delay: Duration.Input) => (store: CircuitStore["Service"]) =>
  CircuitStore.make({
    ...store,
    read: (key) => Effect.delay(store.read(key), delay),
    replace: (...args) => Effect.delay(store.replace(...args), delay)
  })

/** A container that starts, while others have opened the circuit, and to which the store is slow. */
const container = (delay: Duration.Input, policy: Policy.Policy = first) =>
  LambdaBreaker.layer(policy).pipe(
    Layer.provideMerge(BeforeResponse.layer),
    Layer.provide(Layer.effect(CircuitStore, Effect.map(CircuitStore, slowly(delay))))
  )

const opened = Effect.flip(withBreaker(Effect.fail("down"), "quotes")).pipe(
  Effect.andThen(CircuitBreaker.use((breaker) => breaker.flush)),
  Effect.provide(CircuitBreaker.layer(first))
)

const inSitu = Effect.provide(CircuitStore.layerMemory)

/** How the first call of a container ends, after so much time. */
const firstCall = (wait: Duration.Input) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(
      Effect.match(withBreaker(Effect.succeed("called"), "quotes"), {
        onSuccess: (called) => called,
        onFailure: ({ _tag }) => _tag
      }),
      { startImmediately: true }
    )
    yield* TestClock.adjust(wait)
    return yield* Fiber.join(fiber)
  })

describe("the first call of a container", () => {
  it.effect("is rejected by a circuit that others have opened, though the store takes nearly a second to say so", () =>
    Effect.gen(function*() {
      yield* opened
      assert.strictEqual(yield* Effect.provide(firstCall("900 millis"), container("900 millis")), "CircuitOpen")
    }).pipe(inSitu))

  it.effect("waits no longer than a second for a store that hangs", () =>
    Effect.gen(function*() {
      yield* opened
      assert.strictEqual(yield* Effect.provide(firstCall("1 second"), container("1 hour")), "called")
    }).pipe(inSitu))

  it.effect("waits for as long as the policy says, if it does", () =>
    Effect.gen(function*() {
      yield* opened
      const policy: Policy.Policy = { ...first, hydrateTimeout: "50 millis" }
      assert.strictEqual(yield* Effect.provide(firstCall("50 millis"), container("60 millis", policy)), "called")
    }).pipe(inSitu))

  it.effect("waits for a second, also after its policy was updated", () =>
    Effect.gen(function*() {
      yield* opened
      const updated = CircuitBreaker.use((breaker) => breaker.update(first))
      const called = Effect.andThen(updated, firstCall("900 millis"))
      assert.strictEqual(yield* Effect.provide(called, container("900 millis")), "CircuitOpen")
    }).pipe(inSitu))
})
