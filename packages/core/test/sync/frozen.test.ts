/** Processes that are frozen between calls: nothing is done but beside calls, and when `flush` asks for it. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitOpen, CircuitStore, type Policy, TripRule } from "@reclose/core"
import { FaultyStore } from "@reclose/core/testing"
import { Clock, Effect, Exit, Fiber, Scope } from "effect"
import { key } from "../support.ts"
import { asked, heard, pass, record, start } from "./processes.ts"

const kept = Effect.provide(CircuitStore.layerMemory)

const awake: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }
const frozen: Policy.Policy = { ...awake, background: false }

/** Counts the timers that are set from here on, and lets the machine sleep: the wall clock goes on meanwhile. */
const withTimers = <A, E, R>(test: (timers: () => number, sleep: (millis: number) => void) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Clock.Clock, (clock) => {
    let timers = 0
    let slept = 0
    const counting: Clock.Clock = {
      ...clock,
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + slept,
      sleep: (duration) =>
        Effect.suspend(() => {
          timers++
          return Effect.ensuring(clock.sleep(duration), Effect.sync(() => timers--))
        })
    }
    return Effect.provideService(test(() => timers, (millis) => slept += millis), Clock.Clock, counting)
  })

describe("a process without background work", () => {
  it.effect("sets no timer that outlives an exchange", () =>
    withTimers((timers) =>
      Effect.gen(function*() {
        const here = yield* start({ ...frozen, tripRule: TripRule.consecutive(5) })
        yield* here.succeed
        yield* here.fail
        yield* heard
        assert.strictEqual(timers(), 0)
        yield* here.way.decide(() => ({ _tag: "Fail" }))
        yield* here.fail
        yield* here.breaker.flush
        yield* heard
        assert.strictEqual(timers(), 0)
      })
    ).pipe(kept))

  it.effect("reads a key on its first use, once", () =>
    Effect.gen(function*() {
      const here = yield* start(frozen)
      yield* here.succeed
      yield* heard
      yield* here.succeed
      yield* heard
      assert.strictEqual(yield* asked(here), 1)
    }).pipe(kept))

  it.effect("asks nothing between calls, and again beside the first call after two seconds", () =>
    Effect.gen(function*() {
      const here = yield* start(frozen)
      yield* here.succeed
      yield* heard
      const before = yield* asked(here)
      yield* pass("10 seconds")
      assert.strictEqual(yield* asked(here), before)
      yield* here.succeed
      yield* heard
      assert.strictEqual((yield* asked(here)) - before, 1)
      yield* here.succeed
      yield* heard
      assert.strictEqual((yield* asked(here)) - before, 1)
    }).pipe(kept))

  it.effect("asks once, however many calls find that it is time", () =>
    Effect.gen(function*() {
      const here = yield* start(frozen)
      yield* here.succeed
      yield* heard
      yield* pass("3 seconds")
      yield* here.way.decide(() => ({ _tag: "Deliver", answerDelay: "100 millis" }))
      const before = yield* asked(here)
      yield* Effect.replicateEffect(Effect.forkChild(here.succeed, { startImmediately: true }), 50)
      yield* pass("50 millis")
      yield* Effect.replicateEffect(Effect.forkChild(here.succeed, { startImmediately: true }), 50)
      yield* pass("200 millis")
      assert.strictEqual((yield* asked(here)) - before, 1)
    }).pipe(kept))

  it.effect("hears of an opening beside a call: the one after it is rejected", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(frozen), start(awake)])
      yield* here.succeed
      yield* there.fail
      yield* pass("3 seconds")
      assert.strictEqual(yield* here.succeed, "42")
      yield* heard
      assert.instanceOf(yield* here.succeed, CircuitOpen)
    }).pipe(kept))

  it.effect("that slept for long waits for the store before its next call, as on the first use", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(frozen), start({ ...awake, openDuration: "10 minutes" })])
      yield* here.succeed
      yield* there.fail
      yield* pass("30 seconds")
      assert.instanceOf(yield* here.succeed, CircuitOpen)
    }).pipe(kept))

  it.effect("asks before a call though its own clock stood still, if its machine has slept for a quarter of a second", () =>
    withTimers((_, sleep) =>
      Effect.gen(function*() {
        const [here, there] = yield* Effect.all([start(frozen), start({ ...awake, openDuration: "10 minutes" })])
        yield* here.succeed
        yield* there.fail
        yield* pass("2500 millis")
        sleep(249)
        assert.strictEqual(yield* here.succeed, "42", "beside the call")
        yield* heard
        yield* there.breaker.reset(key)
        yield* pass("2500 millis")
        sleep(1)
        assert.instanceOf(yield* here.succeed, CircuitOpen, "known since, and still beside the call")
        yield* heard
        assert.strictEqual(yield* here.succeed, "42")
        yield* there.fail
        yield* pass("2500 millis")
        sleep(250)
        assert.instanceOf(yield* here.succeed, CircuitOpen, "before it")
      })
    ).pipe(kept))

  it.effect("asks before a call also if it had asked right before its machine slept", () =>
    withTimers((_, sleep) =>
      Effect.gen(function*() {
        const [here, there] = yield* Effect.all([start(frozen), start({ ...awake, openDuration: "10 minutes" })])
        yield* here.succeed
        yield* there.fail
        yield* heard
        sleep(5 * 60_000)
        assert.instanceOf(yield* here.succeed, CircuitOpen)
      })
    ).pipe(kept))

  it.effect("finds an opening over that its machine has slept through", () =>
    withTimers((_, sleep) =>
      Effect.gen(function*() {
        const slept = { millis: 0 }
        const store = yield* CircuitStore
        const later: typeof store = {
          ...store,
          read: (key) => Effect.map(store.read(key), (seen) => ({ ...seen, time: seen.time + slept.millis })),
          replace: (key, seen, next) =>
            Effect.map(store.replace(key, seen, next), (replaced) =>
              replaced._tag === "Replaced"
                ? { ...replaced, time: replaced.time + slept.millis }
                : { ...replaced, seen: { ...replaced.seen, time: replaced.seen.time + slept.millis } })
        }
        const here = yield* Effect.provideService(start(frozen), CircuitStore, later)
        yield* here.succeed
        yield* here.fail
        yield* here.breaker.flush
        assert.instanceOf(yield* here.succeed, CircuitOpen)
        sleep(60_000)
        slept.millis = 60_000
        assert.strictEqual(yield* here.succeed, "42")
        assert.strictEqual(yield* here.phase, "Closed")
      })
    ).pipe(kept))

  it.effect("takes no answer for news that its machine slept upon, and asks again", () =>
    withTimers((_, sleep) =>
      Effect.gen(function*() {
        const [here, there] = yield* Effect.all([start(frozen), start({ ...awake, openDuration: "10 minutes" })])
        yield* here.succeed
        yield* pass("3 seconds")
        yield* here.way.next("read", { _tag: "Deliver", answerDelay: "20 millis" })
        assert.strictEqual(yield* here.succeed, "42", "and asks beside it")
        yield* heard
        yield* there.fail
        yield* heard
        sleep(5 * 60_000)
        yield* pass("20 millis")
        assert.instanceOf(yield* here.succeed, CircuitOpen)
      })
    ).pipe(kept))

  it.effect("waits once before a call for a store that fails, however soon it may be asked again", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...frozen, refreshEvery: "10 millis" })
      yield* here.succeed
      yield* pass("1 second")
      yield* here.way.decide(() => ({ _tag: "Fail", answerDelay: "50 millis" }))
      const call = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* pass("50 millis")
      assert.strictEqual(yield* Fiber.join(call), "42")
    }).pipe(kept))

  it.effect("waits for what it has to ask before a call for a tenth of a second, and not again for two seconds", () =>
    Effect.gen(function*() {
      const here = yield* start(frozen)
      yield* here.succeed
      yield* pass("20 seconds")
      yield* here.way.partition
      const late = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* pass("99 millis")
      assert.isUndefined(late.pollUnsafe())
      yield* pass("1 millis")
      assert.strictEqual(yield* Fiber.join(late), "42")
      assert.strictEqual(yield* here.succeed, "42", "at once")
      yield* pass("1900 millis")
      const again = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* heard
      assert.isUndefined(again.pollUnsafe())
      yield* here.way.heal
      yield* pass("100 millis")
      yield* Fiber.join(again)
    }).pipe(kept))

  it.effect("knows what it was told less than twenty seconds ago well enough not to wait", () =>
    Effect.gen(function*() {
      const here = yield* start(frozen)
      yield* here.succeed
      yield* pass("19990 millis")
      yield* here.way.partition
      assert.strictEqual(yield* here.succeed, "42")
      yield* here.way.heal
      yield* pass("1 second")
    }).pipe(kept))

  it.effect("that slept for long asks anew, though it had asked before", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(frozen), start({ ...awake, openDuration: "10 minutes" })])
      yield* here.succeed
      yield* pass("3 seconds")
      yield* here.succeed
      yield* heard
      yield* there.fail
      yield* pass("30 seconds")
      assert.instanceOf(yield* here.succeed, CircuitOpen)
    }).pipe(kept))

  it.effect("asks again beside a call two seconds after it was asked, and not before", () =>
    Effect.gen(function*() {
      const here = yield* start(frozen)
      yield* here.succeed
      yield* heard
      const before = yield* asked(here)
      yield* pass("1750 millis")
      yield* here.succeed
      yield* heard
      assert.strictEqual(yield* asked(here), before)
      yield* pass("250 millis")
      yield* here.succeed
      yield* heard
      assert.strictEqual(yield* asked(here), before + 1)
    }).pipe(kept))

  it.effect("tells what was not due yet beside the first call after it is", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...frozen, tripRule: TripRule.failures({ failures: 100, window: "1 minute" }) })
      const told = Effect.map(record, (record) => {
        const [count] = record?.evidence ?? []
        return count?._tag === "Time" ? count.buckets.reduce((sum, [, , hits]) => sum + hits, 0) : 0
      })
      yield* here.fail
      yield* heard
      yield* here.fail
      yield* pass("750 millis")
      yield* here.succeed
      yield* heard
      assert.strictEqual(yield* told, 1)
      yield* pass("250 millis")
      assert.strictEqual(yield* told, 1)
      yield* here.succeed
      yield* heard
      assert.strictEqual(yield* told, 2)
    }).pipe(kept))

  it.effect("tells of a change of phase beside the call", () =>
    Effect.gen(function*() {
      const here = yield* start(frozen)
      yield* here.fail
      yield* heard
      assert.strictEqual((yield* record)?.phase._tag, "Open")
    }).pipe(kept))

  it.effect("tells with flush what is not due yet, and flush answers when it is done", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...frozen, tripRule: TripRule.consecutive(5) })
      yield* here.fail
      yield* here.breaker.flush
      yield* here.fail
      yield* here.fail
      yield* heard
      yield* here.breaker.flush
      assert.deepStrictEqual((yield* record)?.evidence, [{ _tag: "Consecutive", failures: 3 }])
      const before = yield* asked(here)
      yield* here.breaker.flush
      yield* here.breaker.flush
      assert.isAtMost((yield* asked(here)) - before, 1, "there is nothing to tell")
    }).pipe(kept))

  it.effect("keeps nothing to tell of circuits that it has forgotten, however many there were", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      let looks = 0
      const looking: typeof store = {
        ...store,
        share: (register, options) => {
          const { host } = options
          const counting: typeof host = Object.create(host, {
            get: {
              value: (key: string) => {
                looks++
                return host.get(key)
              }
            }
          })
          return store.share(register, { ...options, host: counting })
        }
      }
      const policy = { ...frozen, tripRule: TripRule.consecutive(1_000), maxKeys: 10 }
      const breaker = yield* Effect.provideService(CircuitBreaker.make(policy), CircuitStore, looking)
      const failing = (key: string) => Effect.exit(breaker.withBreaker(Effect.fail("down"), key))
      for (let i = 0; i < 100; i++) {
        yield* failing(`customer-${i}`)
        yield* heard
        yield* failing(`customer-${i}`)
      }
      looks = 0
      yield* breaker.flush
      assert.isAtLeast(looks, 10, "those it has")
      assert.isAtMost(looks, 50)
    }).pipe(kept))

  it.effect("waits for flush no longer than half a second", () =>
    Effect.gen(function*() {
      const here = yield* start(frozen)
      yield* here.fail
      yield* here.way.partition
      yield* here.breaker.reset(key)
      const flush = yield* Effect.forkChild(here.breaker.flush, { startImmediately: true })
      yield* pass("499 millis")
      assert.isUndefined(flush.pollUnsafe())
      yield* pass("1 millis")
      yield* Fiber.join(flush)
      yield* here.way.heal
    }).pipe(kept))

  it.effect("asks a store that is down ever less often, however many calls come", () =>
    Effect.gen(function*() {
      const here = yield* start(frozen)
      yield* here.succeed
      yield* heard
      yield* here.way.decide(() => ({ _tag: "Fail" }))
      const before = yield* asked(here)
      for (let i = 0; i < 240; i++) {
        yield* here.succeed
        yield* pass("250 millis")
      }
      assert.isAtMost((yield* asked(here)) - before, 40)
    }).pipe(kept))
})

describe("a process with background work", () => {
  it.effect("is told the same by flush", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...awake, tripRule: TripRule.consecutive(5) })
      yield* here.fail
      yield* heard
      yield* here.fail
      yield* here.breaker.flush
      assert.deepStrictEqual((yield* record)?.evidence, [{ _tag: "Consecutive", failures: 2 }])
    }).pipe(kept))

  it.effect("asks a store that tells of no changes every two seconds, for the circuits in use", () =>
    Effect.gen(function*() {
      const [here, there] = yield* Effect.all([start(awake, { changes: undefined }), start(awake)])
      yield* here.succeed
      yield* there.fail
      yield* pass("3 seconds")
      assert.instanceOf(yield* here.succeed, CircuitOpen)
      const before = yield* asked(here)
      yield* pass("20 seconds")
      const reads = (yield* asked(here)) - before
      assert.isTrue(reads >= 9 && reads <= 11, `${reads}`)
    }).pipe(kept))

  it.effect("ends with its scope: what it is used for afterwards reaches no store", () =>
    Effect.gen(function*() {
      const here = yield* Effect.scoped(start(awake))
      const before = yield* asked(here)
      yield* here.fail
      yield* pass("5 seconds")
      assert.isAtMost((yield* asked(here)) - before, 1, "the first use reads")
      assert.isUndefined(yield* record)
      yield* pass("30 seconds")
      assert.strictEqual(yield* here.succeed, "42", "it probes by itself")
      assert.strictEqual(yield* here.phase, "Closed")
    }).pipe(kept))

  it.effect("gives back what is granted, while its scope ends, to a call that has gone", () =>
    Effect.gen(function*() {
      const way = yield* FaultyStore.make()
      const scope = yield* Scope.make()
      const breaker = yield* Effect.provideService(CircuitBreaker.make(awake), CircuitStore, way.store).pipe(
        Scope.provide(scope)
      )
      yield* Effect.exit(breaker.withBreaker(Effect.fail("down"), key))
      yield* pass("30 seconds")
      yield* way.next("replace", { _tag: "Deliver", answerDelay: "50 millis" })
      const call = yield* Effect.forkChild(breaker.withBreaker(Effect.void, key), { startImmediately: true })
      yield* heard
      yield* Fiber.interrupt(call)
      const end = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* pass("50 millis")
      yield* Fiber.join(end)
      assert.deepInclude((yield* record)?.phase, { _tag: "HalfOpen", probes: [], nextProbe: 1 })
    }).pipe(kept))

  it.effect("ends with its scope, also where a store that is down was to be asked again", () =>
    Effect.gen(function*() {
      const way = yield* FaultyStore.make()
      yield* Effect.scoped(Effect.gen(function*() {
        const here = yield* start(awake)
        yield* here.succeed
        yield* way.decide(() => ({ _tag: "Fail" }))
        yield* here.fail
        yield* pass("10 seconds")
      })).pipe(Effect.provideService(CircuitStore, way.store))
      yield* way.decide(() => ({ _tag: "Deliver" }))
      const before = yield* way.count()
      yield* pass("1 minute")
      assert.strictEqual(yield* way.count(), before)
      assert.isUndefined(yield* record)
    }).pipe(kept))
})
