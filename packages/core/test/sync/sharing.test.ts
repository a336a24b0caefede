/** Several processes over one store: what one decides, all know; what all count, opens for all. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitOpen, CircuitStore, Outcome, type Policy, TripRule } from "@reclose/core"
import { Duration, Effect, Fiber } from "effect"
import { key, transitionsOf } from "../support.ts"
import { asked, heard, pass, type Process, record, start, used } from "./processes.ts"

const kept = Effect.provide(CircuitStore.layerMemory)

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const startAll = (count: number, policy: Policy.Policy) => Effect.replicateEffect(start(policy), count)

const pair = (policy: Policy.Policy) => Effect.all([start(policy), start(policy)])

const isOpen = (answer: string | CircuitOpen): boolean => answer instanceof CircuitOpen

describe("an opening", () => {
  it.effect("in one process rejects the calls of all others at once", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair(first)
      yield* used([here, there])
      yield* here.fail
      yield* heard
      const rejected = yield* there.succeed
      assert.instanceOf(rejected, CircuitOpen)
      assert.include(rejected, { reason: "Tripped", consecutiveOpenings: 1 })
      assert.deepStrictEqual(transitionsOf(there.events), ["Closed → Open: Learned"])
      assert.strictEqual(there.events.length, 1, "nothing else is told")
    }).pipe(kept))

  it.effect("is over for all at the same time, whenever they heard of it", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair(first)
      yield* here.fail
      yield* pass("12 seconds")
      const late = yield* there.succeed
      assert.isTrue(late instanceof CircuitOpen && Math.abs(Duration.toMillis(late.retryAfter) - 18_000) <= 2)
    }).pipe(kept))

  it.effect("of calls that never come back is told as well, though nobody has failed", () =>
    Effect.gen(function*() {
      const policy = { ...first, tripRule: TripRule.inFlightAge({ olderThan: "5 seconds", calls: 1 }) }
      const [here, there] = yield* pair(policy)
      yield* used([here, there])
      yield* Effect.forkScoped(here.breaker.withBreaker(Effect.never, key), { startImmediately: true })
      yield* pass("6 seconds")
      yield* here.succeed
      yield* heard
      assert.strictEqual(yield* there.phase, "Open")
    }).pipe(kept))

  it.effect("that a snapshot brings is told to all", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair(first)
      yield* there.succeed
      yield* here.breaker.restore({
        version: 1,
        circuits: [{
          key,
          phase: "Open",
          generation: 1,
          consecutiveOpenings: 1,
          openDuration: 30_000,
          remaining: 30_000,
          warmUp: 0,
          override: "None",
          measured: []
        }]
      })
      yield* heard
      assert.strictEqual(yield* there.phase, "Open")
    }).pipe(kept))

  it.effect("grows longer with every process's openings in a row, whoever saw the last", () =>
    Effect.gen(function*() {
      const policy: Policy.Policy = { ...first, openDuration: { initial: "10 seconds", factor: 2 } }
      const [one, two, three] = yield* Effect.all([start(policy), start(policy), start(policy)])
      yield* used([one, two, three])
      yield* one.fail
      yield* pass("10 seconds")
      assert.strictEqual(yield* two.fail, "down")
      yield* pass("20 seconds")
      assert.strictEqual(yield* three.fail, "down")
      yield* heard
      const rejected = yield* one.succeed
      assert.isTrue(rejected instanceof CircuitOpen && rejected.consecutiveOpenings === 3)
    }).pipe(kept))
})

describe("evidence", () => {
  it.effect("of several processes opens for all, though none of them sees enough", () =>
    Effect.gen(function*() {
      const processes = yield* startAll(5, { ...first, tripRule: TripRule.consecutive(5) })
      yield* used(processes)
      for (const { fail } of processes) {
        yield* fail
        yield* pass("2 seconds")
      }
      for (const { phase } of processes) assert.strictEqual(yield* phase, "Open")
      const reasons = processes.flatMap(({ events }) => transitionsOf(events))
      assert.strictEqual(reasons.filter((it) => it === "Closed → Open: Tripped").length, 1)
      assert.strictEqual(reasons.filter((it) => it === "Closed → Open: Learned").length, 4)
    }).pipe(kept))

  it.effect("of failures in a row ends with anybody's success", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair({ ...first, tripRule: TripRule.consecutive(3) })
      yield* used([here, there])
      yield* here.fail
      yield* here.fail
      yield* pass("2 seconds")
      yield* there.succeed
      yield* pass("3 seconds")
      yield* there.fail
      yield* pass("3 seconds")
      assert.strictEqual(yield* there.phase, "Closed")
      assert.deepStrictEqual((yield* record)?.evidence, [{ _tag: "Consecutive", failures: 1 }])
    }).pipe(kept))

  it.effect("is judged once all who have something to say had four seconds to say it", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair({ ...first, tripRule: TripRule.consecutive(3) })
      yield* used([here, there])
      yield* Effect.replicateEffect(here.fail, 2)
      yield* there.fail
      yield* pass("3900 millis")
      assert.strictEqual(yield* here.phase, "Closed")
      yield* pass("1200 millis")
      for (const { phase } of [here, there]) assert.strictEqual(yield* phase, "Open")
    }).pipe(kept))

  it.effect("about a rate weighs one process's failures against the others' successes", () =>
    Effect.gen(function*() {
      const tripRule = TripRule.failureRate({ threshold: 0.5, window: 20, minimumCalls: 10 })
      const processes = yield* startAll(4, { ...first, tripRule })
      yield* used(processes)
      const [bad, ...good] = processes
      if (bad === undefined) return
      for (let i = 0; i < 4; i++) {
        yield* bad.fail
        yield* Effect.forEach(good, ({ succeed }) => succeed)
        yield* pass("2 seconds")
      }
      assert.strictEqual(yield* bad.phase, "Closed", "4 of 16 failed")
      for (let i = 0; i < 4; i++) {
        yield* Effect.forEach(good, ({ fail }) => fail)
        yield* pass("2 seconds")
      }
      assert.strictEqual(yield* bad.phase, "Open")
    }).pipe(kept))

  it.effect.each<[string, TripRule.TripRule]>([
    ["within a time", TripRule.failures({ failures: 100, window: "1 minute" })],
    ["as a rate of calls", TripRule.failureRate({ threshold: 1, window: 100, minimumCalls: 100 })],
    ["as a rate over time", TripRule.failureRate({ threshold: 1, window: "1 minute", minimumCalls: 100 })],
    ["in a row", TripRule.consecutive(100)]
  ])("of failures %s is counted once, however often it is looked at", ([, tripRule]) =>
    Effect.gen(function*() {
      const processes = yield* startAll(3, { ...first, tripRule })
      yield* used(processes)
      for (let i = 0; i < 4; i++) {
        yield* Effect.forEach(processes, ({ fail }) => fail)
        yield* pass("5 seconds")
      }
      const [count] = (yield* record)?.evidence ?? []
      const total = count?._tag === "Time"
        ? count.buckets.reduce((sum, [, , hits]) => sum + hits, 0)
        : count?._tag === "Calls"
        ? count.blocks.reduce((sum, [, hits]) => sum + hits, 0)
        : count?.failures
      assert.strictEqual(total, 12)
    }).pipe(kept))

  it.effect.each<[string, boolean]>([["plain", false], ["classified", true]])(
    "of %s calls that are slow is told as well, though none of them fails",
    ([, isClassified]) =>
      Effect.gen(function*() {
        const tripRule = TripRule.slowCallRate({ slowerThan: "1 second", threshold: 1, window: 4, minimumCalls: 4 })
        const [here, there] = yield* pair({ ...first, tripRule })
        const slow = ({ breaker }: Process) =>
          Effect.gen(function*() {
            const classify = isClassified ? () => Outcome.success : undefined
            const call = breaker.withBreaker(Effect.sleep("1 second"), { key, classify })
            const fiber = yield* Effect.forkChild(call, { startImmediately: true })
            yield* pass("1 second")
            yield* Fiber.join(fiber)
          })
        for (const process of [here, there]) yield* Effect.replicateEffect(slow(process), 2)
        yield* pass("5 seconds")
        for (const process of [here, there]) assert.strictEqual(yield* process.phase, "Open")
      }).pipe(kept)
  )

  it.effect("is told once a second by each process at most, however often it fails", () =>
    Effect.gen(function*() {
      const [here] = yield* pair({ ...first, tripRule: TripRule.consecutive(5_000) })
      yield* used([here])
      const before = yield* asked(here)
      for (let i = 0; i < 600; i++) {
        yield* here.fail
        yield* pass("100 millis")
      }
      assert.isAtMost((yield* asked(here)) - before, 62)
    }).pipe(kept))

  it.effect("is not told of calls that succeed while nobody fails: they cost the store nothing", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair(first)
      yield* used([here, there])
      const before = (yield* asked(here)) + (yield* asked(there))
      for (let i = 0; i < 600; i++) {
        yield* here.succeed
        yield* there.succeed
        yield* pass("100 millis")
      }
      assert.strictEqual((yield* asked(here)) + (yield* asked(there)), before)
      assert.isUndefined(yield* record)
    }).pipe(kept))

  it.effect("is not told of calls that are ignored, however long they take: they cost the store nothing", () =>
    Effect.gen(function*() {
      const tripRule = TripRule.slowCallRate({ slowerThan: "1 second", threshold: 1, window: 4, minimumCalls: 4 })
      const [here] = yield* pair({ ...first, tripRule })
      yield* used([here])
      const before = yield* asked(here)
      const call = here.breaker.withBreaker(Effect.sleep("1 second"), { key, classify: () => Outcome.ignored })
      const fiber = yield* Effect.forkChild(call, { startImmediately: true })
      yield* pass("5 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* asked(here), before)
      assert.isUndefined(yield* record)
    }).pipe(kept))

  it.effect("ends with the failures: a minute after the last one, successes cost nothing again", () =>
    Effect.gen(function*() {
      const tripRule = TripRule.failureRate({ threshold: 0.5, window: 1000, minimumCalls: 1000 })
      const [here, there] = yield* pair({ ...first, tripRule })
      yield* used([here, there])
      yield* here.fail
      yield* pass("62 seconds")
      const before = (yield* asked(here)) + (yield* asked(there))
      for (let i = 0; i < 60; i++) {
        yield* here.succeed
        yield* there.succeed
        yield* pass("1 second")
      }
      assert.isAtMost((yield* asked(here)) + (yield* asked(there)) - before, 2)
    }).pipe(kept))

  it.effect("that was counted before a policy was replaced by one with the same rule goes on from there", () =>
    Effect.gen(function*() {
      const rate = TripRule.failureRate({ threshold: 1, window: 10, minimumCalls: 10 })
      const policy: Policy.Policy = { ...first, tripRule: TripRule.any([TripRule.consecutive(100), rate]) }
      const here = yield* start(policy)
      yield* Effect.replicateEffect(here.succeed, 30)
      yield* here.fail
      yield* pass("1500 millis")
      yield* here.fail
      yield* here.breaker.update({ ...policy, openDuration: "7 seconds" })
      yield* here.fail
      yield* pass("3 seconds")
      const [, calls] = (yield* record)?.evidence ?? []
      const blocks = calls?._tag === "Calls" ? calls.blocks : []
      assert.isTrue(blocks.every(([calls, hits]) => calls > 0 && hits <= calls), JSON.stringify(blocks))
      assert.isAtLeast(blocks.reduce((sum, [, hits]) => sum + hits, 0), 2)
    }).pipe(kept))
})

describe("a quorum", () => {
  const two: Policy.Policy = { ...first, tripRule: TripRule.consecutive(3), quorum: 2 }

  it.effect("keeps a process's opening its own, as long as too few others fail", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair(two)
      yield* used([here, there])
      yield* Effect.replicateEffect(here.fail, 3)
      yield* pass("5 seconds")
      assert.isTrue(isOpen(yield* here.succeed))
      assert.strictEqual(yield* there.succeed, "42")
      const held = yield* record
      assert.strictEqual(held?.phase._tag, "Closed")
      assert.strictEqual(held?.failing.length, 1)
    }).pipe(kept))

  it.effect("opens for all once enough of them fail", () =>
    Effect.gen(function*() {
      const processes = yield* startAll(3, two)
      yield* used(processes)
      for (const process of processes.slice(0, 2)) yield* Effect.replicateEffect(process.fail, 3)
      yield* pass("3 seconds")
      for (const { phase } of processes) assert.strictEqual(yield* phase, "Open")
    }).pipe(kept))

  it.effect("counts processes that see enough to judge by themselves, though their calls are no news", () =>
    Effect.gen(function*() {
      const tripRule = TripRule.failureRate({ threshold: 0.5, window: 20, minimumCalls: 10 })
      const processes = yield* startAll(3, { ...two, tripRule })
      yield* used(processes)
      for (const process of processes.slice(0, 2)) {
        yield* Effect.replicateEffect(process.fail, 20)
        yield* pass("3 seconds")
      }
      for (const { phase } of processes) assert.strictEqual(yield* phase, "Open")
    }).pipe(kept))

  it.effect("counts a process as failing for as long as its probes fail, and no more with one that succeeds", () =>
    Effect.gen(function*() {
      const here = yield* start({ ...two, openDuration: "50 seconds" })
      yield* Effect.replicateEffect(here.fail, 3)
      const failedAt = Effect.map(record, (record) => record?.failing[0]?.[1])
      yield* pass("50 seconds")
      const before = (yield* failedAt) ?? 0
      assert.isBelow(before, 2_000)
      assert.strictEqual(yield* here.fail, "down", "its probe")
      yield* pass("5 seconds")
      const after = (yield* failedAt) ?? 0
      assert.isAtLeast(after, 50_000)
      yield* pass("45 seconds")
      assert.strictEqual(yield* here.succeed, "42")
      yield* pass("5 seconds")
      assert.strictEqual(yield* failedAt, after)
    }).pipe(kept))

  it.effect("lets a process's own opening end without a trace in the others", () =>
    Effect.gen(function*() {
      const [here, there] = yield* pair({ ...two, openDuration: "10 seconds" })
      yield* used([here, there])
      yield* there.fail
      yield* pass("2 minutes") // so that it counts as failing no more
      const { generation } = yield* there.breaker.state(key)
      yield* Effect.replicateEffect(here.fail, 3)
      yield* pass("10 seconds")
      assert.strictEqual(yield* here.succeed, "42", "its probe")
      yield* pass("3 seconds")
      assert.strictEqual((yield* there.breaker.state(key)).generation, generation)
    }).pipe(kept))

  it.effect("counts a failure once, though the process opens while it is being told", () =>
    Effect.gen(function*() {
      const here = yield* start(two)
      yield* here.succeed
      yield* here.way.next("replace", { _tag: "Deliver", answerDelay: "100 millis" })
      yield* here.fail
      yield* heard
      yield* here.fail
      yield* here.fail
      yield* pass("5 seconds")
      assert.deepStrictEqual((yield* record)?.evidence, [{ _tag: "Consecutive", failures: 3 }])
    }).pipe(kept))
})
