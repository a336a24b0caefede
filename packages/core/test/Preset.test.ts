/** Each preset, through a breaker: it does what its documentation says. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, type Policy, Preset } from "@reclose/core"
import { Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { failing, failures, hold, phase, rejection, state, succeeding, taking, under } from "./support.ts"

const successes = (calls: number) => Effect.replicateEffect(succeeding, calls, { discard: true })

/** How many calls that fail it takes to open the circuit, and for how many seconds it is open then. */
const opening = Effect.gen(function*() {
  for (let calls = 1; calls <= 1_000; calls++) {
    yield* failing
    const { phase, retryAfter } = yield* state
    if (phase === "Open") return { calls, seconds: Duration.toSeconds(retryAfter) }
  }
  return assert.fail("the circuit never opened")
})

/** Opens the circuit and waits until it can be tried. */
const readyToProbe = Effect.flatMap(opening, ({ seconds }) => TestClock.adjust(Duration.seconds(seconds)))

/** How many probes may be out at once. */
const probesAtOnce = Effect.gen(function*() {
  for (let probes = 0; probes <= 100; probes++) {
    const probe = yield* hold()
    const { phase, probes: out } = yield* state
    if (phase !== "HalfOpen" || out === probes) return probes
    assert.isUndefined(probe.fiber.pollUnsafe())
  }
  return assert.fail("there is no bound on probes")
})

/** How many probes that all end so it takes to decide, one after the other. */
const probesTo = (decision: "Closed" | "Open", probe: Effect.Effect<unknown, unknown, CircuitBreaker>) =>
  Effect.gen(function*() {
    for (let probes = 1; probes <= 100; probes++) {
      yield* Effect.exit(probe)
      if ((yield* phase) === decision) return probes
    }
    return assert.fail("there is no decision")
  })

interface Behaviour {
  readonly policy: Policy.Policy
  /** Calls that all fail, one at once after the other. */
  readonly opensAfter: number
  readonly openSeconds: number
  readonly permits: number
  readonly closesAfter: number
  readonly reopensAfter: number
  readonly deadlineSeconds: number
}

const one = { permits: 1, closesAfter: 1, reopensAfter: 1, deadlineSeconds: 30 }

// The numbers are those of the doc comments, which name their sources.
const behaviours: Readonly<Record<keyof typeof Preset, Behaviour>> = {
  simple: { policy: Preset.simple, opensAfter: 5, openSeconds: 60, ...one },
  confirmed: { policy: Preset.confirmed, opensAfter: 5, openSeconds: 30, ...one, closesAfter: 2 },
  windowed: { policy: Preset.windowed, opensAfter: 5, openSeconds: 30, ...one, permits: 3, closesAfter: 3 },
  resilience4j: {
    policy: Preset.resilience4j,
    opensAfter: 100,
    openSeconds: 60,
    permits: 10,
    closesAfter: 6,
    reopensAfter: 5,
    deadlineSeconds: 60
  },
  polly: { policy: Preset.polly, opensAfter: 100, openSeconds: 5, ...one },
  hystrix: { policy: Preset.hystrix, opensAfter: 20, openSeconds: 5, ...one },
  opossum: { policy: Preset.opossum, opensAfter: 1, openSeconds: 30, ...one },
  cockatiel: { policy: Preset.cockatiel, opensAfter: 5, openSeconds: 10, ...one },
  effect: { policy: Preset.effect, opensAfter: 100, openSeconds: 30, ...one, deadlineSeconds: 10 }
}

describe("a preset", () => {
  it.effect.each(Object.entries(behaviours))(
    "%s opens, is tried and closes as documented",
    ([, expected]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* opening, { calls: expected.opensAfter, seconds: expected.openSeconds })
        yield* TestClock.adjust(Duration.millis(expected.openSeconds * 1_000 - 1))
        assert.strictEqual((yield* rejection)._tag, "CircuitOpen")
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* probesTo("Closed", succeeding), expected.closesAfter)
      }).pipe(under(expected.policy))
  )

  it.effect.each(Object.entries(behaviours))("%s opens again as documented", ([, expected]) =>
    Effect.gen(function*() {
      yield* readyToProbe
      assert.strictEqual(yield* probesTo("Open", failing), expected.reopensAfter)
    }).pipe(under(expected.policy)))

  it.effect.each(Object.entries(behaviours))(
    "%s lets as many probes out as documented, for as long",
    ([, expected]) =>
      Effect.gen(function*() {
        yield* readyToProbe
        assert.strictEqual(yield* probesAtOnce, expected.permits)
        yield* TestClock.adjust(Duration.millis(expected.deadlineSeconds * 1_000 - 1))
        assert.strictEqual(yield* phase, "HalfOpen")
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* phase, "Open")
      }).pipe(under(expected.policy))
  )

  it.effect.each(Object.entries(behaviours))(
    "%s can be changed by spreading it",
    ([, { policy }]) =>
      Effect.gen(function*() {
        const breaker = yield* CircuitBreaker.make({ ...policy, openDuration: "7 seconds", maxKeys: 1 })
        yield* breaker.update(policy)
      }).pipe(Effect.provide(CircuitStore.layerMemory))
  )
})

describe("the rate of", () => {
  it.effect.each<[string, Policy.Policy, { readonly fine: number; readonly failing: number }]>([
    ["resilience4j", Preset.resilience4j, { fine: 50, failing: 50 }],
    ["polly", Preset.polly, { fine: 90, failing: 10 }],
    ["hystrix", Preset.hystrix, { fine: 10, failing: 10 }],
    ["opossum", Preset.opossum, { fine: 10, failing: 10 }],
    ["effect", Preset.effect, { fine: 50, failing: 50 }]
  ])("%s opens where it is reached, and not before", ([, policy, calls]) =>
    Effect.gen(function*() {
      yield* successes(calls.fine)
      yield* failures(calls.failing - 1)
      assert.strictEqual(yield* phase, "Closed")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(policy)))

  it.effect.each<[string, Policy.Policy, Duration.Input, number]>([
    ["polly", Preset.polly, "30 seconds", 99],
    ["hystrix", Preset.hystrix, "10 seconds", 19]
  ])("%s forgets what is older than its window", ([, policy, window, calls]) =>
    Effect.gen(function*() {
      yield* failures(calls)
      yield* TestClock.adjust(window)
      yield* failing
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(policy)))

  it.effect("opossum forgets the calls that outweighed a failure", () =>
    Effect.gen(function*() {
      yield* successes(100)
      yield* TestClock.adjust("10 seconds")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(Preset.opossum)))

  it.effect.each<[string, Policy.Policy]>([["resilience4j", Preset.resilience4j], ["effect", Preset.effect]])(
    "%s keeps its calls however long ago they were",
    ([, policy]) =>
      Effect.gen(function*() {
        yield* failures(99)
        yield* TestClock.adjust("1 day")
        yield* failing
        assert.strictEqual(yield* phase, "Open")
      }).pipe(under(policy))
  )
})

describe("presets of failures in a row", () => {
  it.effect.each<[string, Policy.Policy]>([
    ["simple", Preset.simple],
    ["confirmed", Preset.confirmed],
    ["cockatiel", Preset.cockatiel]
  ])("%s begin anew after a success, however long ago the failures were", ([, policy]) =>
    Effect.gen(function*() {
      yield* failures(4)
      yield* succeeding
      yield* failures(4)
      yield* TestClock.adjust("1 day")
      assert.strictEqual(yield* phase, "Closed")
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(policy)))
})

describe("windowed", () => {
  it.effect("counts failures whatever succeeds beside them, for a minute", () =>
    Effect.gen(function*() {
      yield* Effect.replicateEffect(Effect.andThen(successes(3), failing), 4)
      yield* TestClock.adjust("1 minute")
      yield* failing
      assert.strictEqual(yield* phase, "Closed")
      yield* Effect.replicateEffect(Effect.andThen(successes(3), failing), 4)
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(Preset.windowed)))
})

describe("resilience4j", () => {
  it.effect("opens when all of its calls took a minute, and not when one did not", () =>
    Effect.gen(function*() {
      const slow = Effect.gen(function*() {
        const call = yield* Effect.forkChild(taking("60 seconds"), { startImmediately: true })
        yield* TestClock.adjust("60 seconds")
        yield* Fiber.join(call)
      })
      yield* succeeding
      yield* Effect.replicateEffect(slow, 99)
      assert.strictEqual(yield* phase, "Closed")
      yield* slow
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(Preset.resilience4j)))
})
