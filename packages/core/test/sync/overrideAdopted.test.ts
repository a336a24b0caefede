/** What an instance reads holds in it at once, also while the instance can write nothing. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitOpen, CircuitStore, CircuitStoreError, type Policy, TripRule } from "@reclose/core"
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

/** One instance that can write, and one whose writes are denied. */
const pair = Effect.gen(function*() {
  yield* TestClock.setTime(1_000_000_000)
  const register = yield* CircuitStore
  const readOnly = CircuitStore.make({ ...register, replace: () => Effect.fail(denied) })
  const here = yield* start(policy)
  const there = yield* Effect.provideService(start(policy), CircuitStore, readOnly)
  yield* here.succeed
  return [here, there] as const
})

describe("an instance that is denied to write", () => {
  it.effect("takes over an override while it has counts to publish", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair
      yield* there.fail
      yield* pass("2 seconds")
      yield* here.breaker.forceOpen(key)
      yield* pass("30 seconds")
      assert.strictEqual((yield* there.breaker.state(key)).override, "ForcedOpen")
    }).pipe(Effect.provide(new SteppedStore(true).layer)))

  it.effect("takes over an opening while it has an operator's act to publish", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair
      yield* there.breaker.metricsOnly(key)
      yield* there.breaker.release(key)
      yield* pass("3 seconds")
      yield* Effect.replicateEffect(here.fail, 5)
      yield* pass("1 second")
      assert.strictEqual(yield* there.phase, "Open")
    }).pipe(Effect.provide(new SteppedStore(true).layer)))
})

describe("an instance of which an operator has asked something, and that no call has used since", () => {
  it.effect("rejects its first call if the circuit was forced open elsewhere meanwhile", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(policy), start(policy)])
      yield* there.breaker.reset(key)
      yield* pass("1 second")
      yield* here.breaker.forceOpen(key)
      yield* pass("30 seconds")
      assert.instanceOf(yield* there.succeed, CircuitOpen)
    }).pipe(Effect.provide(new SteppedStore(false).layer)))
})
