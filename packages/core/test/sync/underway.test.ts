/** What happens to a circuit while the store is being asked about it: no answer undoes it. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitOpen, CircuitStore, type Policy, TripRule } from "@reclose/core"
import type { Fate } from "@reclose/core/testing"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { key } from "../support.ts"
import { heard, pass, type Process, put, record, start } from "./processes.ts"

const kept = Effect.provide(CircuitStore.layerMemory)

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

/** A store whose answers to writes take a while. */
const slowly: Fate.Decide = ({ kind }) =>
  kind === "replace" ? { _tag: "Deliver", answerDelay: "200 millis" } : { _tag: "Deliver" }

/** A process whose circuit was opened and may be tried again. */
const elapsed = Effect.fnUntraced(function*(policy: Policy.Policy = first) {
  const here = yield* start(policy)
  yield* here.succeed
  yield* here.fail
  yield* heard
  yield* pass("30 seconds")
  return here
})

/** A call that asks the store for a probe, and gets its answer a little later. */
const asking = Effect.fnUntraced(function*(here: Process) {
  const gate = yield* Deferred.make<string, string>()
  yield* here.way.decide(slowly)
  const fiber = yield* Effect.forkChild(Effect.exit(here.breaker.withBreaker(Deferred.await(gate), key)), {
    startImmediately: true
  })
  yield* heard
  return { gate, fiber }
})

describe("while a call asks for a probe", () => {
  it.effect("a key that is isolated stays so", () =>
    Effect.gen(function*() {
      const here = yield* elapsed()
      const { fiber, gate } = yield* asking(here)
      const scope = yield* Scope.make()
      yield* Scope.provide(here.breaker.isolate(key), scope)
      yield* pass("250 millis")
      assert.strictEqual((yield* here.breaker.state(key)).override, "ForcedOpen")
      yield* Deferred.succeed(gate, "42")
      yield* Fiber.await(fiber)
      yield* heard
      assert.instanceOf(yield* here.succeed, CircuitOpen)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* here.succeed, "42")
    }).pipe(kept))

  it.effect.each(
    [
      ["forceOpen", "ForcedOpen"],
      ["disable", "Disabled"],
      ["metricsOnly", "MetricsOnly"],
      ["forceClosed", "ForcedClosed"]
    ] as const
  )("an operator's %s holds", ([act, override]) =>
    Effect.gen(function*() {
      const here = yield* elapsed()
      const { fiber, gate } = yield* asking(here)
      yield* here.breaker[act](key)
      yield* pass("250 millis")
      assert.strictEqual((yield* here.breaker.state(key)).override, override)
      yield* pass("3 seconds")
      assert.strictEqual((yield* record)?.override, override)
      yield* Deferred.succeed(gate, "42")
      yield* Fiber.await(fiber)
    }).pipe(kept))

  it.effect("an operator's release holds", () =>
    Effect.gen(function*() {
      const here = yield* elapsed()
      yield* here.breaker.metricsOnly(key)
      yield* heard
      const { fiber, gate } = yield* asking(here)
      yield* here.breaker.release(key)
      yield* pass("250 millis")
      assert.strictEqual((yield* here.breaker.state(key)).override, "None")
      yield* pass("3 seconds")
      assert.strictEqual((yield* record)?.override, "None")
      yield* Deferred.succeed(gate, "42")
      yield* Fiber.await(fiber)
    }).pipe(kept))
})

describe("while the store is asked", () => {
  it.effect("a key that is isolated no more is free", () =>
    Effect.gen(function*() {
      const here = yield* start(first)
      yield* here.succeed
      const scope = yield* Scope.make()
      yield* Scope.provide(here.breaker.isolate(key), scope)
      yield* put({ generation: 1, phase: { _tag: "Open", openings: 1, duration: 9_000, remaining: 9_000 } })
      yield* here.way.decide(slowly)
      yield* here.breaker.metricsOnly(key)
      yield* pass("250 millis")
      yield* Scope.close(scope, Exit.void)
      yield* pass("3 seconds")
      assert.strictEqual((yield* here.breaker.state(key)).override, "MetricsOnly")
    }).pipe(kept))

  it.effect("a policy that is updated rules over the circuit that others have closed", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, tripRule: TripRule.consecutive(1) })
      yield* here.succeed
      yield* here.fail
      yield* heard
      const before = yield* record
      yield* put({ generation: (before?.generation ?? 0) + 1, phase: { _tag: "Closed", openings: 0, remaining: 0 } })
      // The write that follows conflicts with that, and is made again on what the others have come to.
      yield* here.way.decide(slowly)
      yield* here.breaker.metricsOnly(key)
      yield* pass("250 millis")
      yield* here.breaker.update({ ...first, tripRule: TripRule.consecutive(3) })
      yield* pass("3 seconds")
      yield* here.breaker.release(key)
      yield* pass("3 seconds")
      assert.strictEqual(yield* here.phase, "Closed")
      yield* here.fail
      assert.strictEqual(yield* here.phase, "Closed")
    }).pipe(kept))

  it.effect("a probe that ends undecided while its trial is told is over", () =>
    Effect.gen(function*() {
      const here = yield* elapsed({ ...first, halfOpen: { successThreshold: 2 } })
      yield* here.way.failNext("read")
      const gate = yield* Deferred.make<string, string>()
      const fiber = yield* Effect.forkChild(Effect.exit(here.breaker.withBreaker(Deferred.await(gate), key)), {
        startImmediately: true
      })
      yield* here.way.decide(() => ({ _tag: "Deliver", answerDelay: "200 millis" }))
      yield* heard
      assert.strictEqual(yield* here.phase, "HalfOpen")
      yield* Deferred.succeed(gate, "42")
      yield* Fiber.await(fiber)
      assert.strictEqual((yield* here.breaker.state(key)).probes, 0)
      yield* pass("3 seconds")
      assert.strictEqual((yield* here.breaker.state(key)).probes, 0)
      yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* pass("3 seconds")
      assert.strictEqual(yield* here.phase, "Closed")
    }).pipe(kept))
})
