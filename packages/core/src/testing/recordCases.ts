/** A record comes back as it was written, every field of it, to whoever reads it and to whoever loses to it. */
import type { CircuitRecord } from "../CircuitRecord.ts"
import { create, expectConflict, expectHeld, leave, numbers, type StoreCase, storeCase } from "./Stage.ts"

const largest = Number.MAX_SAFE_INTEGER

/** Records that differ from the usual one in these fields. */
const comesBack = (name: string, variants: ReadonlyArray<Partial<CircuitRecord>>): StoreCase =>
  storeCase(`brings back ${name}`, function*({ here, key, there }) {
    for (const [i, fields] of variants.entries()) {
      const record = yield* create(here, `${key}-${i}`, fields)
      yield* expectHeld(`${key}-${i}`, record)
      expectConflict(yield* there.replace(`${key}-${i}`, undefined, record), record)
      yield* leave(here, `${key}-${i}`, record)
    }
  })

export const recordCases: ReadonlyArray<StoreCase> = [
  comesBack("each phase", [
    { phase: { _tag: "Closed", openings: 0, remaining: 0 } },
    { phase: { _tag: "Closed", openings: 3, remaining: 12_345.678 } },
    { phase: { _tag: "Open", openings: 2, duration: 30_000, remaining: 29_999.5 } },
    {
      phase: {
        _tag: "HalfOpen",
        openings: 1,
        openDuration: 5000,
        probes: [],
        nextProbe: 0,
        successes: 0,
        failures: 0,
        remaining: 0
      }
    },
    {
      phase: {
        _tag: "HalfOpen",
        openings: 4,
        openDuration: 5000.25,
        probes: [3, 4, 17],
        nextProbe: 18,
        successes: 9,
        failures: 5,
        remaining: 0.125
      }
    }
  ]),

  comesBack("each override", [
    { override: "None" },
    { override: "ForcedOpen" },
    { override: "ForcedClosed" },
    { override: "Disabled" },
    { override: "MetricsOnly" }
  ]),

  comesBack("each kind of evidence, and none", [
    { evidence: [] },
    { evidence: [{ _tag: "Consecutive", failures: 0 }] },
    { evidence: [{ _tag: "Calls", blocks: [] }, { _tag: "Time", buckets: [] }] },
    { evidence: [{ _tag: "Calls", blocks: [[10, 3], [7, 0]] }] },
    { evidence: [{ _tag: "Time", buckets: [[596_666_666, 12, 5], [596_666_668, 1, 1]] }] },
    { evidence: [{ _tag: "Consecutive", failures: 1 }, { _tag: "Consecutive", failures: 2 }] }
  ]),

  comesBack("the operator's act, and its absence", [
    { override: "None" },
    { override: "None", act: { kind: "None", stamp: 0, by: "" } },
    { override: "ForcedOpen", act: { kind: "ForcedOpen", stamp: largest, by: "k3f9" } }
  ]),

  comesBack("names as they are, and lists in their order", [
    { failing: [], writers: [], policy: "" },
    { failing: [["b", 2], ["a", 1], ["c", 2]], writers: [["b", 3], ["a", 9], ["b", 1]] },
    { failing: [["10", 1], ["9", 2]], writers: [["10", 1], ["9", 2]], policy: "0123" },
    { failing: [["__proto__", 1]], writers: [["constructor", 1]], policy: "toString" },
    { failing: [["", 1]], writers: [["a b", 1]], policy: "\"quoted\" \\ {} [] ' ` , : ; % \n \t 日本語 😀" }
  ]),

  comesBack("numbers up to 2^53 - 1, and fractions of milliseconds", [
    {
      version: largest,
      generation: largest,
      timeToLive: largest,
      phase: { _tag: "Closed", openings: largest, remaining: largest },
      evidence: [
        { _tag: "Consecutive", failures: largest },
        { _tag: "Calls", blocks: [[largest, largest - 1]] },
        { _tag: "Time", buckets: [[largest - 2, largest - 1, largest]] }
      ],
      failing: [["k3f9", largest]],
      writers: [["k3f9", largest]]
    },
    {
      timeToLive: 600_000.5,
      phase: { _tag: "Open", openings: 1, duration: 0.1 + 0.2, remaining: 1e-7 },
      failing: [["k3f9", 1_790_000_000_000.123]]
    },
    { timeToLive: 1e6 / 3, version: 4_294_967_296, generation: 2_147_483_648 }
  ]),

  storeCase("brings back a time that is no whole millisecond", function*({ here, key }) {
    const { time } = yield* here.read(key)
    yield* expectHeld(key, yield* create(here, key, { time: Math.floor(time) + 0.0625 }))
  }),

  comesBack("the largest record there is", [{
    version: largest,
    generation: largest,
    phase: {
      _tag: "HalfOpen",
      openings: largest,
      openDuration: 604_800_000 / 3,
      probes: numbers(100).map((i) => largest - i),
      nextProbe: largest,
      successes: largest,
      failures: largest,
      remaining: 604_800_000 / 7
    },
    override: "ForcedClosed",
    policy: "日本語".repeat(20),
    evidence: [
      { _tag: "Consecutive", failures: largest },
      { _tag: "Calls", blocks: numbers(11).map((i) => [largest - i, largest - i - 1]) },
      { _tag: "Time", buckets: numbers(11).map((i) => [largest - 11 + i, largest - i, largest - i]) }
    ],
    failing: numbers(32).map((i) => [`process-of-a-long-name-${i}`, 1_790_000_000_000.123 + i]),
    writers: numbers(32).map((i) => [`process-of-a-long-name-${i}`, largest - i])
  }])
]
