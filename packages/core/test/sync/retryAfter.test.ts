/** A caller that waits for as long as a rejection says finds the circuit ready for a probe, at any fraction of a millisecond. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitOpen, CircuitStore, type Policy, TripRule } from "@reclose/core"
import { Clock, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { heard, start } from "./processes.ts"
import { settableClock } from "./settableClock.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: Duration.micros(1_000_300n) }

describe("waiting for exactly retryAfter", () => {
  it.effect.each([0, 100, 300, 499, 500, 699, 701, 900, 999])(
    "lets a call through, and no other circuit's reason gets in its way, %d microseconds past a millisecond",
    (micros) =>
      Effect.gen(function*() {
        const clock = yield* settableClock
        const withClock = Effect.provideService(Clock.Clock, {
          ...clock,
          monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + BigInt(micros) * 1_000n
        })
        const store = yield* withClock(Layer.build(CircuitStore.layerMemory))
        const begin = start(first).pipe(Effect.provide(store), withClock)
        const [here, there] = yield* Effect.all([begin, begin])
        yield* there.succeed
        for (const process of [here, there]) {
          yield* TestClock.adjust("7 millis")
          yield* here.fail
          yield* heard
          yield* TestClock.adjust("3 millis")
          const rejected = yield* process.succeed
          if (!(rejected instanceof CircuitOpen)) return assert.fail("the circuit is open")
          assert.strictEqual(rejected.reason, "Tripped")
          yield* TestClock.adjust(rejected.retryAfter)
          assert.strictEqual(yield* process.succeed, "42")
          yield* heard
        }
      })
  )
})
