/** A store that has been away for long: what an instance could not write meanwhile is written as soon as a read is answered. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitStore, CircuitStoreError, type Policy, TripRule } from "@reclose/core"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { key } from "../support.ts"
import { pass, start } from "./processes.ts"
import { SteppedStore } from "./SteppedStore.ts"

const policy: Policy.Policy = { tripRule: TripRule.consecutive(5), openDuration: "10 seconds" }

describe("an instance whose store was away for ten minutes", () => {
  it.effect.each([0, 1, 2, 3])(
    "has an operator's act written within two refreshes of its return (%d)",
    (later) => {
      const held = new SteppedStore(false)
      return Effect.gen(function*() {
        yield* TestClock.setTime(1_000_000_000)
        const register = yield* CircuitStore
        let isAway = false
        const away = <A>(operation: "read" | "replace", asked: Effect.Effect<A, CircuitStoreError>) =>
          Effect.suspend(() =>
            isAway
              ? Effect.fail(new CircuitStoreError({ key, operation, reason: "Unavailable", message: "it is away" }))
              : asked
          )
        const store = CircuitStore.make({
          ...register,
          read: (of) => away("read", register.read(of)),
          replace: (of, seen, next) => away("replace", register.replace(of, seen, next))
        })
        const here = yield* Effect.provideService(start(policy), CircuitStore, store)
        yield* here.succeed
        // With counts to write, the first failure is one of a write.
        yield* here.fail
        isAway = true
        yield* pass("1 second")
        yield* here.breaker.forceOpen(key)
        yield* pass("10 minutes")
        yield* TestClock.adjust(`${later * 700} millis`)
        isAway = false
        yield* pass("4 seconds")
        assert.strictEqual(held.record?.override, "ForcedOpen")
      }).pipe(Effect.provide(held.layer))
    }
  )
})
