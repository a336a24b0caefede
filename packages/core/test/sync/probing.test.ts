/** Probes: the one thing that waits for the store, so that a fleet sends no more of them than its policy says. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitOpen, CircuitStore, type Policy, TripRule } from "@reclose/core"
import type { Fate } from "@reclose/core/testing"
import { Deferred, Duration, Effect, Fiber } from "effect"
import { key, transitionsOf } from "../support.ts"
import { asked, heard, pass, type Process, put, record, start } from "./processes.ts"

const kept = Effect.provide(CircuitStore.layerMemory)

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

/** Processes that all know of an opening whose time is up. */
const elapsed = Effect.fnUntraced(function*(count: number, policy: Policy.Policy = first) {
  const processes = yield* Effect.replicateEffect(start(policy), count)
  yield* Effect.forEach(processes, ({ succeed }) => succeed)
  yield* processes[0]?.fail ?? Effect.void
  yield* heard
  yield* pass("30 seconds")
  return processes
})

const elapsedPair = (policy?: Policy.Policy) =>
  Effect.map(elapsed(2, policy), ([here, there]) => {
    if (here === undefined || there === undefined) throw new Error("two were started")
    return [here, there] as const
  })

/** A call that is under way until its gate opens. */
const held = Effect.fnUntraced(function*({ breaker }: Process) {
  const gate = yield* Deferred.make<string, string>()
  let isRunning = false
  const call = Effect.andThen(Effect.sync(() => isRunning = true), Deferred.await(gate))
  const fiber = yield* Effect.forkChild(Effect.exit(breaker.withBreaker(call, key)), { startImmediately: true })
  yield* heard
  return { fiber, gate, isRunning: () => isRunning }
})

describe("an opening whose time is up", () => {
  it.effect("lets one call through in all processes together, and its success closes them all", () =>
    Effect.gen(function*() {
      const processes = yield* elapsed(5)
      const calls = yield* Effect.forEach(processes, held)
      const [probe, ...others] = calls.filter(({ isRunning }) => isRunning())
      assert.isDefined(probe)
      assert.strictEqual(others.length, 0)
      for (const { succeed } of processes) {
        const rejected = yield* succeed
        assert.isTrue(rejected instanceof CircuitOpen && rejected.reason === "Probing")
      }
      if (probe !== undefined) yield* Deferred.succeed(probe.gate, "42")
      yield* pass("2 seconds")
      for (const { phase } of processes) assert.strictEqual(yield* phase, "Closed")
    }).pipe(kept))

  it.effect("opens for all again with a failed probe", () =>
    Effect.gen(function*() {
      const [here, there] = yield* elapsedPair()
      assert.strictEqual(yield* there.fail, "down")
      yield* heard
      const rejected = yield* here.succeed
      assert.isTrue(rejected instanceof CircuitOpen && rejected.consecutiveOpenings === 2)
    }).pipe(kept))

  it.effect("lets exactly one of a thousand calls through that come at once, and rejects the others without waiting", () =>
    Effect.gen(function*() {
      const processes = yield* elapsed(4)
      for (const { way } of processes) yield* way.decide(() => ({ _tag: "Deliver", answerDelay: "20 millis" }))
      let running = 0
      const call = Effect.andThen(Effect.sync(() => running++), Effect.never)
      const before = yield* Effect.forEach(processes, ({ way }) => way.count("replace"))
      const fibers = yield* Effect.forEach(processes, ({ breaker }) =>
        Effect.replicateEffect(
          Effect.forkScoped(Effect.exit(breaker.withBreaker(call, key)), { startImmediately: true }),
          250
        ))
      const over = fibers.flat().filter((fiber) => fiber.pollUnsafe() !== undefined).length
      assert.strictEqual(over, 4 * 249, "all but one of each process")
      yield* pass("2 seconds")
      assert.strictEqual(running, 1)
      assert.strictEqual(fibers.flat().filter((fiber) => fiber.pollUnsafe() === undefined).length, 1)
      const after = yield* Effect.forEach(processes, ({ way }) => way.count("replace"))
      assert.isAtMost(
        after.reduce((sum, count, i) => sum + count - (before[i] ?? 0), 0),
        8,
        "nor does the store notice"
      )
    }).pipe(kept))

  it.effect("rejects while others ask the store, for as long as a trial may last", () =>
    Effect.gen(function*() {
      const [here] = yield* elapsedPair({ ...first, halfOpen: { maxDuration: "20 seconds" } })
      yield* here.way.decide(() => ({ _tag: "Deliver", answerDelay: "20 millis" }))
      const asking = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      const rejected = yield* here.succeed
      assert.instanceOf(rejected, CircuitOpen)
      assert.deepInclude(rejected, {
        phase: "HalfOpen",
        reason: "Probing",
        retryAfter: Duration.seconds(20),
        consecutiveOpenings: 1
      })
      yield* pass("1 second")
      assert.strictEqual(yield* Fiber.join(asking), "42")
    }).pipe(kept))

  it.effect("rejects nothing while others ask, under an override that only measures; such calls decide nothing", () =>
    Effect.gen(function*() {
      const [here] = yield* elapsedPair()
      yield* here.breaker.metricsOnly(key)
      yield* pass("1 second")
      yield* here.way.decide(() => ({ _tag: "Deliver", answerDelay: "20 millis" }))
      const asking = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      assert.strictEqual(yield* here.fail, "down")
      assert.strictEqual(asking.pollUnsafe(), undefined)
      yield* pass("1 second")
      assert.strictEqual(yield* Fiber.join(asking), "42")
      assert.strictEqual(yield* here.phase, "Closed", "the probe alone decides")
    }).pipe(kept))

  it.effect("rejects nothing under such an override either, where others are faster each time that it asks", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      const [here] = yield* elapsedPair()
      yield* here.breaker.metricsOnly(key)
      yield* pass("1 second")
      yield* here.way.decide(({ kind }) => {
        if (kind === "replace") Effect.runSync(Effect.provideService(put({}), CircuitStore, store))
        return { _tag: "Deliver" }
      })
      assert.strictEqual(yield* here.succeed, "42")
    }).pipe(kept))

  it.effect.each(["disable", "forceOpen"] as const)(
    "asks the store for no probe under an operator's %s",
    (act) =>
      Effect.gen(function*() {
        const [here] = yield* elapsedPair()
        yield* here.breaker[act](key)
        yield* pass("1 second")
        const before = yield* asked(here)
        yield* here.succeed
        yield* heard
        assert.strictEqual(yield* asked(here), before)
        assert.strictEqual(yield* here.phase, "Open")
      }).pipe(kept)
  )

  it.effect("and that others were granted all of rejects, once the store has said so", () =>
    Effect.gen(function*() {
      const [here, there] = yield* elapsedPair({ ...first, halfOpen: { maxDuration: "20 seconds" } })
      yield* here.way.decide(({ kind }) => ({ _tag: kind === "change" ? "LoseAnswer" : "Deliver" }))
      const { isRunning } = yield* held(there)
      assert.isTrue(isRunning())
      yield* pass("5 seconds")
      const rejected = yield* here.succeed
      assert.instanceOf(rejected, CircuitOpen)
      assert.deepInclude(rejected, { phase: "HalfOpen", reason: "Probing", retryAfter: Duration.seconds(15) })
    }).pipe(kept))

  it.effect("lets through as many as the policy says, in whatever processes they come", () =>
    Effect.gen(function*() {
      const policy = { ...first, halfOpen: { permits: 3, successThreshold: 3, maxDuration: "1 minute" } } as const
      const processes = yield* elapsed(5, policy)
      const calls = yield* Effect.forEach(processes, held)
      const probes = calls.filter(({ isRunning }) => isRunning())
      assert.strictEqual(probes.length, 3)
      for (const [i, { gate }] of probes.entries()) {
        assert.strictEqual((yield* record)?.phase._tag, "HalfOpen", `after ${i}`)
        yield* Deferred.succeed(gate, "42")
        yield* pass("1 second")
      }
      for (const { phase } of processes) assert.strictEqual(yield* phase, "Closed")
    }).pipe(kept))

  it.effect("is found closed by a process that has not heard of it: its call is no probe", () =>
    Effect.gen(function*() {
      const [here, there] = yield* elapsedPair()
      yield* here.way.decide(({ kind }) => ({ _tag: kind === "change" ? "LoseAnswer" : "Deliver" }))
      assert.strictEqual(yield* there.succeed, "42")
      yield* heard
      assert.strictEqual(yield* here.succeed, "42")
      yield* heard
      assert.deepStrictEqual(transitionsOf(here.events).slice(-1), ["Open → Closed: Learned"])
    }).pipe(kept))
})

describe("a probe", () => {
  it.effect("that never comes back is over at its deadline, and another process may try", () =>
    Effect.gen(function*() {
      const policy: Policy.Policy = { ...first, halfOpen: { maxDuration: "10 seconds" } }
      const [here, there] = yield* elapsedPair(policy)
      assert.isTrue((yield* held(here)).isRunning())
      yield* pass("9 seconds")
      assert.instanceOf(yield* there.succeed, CircuitOpen)
      yield* pass("62 seconds")
      assert.strictEqual(yield* there.succeed, "42")
      assert.strictEqual(yield* there.phase, "Closed")
    }).pipe(kept))

  it.effect("that comes back in a later trial says nothing of the probe that has its number there", () =>
    Effect.gen(function*() {
      const [here] = yield* elapsedPair({ ...first, halfOpen: { maxDuration: "10 seconds" } })
      const late = yield* held(here)
      yield* pass("72 seconds")
      const probe = yield* held(here)
      assert.isTrue(probe.isRunning())
      yield* Deferred.succeed(late.gate, "42")
      yield* pass("5 seconds")
      assert.strictEqual(yield* here.phase, "HalfOpen")
      assert.deepInclude((yield* record)?.phase, { _tag: "HalfOpen", probes: [0] })
    }).pipe(kept))

  it.effect("that was granted to a call which went away meanwhile is given back", () =>
    Effect.gen(function*() {
      const [here, there] = yield* elapsedPair()
      yield* here.way.decide(({ kind }) => ({
        _tag: "Deliver",
        ...(kind === "replace" ? { answerDelay: "100 millis" } : {})
      }))
      const call = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* pass("50 millis")
      assert.strictEqual((yield* record)?.phase._tag, "HalfOpen")
      yield* Fiber.interrupt(call)
      assert.instanceOf(yield* there.succeed, CircuitOpen, "granted")
      yield* pass("2 seconds")
      assert.strictEqual(yield* there.succeed, "42", "given back")
    }).pipe(kept))

  it.effect("that was granted to a call which went away, by an answer that was lost, is given back once it is known", () =>
    Effect.gen(function*() {
      const [here, there] = yield* elapsedPair({ ...first, halfOpen: { maxDuration: "1 hour" } })
      yield* here.way.next("replace", { _tag: "LoseAnswer" })
      const call = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* heard
      yield* Fiber.interrupt(call)
      assert.deepInclude((yield* record)?.phase, { _tag: "HalfOpen", probes: [0] })
      yield* pass("5 seconds")
      assert.deepInclude((yield* record)?.phase, { _tag: "HalfOpen", probes: [] })
      assert.strictEqual(yield* there.succeed, "42")
    }).pipe(kept))

  it.effect("that was granted twice over, by an answer to a repeated write, is made once", () =>
    Effect.gen(function*() {
      const [here, there] = yield* elapsedPair()
      yield* here.way.next("replace", { _tag: "Duplicate", answer: "Second" })
      assert.strictEqual(yield* here.succeed, "42")
      yield* heard
      assert.strictEqual(yield* there.phase, "Closed")
    }).pipe(kept))

  it.effect("is asked for in each opening, by the same process as well", () =>
    Effect.gen(function*() {
      const [here] = yield* elapsedPair()
      for (let opening = 0; opening < 3; opening++) {
        assert.strictEqual(yield* here.fail, "down")
        yield* pass("30 seconds")
      }
      assert.strictEqual(yield* here.succeed, "42")
      assert.strictEqual(yield* here.phase, "Closed")
    }).pipe(kept))

  it.effect("is not asked for where those that are out and asked for are all there may be", () =>
    Effect.gen(function*() {
      const [here] = yield* elapsedPair({ ...first, halfOpen: { permits: 2, successThreshold: 2 } })
      assert.isTrue((yield* held(here)).isRunning())
      yield* here.way.decide(() => ({ _tag: "Deliver", answerDelay: "20 millis" }))
      const asking = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      const third = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      assert.isDefined(third.pollUnsafe())
      yield* pass("1 second")
      assert.strictEqual(yield* Fiber.join(asking), "42")
    }).pipe(kept))

  it.effect("that is interrupted is given back to all", () =>
    Effect.gen(function*() {
      const [here, there] = yield* elapsedPair()
      const { fiber } = yield* held(here)
      yield* Fiber.interrupt(fiber)
      yield* pass("2 seconds")
      assert.strictEqual(yield* there.succeed, "42")
    }).pipe(kept))

  it.effect("whose grant was lost on the way back is made by the process itself, and counts for all", () =>
    Effect.gen(function*() {
      const [here, there] = yield* elapsedPair()
      yield* here.way.next("replace", { _tag: "LoseAnswer" })
      const call = yield* Effect.forkChild(here.succeed, { startImmediately: true })
      yield* pass("500 millis")
      assert.strictEqual(yield* Fiber.join(call), "42")
      yield* pass("5 seconds")
      for (const process of [here, there]) assert.strictEqual(yield* process.phase, "Closed")
      assert.strictEqual((yield* record)?.phase._tag, "Closed")
    }).pipe(kept))

  it.effect.each<[string, Fate.Fate]>([
    ["could not be asked for", { _tag: "Fail" }],
    ["was granted by an answer that was lost", { _tag: "LoseAnswer" }]
  ])(
    "that %s, in a trial that goes on, counts though the store is back before it ends",
    ([, fate]) =>
      Effect.gen(function*() {
        const [here, there] = yield* elapsedPair({
          ...first,
          halfOpen: { successThreshold: 2, maxDuration: "5 minutes" }
        })
        assert.strictEqual(yield* here.succeed, "42")
        yield* heard
        assert.strictEqual(yield* here.phase, "HalfOpen")
        yield* here.way.next("replace", fate)
        const call = yield* held(here)
        yield* pass("600 millis")
        assert.isTrue(call.isRunning())
        yield* put({})
        yield* pass("3 seconds")
        assert.strictEqual((yield* here.breaker.state(key)).probes, 1)
        yield* Deferred.fail(call.gate, "down")
        yield* pass("1 second")
        for (const process of [here, there]) assert.strictEqual(yield* process.phase, "Open")
      }).pipe(kept)
  )

  it.effect("of a process that the store can't reach is one at a time, whatever the policy allows", () =>
    Effect.gen(function*() {
      const [here] = yield* elapsedPair({ ...first, halfOpen: { permits: 5 } })
      yield* here.way.partition
      const calls = yield* Effect.replicateEffect(held(here), 5)
      yield* pass("600 millis")
      assert.strictEqual(calls.filter(({ isRunning }) => isRunning()).length, 1)
      const failed = here.events.flatMap((event) => event._tag === "StoreFailed" ? [event.operation] : [])
      assert.deepStrictEqual(failed, ["read"])
      yield* here.way.heal
      yield* pass("2 seconds")
    }).pipe(kept))
})
