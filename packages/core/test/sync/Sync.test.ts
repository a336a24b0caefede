/** When a process asks its store and tells it: beside calls, and no oftener than there is a reason to. */
import { assert, describe, it } from "@effect/vitest"
import { type Change, CircuitStore, CircuitStoreError, type Policy, TripRule } from "@reclose/core"
import { Effect, Stream } from "effect"
import * as Queue from "effect/Queue"
import { key } from "../support.ts"
import { asked, heard, pass, type Process, put, record, start } from "./processes.ts"

const kept = Effect.provide(CircuitStore.layerMemory)

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const rate: Policy.Policy = {
  ...first,
  tripRule: TripRule.failureRate({ threshold: 0.5, window: "1 minute", minimumCalls: 1_000 })
}

/** A process that hears of changes what a test says. */
const told = Effect.fnUntraced(function*(policy: Policy.Policy = first) {
  const queue = yield* Queue.unbounded<Change>()
  const here = yield* start(policy, { changes: Stream.fromQueue(queue) })
  const changed = (version: number, generation = 0, of = key) =>
    Effect.andThen(Queue.offer(queue, { _tag: "Changed", key: of, version, generation }), heard)
  return { here, changed, missed: Effect.andThen(Queue.offer(queue, { _tag: "Missed" }), heard) }
})

/** How often a process asks the store while something goes on. */
const asks = <A, E, R>(process: Process, meanwhile: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const before = yield* asked(process)
    yield* meanwhile
    return (yield* asked(process)) - before
  })

describe("a change that the store tells of", () => {
  it.effect("of a phase is asked for at once", () =>
    Effect.gen(function*() {
      const { changed, here } = yield* told()
      yield* here.succeed
      yield* put({})
      yield* changed(1)
      yield* put({ generation: 3, phase: { _tag: "Open", openings: 1, duration: 9_000, remaining: 9_000 } })
      assert.strictEqual(yield* asks(here, changed(2, 3)), 1)
      assert.strictEqual(yield* here.phase, "Open")
    }).pipe(kept))

  it.effect("of counts is asked for a second after the store was last heard", () =>
    Effect.gen(function*() {
      const { changed, here } = yield* told()
      yield* here.succeed
      yield* put({})
      yield* changed(1)
      yield* pass("1 second")
      yield* put({})
      assert.strictEqual(yield* asks(here, changed(2)), 1, "it was not heard for a second")
      yield* put({})
      assert.strictEqual(yield* asks(here, Effect.andThen(changed(3), pass("990 millis"))), 0)
      assert.strictEqual(yield* asks(here, pass("10 millis")), 1)
    }).pipe(kept))

  it.effect("of counts is in less of a hurry where nothing is called: two seconds", () =>
    Effect.gen(function*() {
      const { changed, here, missed } = yield* told()
      yield* here.succeed
      yield* missed
      yield* pass("6 minutes")
      yield* put({})
      assert.strictEqual(yield* asks(here, Effect.andThen(changed(1), pass("1990 millis"))), 0)
      assert.strictEqual(yield* asks(here, pass("10 millis")), 1)
    }).pipe(kept))

  it.effect("is not asked for where it is known, or of a circuit that nobody uses here", () =>
    Effect.gen(function*() {
      const { changed, here } = yield* told()
      yield* put({ generation: 3 })
      yield* here.succeed
      yield* heard
      const asking = Effect.gen(function*() {
        yield* changed(1, 3)
        yield* changed(0, 9)
        yield* changed(9, 9, "other")
        yield* pass("5 seconds")
      })
      assert.strictEqual(yield* asks(here, asking), 0)
    }).pipe(kept))

  it.effect("is asked for once, though it is gone by then", () =>
    Effect.gen(function*() {
      const { changed, here } = yield* told()
      yield* here.succeed
      yield* put({})
      assert.strictEqual(yield* asks(here, Effect.andThen(changed(9, 9), pass("5 seconds"))), 1)
    }).pipe(kept))

  it.effect("is no reason to read before the process tells something later", () =>
    Effect.gen(function*() {
      const { changed, here } = yield* told()
      yield* here.succeed
      yield* put({ generation: 3 })
      yield* changed(1, 3)
      const reads = yield* here.way.count("read")
      yield* here.breaker.reset(key)
      yield* heard
      assert.isAbove((yield* record)?.generation ?? 0, 3)
      assert.strictEqual(yield* here.way.count("read"), reads)
    }).pipe(kept))

  it.effect("of one's own is not asked for, though it is told of before the answer", () =>
    Effect.gen(function*() {
      const here = yield* start(first)
      yield* here.fail
      yield* heard
      const reads = yield* here.way.count("read")
      yield* here.way.decide(() => ({ _tag: "Deliver", answerDelay: "100 millis" }))
      yield* here.breaker.reset(key)
      yield* pass("1 second")
      assert.strictEqual((yield* record)?.phase._tag, "Closed")
      assert.strictEqual(yield* here.way.count("read"), reads)
    }).pipe(kept))

  it.effect("and that is later than what was read, is asked for again", () =>
    Effect.gen(function*() {
      const { changed, here } = yield* told()
      yield* here.succeed
      yield* here.way.next("read", { _tag: "Deliver", answerDelay: "100 millis" })
      yield* put({ generation: 3 })
      yield* changed(1, 3)
      yield* put({ generation: 4, phase: { _tag: "Open", openings: 1, duration: 9_000, remaining: 9_000 } })
      yield* changed(2, 4)
      yield* pass("100 millis")
      assert.strictEqual(yield* here.phase, "Open")
      assert.strictEqual(yield* asks(here, pass("5 seconds")), 0)
    }).pipe(kept))

  it.effect("and was missed lets the process ask for all circuits in use, and for no other", () =>
    Effect.gen(function*() {
      const { here, missed } = yield* told()
      yield* here.succeed
      yield* here.breaker.withBreaker(Effect.void, "other")
      yield* Effect.forkScoped(here.breaker.isolate("isolated"), { startImmediately: true })
      yield* here.way.decide(() => ({ _tag: "Deliver", answerDelay: "100 millis" }))
      assert.strictEqual(yield* asks(here, missed), 2, "all at once")
      yield* pass("4 minutes")
      yield* here.succeed
      yield* missed
      yield* pass("2 minutes")
      assert.strictEqual(yield* asks(here, missed), 1, "the other one was called six minutes ago")
    }).pipe(kept))

  it.effect("and was missed is asked for of an open circuit, though nobody calls", () =>
    Effect.gen(function*() {
      const { here, missed } = yield* told({ ...first, openDuration: "1 hour" })
      yield* here.fail
      yield* missed
      yield* pass("20 minutes")
      assert.strictEqual(yield* asks(here, missed), 1)
    }).pipe(kept))
})

describe("a store that stops to tell of changes", () => {
  it.effect("is listened to again after two seconds, and asked for what was missed; a failure is told of", () =>
    Effect.gen(function*() {
      let listened = 0
      const broken = new CircuitStoreError({ key: "", operation: "changes", reason: "Unavailable", message: "down" })
      const changes = Stream.suspend(() => ++listened === 1 ? Stream.fail(broken) : Stream.empty)
      const here = yield* start(first, { changes })
      assert.strictEqual(listened, 1)
      yield* here.succeed
      assert.strictEqual(yield* asks(here, pass("1990 millis")), 0)
      assert.strictEqual(listened, 1)
      assert.strictEqual(yield* asks(here, pass("10 millis")), 1)
      assert.strictEqual(listened, 2)
      yield* pass("2 seconds")
      assert.strictEqual(listened, 3)
      const failed = here.events.filter(({ _tag }) => _tag === "StoreFailed")
      assert.deepStrictEqual(failed, [{ _tag: "StoreFailed", key: "", operation: "changes", cause: broken }])
    }).pipe(kept))
})

describe("a process that knows that somebody fails", () => {
  it.effect("tells every second how its own calls went", () =>
    Effect.gen(function*() {
      const [here, there] = [yield* start(rate), yield* start(rate)]
      yield* here.succeed
      yield* there.succeed
      yield* here.fail
      yield* pass("2 seconds")
      const before = yield* there.way.count("replace")
      yield* Effect.replicateEffect(there.succeed, 3)
      yield* pass("1 second")
      assert.strictEqual((yield* there.way.count("replace")) - before, 1)
    }).pipe(kept))

  it.effect("has nothing to say of successes from before the failure", () =>
    Effect.gen(function*() {
      const policy = { ...first, tripRule: TripRule.consecutive(100) }
      const [here, there] = [yield* start(policy), yield* start(policy)]
      yield* there.succeed
      yield* here.fail
      yield* pass("5 seconds")
      yield* here.succeed
      yield* pass("5 seconds")
      yield* here.succeed
      yield* pass("5 seconds")
      yield* there.fail
      yield* pass("10 seconds")
      assert.deepStrictEqual((yield* record)?.evidence, [{ _tag: "Consecutive", failures: 1 }])
    }).pipe(kept))
})

describe("a process", () => {
  it.effect("tells an operator's act at once, whatever else has time", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, tripRule: TripRule.consecutive(100) })
      yield* here.fail
      yield* heard
      yield* here.breaker.metricsOnly(key)
      yield* here.fail
      yield* heard
      assert.strictEqual((yield* record)?.override, "MetricsOnly")
    }).pipe(kept))

  it.effect("tells at once what came up while it was telling something else", () =>
    Effect.gen(function*() {
      const here = yield* start(first)
      yield* here.way.decide(({ kind }) => ({
        _tag: "Deliver",
        ...(kind === "replace" ? { answerDelay: "200 millis" } : {})
      }))
      yield* here.fail
      yield* heard
      yield* here.breaker.metricsOnly(key)
      yield* heard
      assert.strictEqual((yield* record)?.override, "None")
      yield* pass("200 millis")
      assert.strictEqual((yield* record)?.override, "MetricsOnly")
    }).pipe(kept))

  it.effect("that is frozen has told an operator's act when it has flushed", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, background: false })
      yield* here.succeed
      yield* here.breaker.forceOpen(key)
      yield* here.breaker.flush
      assert.strictEqual((yield* record)?.override, "ForcedOpen")
    }).pipe(kept))

  it.effect("that has just looked tells its first failure at once all the same", () =>
    Effect.gen(function*() {
      const { here, missed } = yield* told({ ...first, tripRule: TripRule.consecutive(100) })
      yield* here.succeed
      yield* missed
      yield* here.fail
      yield* heard
      assert.deepStrictEqual((yield* record)?.evidence, [{ _tag: "Consecutive", failures: 1 }])
    }).pipe(kept))

  it.effect("goes by a policy from its update on", () =>
    Effect.gen(function*() {
      const here = yield* start(first)
      yield* here.succeed
      yield* here.breaker.update({ ...first, idleTimeToLive: "10 minutes" })
      yield* here.fail
      yield* heard
      assert.strictEqual((yield* record)?.timeToLive, 630_000)
    }).pipe(kept))

  it.effect("flushes all circuits at once", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...first, background: false })
      yield* here.way.decide(({ kind }) => ({
        _tag: "Deliver",
        ...(kind === "replace" ? { answerDelay: "200 millis" } : {})
      }))
      for (const key of ["a", "b", "c"]) yield* Effect.flip(here.breaker.withBreaker(Effect.fail("down"), key))
      const flush = yield* Effect.forkChild(here.breaker.flush, { startImmediately: true })
      yield* pass("200 millis")
      assert.isDefined(flush.pollUnsafe())
      assert.strictEqual(yield* here.way.count("replace"), 3)
    }).pipe(kept))

  it.effect("has a name of its own in the records that it writes", () =>
    Effect.gen(function*() {
      const processes = yield* Effect.replicateEffect(start({ ...first, tripRule: TripRule.consecutive(100) }), 3)
      for (const { fail } of processes) {
        yield* fail
        yield* pass("3 seconds")
      }
      const names = (yield* record)?.failing.map(([process]) => process) ?? []
      assert.strictEqual(new Set(names).size, 3)
      for (const name of names) assert.match(name, /^[0-9a-z]{1,8}$/)
    }).pipe(kept))

  it.effect("that learns on first use that somebody fails tells how its own call went, within a second", () =>
    Effect.gen(function*() {
      const [here, there] = [yield* start(rate), yield* start(rate)]
      yield* here.fail
      yield* heard
      yield* there.succeed
      yield* heard
      assert.strictEqual(yield* there.way.count("replace"), 0)
      yield* pass("1 second")
      assert.strictEqual(yield* there.way.count("replace"), 1)
    }).pipe(kept))
})
