/** Policies by key, and the bound on how many circuits are held. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, type CircuitEvent, type Policy, PolicyError, TripRule, withBreaker } from "@reclose/core"
import { Duration, Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import { hold, listen, over, settled, TestStore, under } from "../support.ts"

const use = (key: string) => withBreaker(Effect.void, key)
const fail = (key: string) => Effect.flip(withBreaker(Effect.fail("down"), key))

const stateOf = (key: string) => Effect.orDie(CircuitBreaker.use((breaker) => breaker.state(key)))
const phaseOf = (key: string) => Effect.map(stateOf(key), (state) => state.phase)

/** After how many failures in a row the circuit of a key opens. */
const failuresToOpen = (key: string) =>
  Effect.gen(function*() {
    for (let failures = 1;; failures++) {
      yield* fail(key)
      if ((yield* phaseOf(key)) === "Open") return failures
    }
  })

const openSeconds = (key: string) => Effect.map(stateOf(key), ({ retryAfter }) => Duration.toSeconds(retryAfter))

const keysOf = (tag: "KeyForgotten" | "KeyRefused", events: ReadonlyArray<CircuitEvent>) =>
  events.flatMap((event) => event._tag === tag ? [event.key] : [])

const held = Effect.map(
  CircuitBreaker.use((breaker) => breaker.list),
  (states) => states.map((state) => state.key).sort()
)

describe("a policy by key", () => {
  const policy: Policy.Policy = {
    tripRule: TripRule.consecutive(5),
    openDuration: "30 seconds",
    halfOpen: { permits: 3, successThreshold: 3 },
    keys: {
      "payments/*/refund": { tripRule: TripRule.consecutive(2) },
      "payments/*": { tripRule: TripRule.consecutive(3), openDuration: "10 seconds", halfOpen: { permits: 1 } },
      "quotes": { openDuration: "60 seconds" }
    }
  }

  it.effect.each<[string, number, number]>([
    ["orders", 5, 30],
    ["quotes", 5, 60],
    ["quotes/eur", 5, 30],
    ["payments/", 3, 10],
    ["payments/visa", 3, 10],
    ["payments/visa/refund", 2, 10]
  ])(
    "gives %s what the narrowest pattern says, and the rest from the next wider one",
    ([key, failures, seconds]) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* failuresToOpen(key), failures)
        assert.strictEqual(yield* openSeconds(key), seconds)
      }).pipe(under(policy))
  )

  it.effect("inherits each number of a trial by itself", () =>
    Effect.gen(function*() {
      yield* failuresToOpen("payments/visa")
      yield* TestClock.adjust("10 seconds")
      const probe = yield* hold({ key: "payments/visa" })
      assert.strictEqual((yield* Effect.exit(use("payments/visa")))._tag, "Failure", "one permit, of the pattern")
      yield* probe.succeed
      yield* use("payments/visa")
      assert.strictEqual(yield* phaseOf("payments/visa"), "HalfOpen", "three successes, of the policy")
      yield* use("payments/visa")
      assert.strictEqual(yield* phaseOf("payments/visa"), "Closed")
    }).pipe(under(policy)))

  it.effect("changes with an update, for circuits that are held, too", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* use("payments/visa")
      yield* breaker.update({ keys: { "payments/v*": { tripRule: TripRule.consecutive(1) } } })
      assert.strictEqual(yield* failuresToOpen("payments/visa"), 1)
    }).pipe(under(policy)))

  it.effect("keeps the circuits of its keys apart", () =>
    Effect.gen(function*() {
      yield* failuresToOpen("payments/visa")
      assert.strictEqual(yield* phaseOf("payments/amex"), "Closed")
    }).pipe(under(policy)))

  it.effect("is a mistake where patterns overlap and neither is the narrower", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(CircuitBreaker.make({ keys: { "a*": {}, "*b": {} } }))
      assert.instanceOf(error, PolicyError)
      assert.deepStrictEqual(error.issues.map((issue) => issue.field), [`keys["*b"]`])
    }).pipe(Effect.provide(new TestStore().layer)))
})

describe("the bound on keys", () => {
  const two: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds", maxKeys: 2 }

  it.effect("lets an idle closed circuit make room, and says so", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* Effect.forEach(["a", "b", "c"], use)
      assert.strictEqual((yield* held).length, 2)
      assert.include(yield* held, "c")
      assert.strictEqual(keysOf("KeyForgotten", yield* events).length, 1)
    }).pipe(under(two)))

  it.effect.each([10, 100])(
    "of %d spares a circuit that is in use, however many others come and go",
    (maxKeys) =>
      Effect.gen(function*() {
        const calls = 500
        yield* Effect.forEach(
          Array.from({ length: calls }, (_, i) => `key-${i}`),
          (key) => Effect.andThen(use("busy"), use(key))
        )
        assert.strictEqual((yield* stateOf("busy")).counts.succeeded, calls)
        assert.strictEqual((yield* held).length, maxKeys)
      }).pipe(under({ maxKeys }))
  )

  it.effect("never drops a circuit that is open, half-open, or under an operator's hand", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* fail("half-open")
      yield* TestClock.adjust("30 seconds")
      yield* hold({ key: "half-open" })
      yield* fail("open")
      yield* breaker.forceClosed("forced")
      yield* breaker.isolate("isolated")
      yield* Effect.forEach(["a", "b", "c", "d"], use)
      assert.deepStrictEqual((yield* held).slice(1), ["forced", "half-open", "isolated", "open"])
    }).pipe(Effect.scoped, under({ ...two, maxKeys: 5 })))

  it.effect("runs the calls of a key unguarded where no other makes room, and says so", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* Effect.forEach(["a", "b"], fail)
      assert.strictEqual(yield* fail("c"), "down")
      assert.strictEqual(yield* fail("c"), "down")
      assert.deepStrictEqual(yield* held, ["a", "b"])
      assert.deepStrictEqual(keysOf("KeyRefused", yield* events), ["c", "c"], "at each call")
      yield* TestClock.adjust("30 seconds")
      yield* use("a")
      yield* TestClock.adjust("50 minutes")
      yield* fail("c")
      assert.deepStrictEqual(yield* held, ["b", "c"], "there is room again")
    }).pipe(under(two)))

  it.effect("forgets circuits that are closed and idle, a few at a time, as new keys come", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* Effect.forEach(Array.from({ length: 10 }, (_, i) => `old-${i}`), use)
      yield* fail("open")
      for (let round = 0; round < 3; round++) {
        yield* TestClock.adjust("1 minute")
        yield* Effect.forEach(Array.from({ length: 10 }, (_, i) => `new-${round}-${i}`), use)
      }
      const forgotten = keysOf("KeyForgotten", yield* events)
      assert.deepStrictEqual(forgotten.filter((key) => key.startsWith("old")).length, 10)
      assert.strictEqual(yield* phaseOf("open"), "Open")
      assert.notInclude(forgotten, "new-2-9")
    }).pipe(under({ tripRule: TripRule.consecutive(1), openDuration: "1 hour", idleTimeToLive: "1 minute" })))

  it.effect("makes a circuit that was forgotten anew, from what the store has of it", () => {
    const store = new TestStore()
    return Effect.gen(function*() {
      yield* Effect.forEach(["a", "b", "c", "a"], use)
      assert.strictEqual(store.reads, 4)
      assert.strictEqual((yield* stateOf("a")).counts.succeeded, 1)
    }).pipe(over(store, two))
  })

  it.effect("lets a late result of a forgotten circuit change nothing and announce nothing", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const call = yield* hold({ key: "a" })
      yield* Effect.forEach(["b", "c", "d"], use)
      assert.include(keysOf("KeyForgotten", yield* events), "a")
      yield* call.fail
      assert.strictEqual(yield* phaseOf("a"), "Closed")
      assert.deepStrictEqual((yield* events).filter((event) => event._tag === "Transition"), [])
    }).pipe(under(two)))

  it.effect("holds also for circuits that an operator or a snapshot brings", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* Effect.forEach(["a", "b", "c", "d"], (key) => Effect.andThen(breaker.reset(key), settled))
      assert.strictEqual((yield* held).length, 2)
    }).pipe(under(two)))

  it.effect("leaves out what a snapshot brings beyond it, and says so", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* fail("a")
      const taken = yield* breaker.snapshot
      const events = yield* listen()
      const circuits = ["a", "b", "c"].flatMap((key) => taken.circuits.map((circuit) => ({ ...circuit, key })))
      yield* breaker.restore({ ...taken, circuits })
      yield* breaker.restore({ ...taken, circuits })
      assert.deepStrictEqual(yield* held, ["a", "b"])
      assert.deepStrictEqual(keysOf("KeyRefused", yield* events), ["c", "c"], "whoever has a place keeps it")
    }).pipe(under(two)))

  it.effect("holds for circuits of before, once an update has lowered it and new keys come", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(["a", "b", "c", "d", "e"], use)
      yield* CircuitBreaker.use((breaker) => breaker.update(two))
      yield* Effect.forEach(["f", "g", "h"], use)
      assert.strictEqual((yield* held).length, 2)
    }).pipe(under({ ...two, maxKeys: 5 })))

  it.effect("lowered far, tells of each circuit that made room once", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const events = yield* listen()
      for (let i = 0; i < 31; i++) yield* use(`busy ${i}`)
      yield* breaker.update({ maxKeys: 2 })
      yield* use("new")
      const forgotten = keysOf("KeyForgotten", yield* events)
      assert.lengthOf(forgotten, 30)
      assert.strictEqual(new Set(forgotten).size, 30)
    }).pipe(under({ maxKeys: 31 })))

  it.effect("lets a holder that found no room for its key let go of nobody else's isolation", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* fail("full")
      const refused = yield* Scope.make()
      const { issues } = yield* Effect.flip(Scope.provide(breaker.isolate("a"), refused))
      const allowed = "more than the circuits that can't make room"
      assert.deepStrictEqual(issues, [{ field: "maxKeys", value: 1, allowed }])
      yield* breaker.reset("full")
      yield* settled // and told
      yield* breaker.isolate("a")
      yield* Scope.close(refused, Exit.void)
      assert.strictEqual((yield* stateOf("a")).override, "ForcedOpen")
    }).pipe(Effect.scoped, under({ ...two, maxKeys: 1 })))
})
