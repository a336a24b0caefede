/** Breakers whose circuits are their own. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, type Policy, TripRule } from "@reclose/core"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Random } from "../machine/model/random.ts"
import { failing, hold, isRejected, key, phase, rejection, succeeding, taking } from "../support.ts"

const policy: Policy.Policy = {
  tripRule: TripRule.any([TripRule.consecutive(3), TripRule.failureRate({ window: 8, minimumCalls: 4 })]),
  openDuration: { initial: "10 seconds", factor: 2 },
  halfOpen: { permits: 2, successThreshold: 2 },
  keys: { "fragile/*": { tripRule: TripRule.consecutive(1) } }
}

const keys = ["quotes", "orders", "fragile/one"]

/** One thing that a program may do with a breaker. Answers what it sees of it. */
const acts: ReadonlyArray<(breaker: CircuitBreaker["Service"], key: string) => Effect.Effect<unknown, unknown>> = [
  (breaker, key) => Effect.exit(breaker.withBreaker(Effect.succeed("42"), key)),
  (breaker, key) => Effect.exit(breaker.withBreaker(Effect.fail("down"), key)),
  (breaker, key) => Effect.exit(breaker.withBreaker(Effect.die("broken"), key)),
  (breaker, key) => breaker.state(key),
  (breaker, key) => breaker.forceOpen(key),
  (breaker, key) => breaker.metricsOnly(key),
  (breaker, key) => breaker.release(key),
  (breaker, key) => breaker.reset(key),
  () => TestClock.adjust("4 seconds"),
  () => TestClock.adjust("25 seconds"),
  (breaker) => Effect.flatMap(breaker.snapshot, breaker.restore),
  (breaker) => breaker.update(policy)
]
const weights = [12, 14, 1, 3, 1, 1, 2, 1, 4, 4, 1, 1]

/** What a program sees that does the same things in the same order. */
const seen = (seed: number, layer: Layer.Layer<CircuitBreaker, unknown>) =>
  Effect.gen(function*() {
    const random = new Random(seed)
    const breaker = yield* CircuitBreaker
    const answers: Array<unknown> = []
    for (let step = 0; step < 60; step++) {
      const act = random.weighted(acts.map((act, i) => [weights[i] ?? 1, () => act] as const))
      answers.push(yield* act(breaker, random.pick(keys)))
      yield* Effect.yieldNow
    }
    return [answers, yield* breaker.list]
  }).pipe(Effect.provide(Layer.provideMerge(layer, TestClock.layer())))

describe("a breaker whose circuits are its own", () => {
  it("does what one over a store in memory does", async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const [local, shared] = await Promise.all(
        [CircuitBreaker.layerLocal(policy), CircuitBreaker.layer(policy).pipe(Layer.provide(CircuitStore.layerMemory))]
          .map((layer) => Effect.runPromise(seen(seed, layer)))
      )
      assert.deepStrictEqual(local, shared, `seed ${seed}`)
    }
  }, 30_000)

  it.effect("lets as many calls probe at once as the policy allows", () =>
    Effect.gen(function*() {
      yield* Effect.replicateEffect(failing, 3)
      yield* TestClock.adjust("10 seconds")
      const probes = [yield* hold(), yield* hold()]
      assert.strictEqual((yield* rejection)._tag, "CircuitOpen")
      for (const probe of probes) assert.isFalse(isRejected(yield* probe.succeed))
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(Effect.provide(CircuitBreaker.layerLocal(policy))))

  it.effect("times calls, and opens for slow ones", () =>
    Effect.gen(function*() {
      const slow = yield* Effect.forkChild(Effect.replicateEffect(taking("1 second"), 2), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(slow), ["42", "42"])
      assert.strictEqual(yield* phase, "Open")
    }).pipe(Effect.provide(CircuitBreaker.layerLocal({
      tripRule: TripRule.slowCallRate({ slowerThan: "1 second", threshold: 1, window: 2, minimumCalls: 2 })
    }))))

  it.effect("shares them with no other breaker", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.makeLocal({ tripRule: TripRule.consecutive(1) })
      yield* Effect.exit(breaker.withBreaker(Effect.fail("down"), key))
      assert.strictEqual((yield* breaker.state(key)).phase, "Open")
      yield* breaker.flush
      assert.strictEqual(yield* phase, "Closed")
      yield* succeeding
    }).pipe(Effect.provide(CircuitBreaker.layerLocal(policy))))

  it.effect("needs no work beside its calls, whatever a policy says of it", () =>
    Effect.gen(function*() {
      yield* Effect.replicateEffect(failing, 3)
      assert.strictEqual(yield* phase, "Open")
      yield* TestClock.adjust("1 hour")
      yield* succeeding
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(Effect.provide(CircuitBreaker.layerLocal({ ...policy, background: false }))))

  it.effect("is refused a policy with mistakes", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(CircuitBreaker.layerLocal({ jitter: 2 })))
      assert.deepStrictEqual(error.issues.map(({ field }) => field), ["jitter"])
    }))
})
