/** An override holds in an instance as soon as the instance has read it, also while the instance can write nothing. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitStore, CircuitStoreError, type Policy, TripRule } from "@reclose/core"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { key } from "../support.ts"
import { pass, start } from "./processes.ts"
import { SteppedStore } from "./SteppedStore.ts"

const policy: Policy.Policy = { tripRule: TripRule.consecutive(5), openDuration: "10 seconds" }

const denied = new CircuitStoreError({
  key,
  operation: "replace",
  reason: "Unavailable",
  message: "this instance may only read"
})

describe("an instance that has counts to publish and is denied to write", () => {
  it.effect("rejects calls once another instance has forced the circuit open", () => {
    const store = new SteppedStore(true)
    return Effect.gen(function*() {
      const register = yield* CircuitStore
      const readOnly = CircuitStore.make({ ...register, replace: () => Effect.fail(denied) })
      const here = yield* start(policy)
      const there = yield* Effect.provideService(start(policy), CircuitStore, readOnly)
      yield* here.succeed
      yield* there.fail
      yield* pass("2 seconds")
      yield* here.breaker.forceOpen(key)
      yield* pass("30 seconds")
      assert.strictEqual((yield* there.breaker.state(key)).override, "ForcedOpen")
    }).pipe(Effect.provide(store.layer), (test) => Effect.andThen(TestClock.setTime(1_000_000_000), test))
  })
})
