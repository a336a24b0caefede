/** Records that no breaker writes: they are refused with a reason, and the circuit goes on by local judgement. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitRecord, CircuitStore, CircuitStoreError, type Policy, TripRule } from "@reclose/core"
import { Effect } from "effect"
import { largestNumber, outOfBounds } from "../../src/sync/bounds.ts"
import { key } from "../support.ts"
import { policy, recordedTrial } from "./planned.ts"
import { heard, pass, put, record, start } from "./processes.ts"
import { recordOf } from "./pure.ts"

const kept = Effect.provide(CircuitStore.layerMemory)
const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }
const tooMuch = Number.MAX_SAFE_INTEGER
const tooMany = Array.from({ length: 1_025 }, (_, i) => i)

const excessive: ReadonlyArray<[string, Partial<CircuitRecord.CircuitRecord>]> = [
  ["a generation", { generation: tooMuch }],
  ["a time", { time: 1e300 }],
  ["a time to live", { timeToLive: 1e300 }],
  ["a stamp", { act: { kind: "None", stamp: tooMuch, by: "" } }],
  ["a number of openings", { phase: { _tag: "Closed", openings: tooMuch, remaining: 0 } }],
  ["a probe", { phase: { ...recordedTrial, probes: [tooMuch] } }],
  ["a streak", { evidence: [{ _tag: "Consecutive", failures: tooMuch }] }],
  ["a block", { evidence: [{ _tag: "Calls", blocks: [[tooMuch, 0]] }] }],
  ["a bucket", { evidence: [{ _tag: "Time", buckets: [[1, tooMuch, 0]] }] }],
  ["a number of buckets", { evidence: [{ _tag: "Time", buckets: tooMany.map((i) => [i, 1, 1]) }] }],
  ["a number of parts", { evidence: tooMany.map(() => ({ _tag: "Consecutive", failures: 0 })) }],
  ["a number of probes", { phase: { ...recordedTrial, probes: tooMany } }],
  ["a number of failing instances", { failing: tooMany.map((i) => [`p${i}`, i]) }],
  ["a number of writers", { writers: tooMany.map((i) => [`p${i}`, i]) }]
]

describe("a record with too large", () => {
  it.effect.each(excessive)("%s is refused, and costs no call", ([, fields]) =>
    Effect.gen(function*() {
      yield* put(fields)
      const here = yield* start(first)
      assert.strictEqual(yield* here.succeed, "42")
      assert.strictEqual(yield* here.fail, "down")
      yield* heard
      assert.strictEqual(yield* here.phase, "Open")
      const [failed] = here.events.flatMap((event) => event._tag === "StoreFailed" ? [event.cause] : [])
      if (!(failed instanceof CircuitStoreError)) return assert.fail("the store's failure is told of")
      assert.strictEqual(failed.reason, "Corrupt")
      assert.match(failed.message, /allowed/)
    }).pipe(kept))

  it.effect("a generation is refused as well where it is the answer to a write", () =>
    Effect.gen(function*() {
      const here = yield* start(first)
      yield* here.succeed
      yield* here.way.pause
      yield* here.fail
      yield* put({ generation: tooMuch })
      yield* here.way.resume
      yield* pass("1 second")
      assert.strictEqual(yield* here.phase, "Open")
      const failed = here.events.flatMap((event) => event._tag === "StoreFailed" ? [event.operation] : [])
      assert.deepStrictEqual(failed, ["replace"])
    }).pipe(kept))
})

it("a record within all bounds is taken, up to the bound", () => {
  assert.isUndefined(outOfBounds(recordOf(policy, { failingSince: largestNumber, time: largestNumber }), 0))
  assert.isDefined(outOfBounds(recordOf(policy, { time: largestNumber + 1 }), 0))
})

it.effect.each(
  [
    ["generation", { generation: 2 ** 50 }],
    ["stamp", { act: { kind: "ForcedOpen", stamp: 2 ** 50, by: "k3f9" }, override: "ForcedOpen" }]
  ] as const
)("a record with a %s from which no store could be written on is left alone", ([, fields]) =>
  Effect.gen(function*() {
    const here = yield* start(first)
    yield* put(fields)
    yield* here.succeed
    yield* here.fail
    yield* pass("1 minute")
    assert.deepInclude(yield* record, fields)
    assert.isTrue(here.events.some((event) => event._tag === "StoreFailed"))
  }).pipe(kept))

it.effect("a record with the largest counts of a phase can be written on", () =>
  Effect.gen(function*() {
    const here = yield* start(first)
    yield* put({ phase: { _tag: "Open", openings: 2 ** 50, duration: 0, remaining: 0 }, generation: 1 })
    yield* here.fail
    yield* pass("5 seconds")
    const written = yield* record
    assert.isDefined(written)
    assert.strictEqual((yield* CircuitRecord.fromText(key, CircuitRecord.toText(written))).phase._tag, "Open")
  }).pipe(kept))

it("a list of 150,000 entries is too long, and overflows no stack", () => {
  const evidence = Array.from({ length: 150_000 }, () => ({ _tag: "Consecutive", failures: 0 }) as const)
  assert.include(outOfBounds(recordOf(policy, { evidence }), 0), "150000 entries")
})
