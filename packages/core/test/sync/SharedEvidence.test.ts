/** What processes count together, held to a plain list of their calls. */
import { assert, describe, it } from "@effect/vitest"
import { type Evidence, makeEvidence } from "../../src/machine/Evidence.ts"
import type { Rule } from "../../src/machine/Rule.ts"
import * as SharedEvidence from "../../src/sync/SharedEvidence.ts"
import { Random, seedsUpTo } from "../machine/model/random.ts"
import { byCalls, byTime, consecutive, type Counts, failures } from "./rules.ts"

interface Call {
  readonly failed: boolean
  readonly at: number
}

/** A process that counts by itself, with a clock that began whenever it did. */
class Counter {
  private readonly evidence: Evidence
  private readonly began: number
  private succeeded = 0
  private told: SharedEvidence.Count
  /** The calls since the last report. */
  calls: Array<Call> = []

  constructor(rule: Rule, began: number) {
    this.began = began
    this.evidence = makeEvidence(rule, undefined, [], 0)
    this.told = SharedEvidence.begin(undefined, this.count(began), 0)
  }

  private count(at: number): SharedEvidence.Count {
    return SharedEvidence.countOf(this.evidence, this.succeeded, at - this.began)
  }

  record(failed: boolean, at: number): void {
    this.evidence.record(failed, 0, at - this.began, false)
    if (!failed) this.succeeded++
    this.calls.push({ failed, at })
  }

  /** Reports into the counts, at the store's time. */
  tell(rule: Rule, counts: Counts, at: number): Counts {
    const now = this.count(at)
    const reports = SharedEvidence.report(this.told, now)
    this.told = now
    this.calls = []
    return SharedEvidence.add(rule, counts, reports, at, (own) => own + this.began)
  }
}

/** Lets processes call and report in random order. Says after each report what was told, and what the record has. */
const play = (
  random: Random,
  rule: Rule,
  options: { readonly longest: number; readonly calls: number },
  onReport: (told: ReadonlyArray<Call>, counts: Counts, at: number) => void
): void => {
  let at = random.pick([0, 1_790_000_000_000]) + random.between(0, 50_000)
  const processes = random.list(random.between(1, 5), () => new Counter(rule, at - random.next() * 10_000))
  let counts: Counts = []
  for (let step = 0; step < 40; step++) {
    for (let calls = random.between(0, options.calls); calls > 0; calls--) {
      at += random.next() * options.longest
      random.pick(processes).record(random.chance(0.6), at)
    }
    const process = random.pick(processes)
    const told = process.calls
    counts = process.tell(rule, counts, at)
    onReport(told, counts, at)
  }
}

describe("failures in a row", () => {
  it("are those of all processes, in the order in which they are told", () => {
    for (const seed of seedsUpTo(300)) {
      let streak = 0
      play(new Random(seed), consecutive, { longest: 10, calls: 6 }, (told, counts) => {
        for (const { failed } of told) streak = failed ? streak + 1 : 0
        assert.deepStrictEqual(counts, [{ _tag: "Consecutive", failures: streak }], `seed ${seed}`)
      })
    }
  })
})

describe("a window of calls", () => {
  const blocksOf = ([count]: Counts) => count?._tag === "Calls" ? count.blocks : []
  const sum = (blocks: ReadonlyArray<readonly [number, number]>, of: 0 | 1) =>
    blocks.reduce((total, block) => total + block[of], 0)

  it("holds the latest reports whole, at least as many calls as its size and one block more at most", () => {
    for (const seed of seedsUpTo(300)) {
      const random = new Random(seed)
      const size = random.pick([5, 10, 37, 100])
      const all: Array<ReadonlyArray<Call>> = []
      play(random, byCalls(size), { longest: 10, calls: 8 }, (told, counts) => {
        // A process knows no more calls of its own than the window holds.
        all.push(told.slice(-size))
        const blocks = blocksOf(counts)
        const calls = sum(blocks, 0)
        const reported = all.flat().length
        assert.isAtLeast(calls, Math.min(size, reported), `seed ${seed}`)
        assert.isTrue(calls <= size || calls - (blocks[0]?.[0] ?? 0) < size, `seed ${seed}: ${JSON.stringify(blocks)}`)
        // Nothing is lost or counted twice: they are the calls of the last so many reports, each of them once.
        let latest: ReadonlyArray<Call> = []
        for (let i = all.length - 1; latest.length < calls; i--) latest = [...all[i] ?? [], ...latest]
        assert.strictEqual(latest.length, calls, `seed ${seed}`)
        assert.strictEqual(sum(blocks, 1), latest.filter(({ failed }) => failed).length, `seed ${seed}`)
      })
    }
  })

  it("drops the oldest calls and never newer ones, however large the old reports were", () => {
    const report = { _tag: "Calls", calls: 30, hits: 30, known: 30 } as const
    const before: Counts = [{ _tag: "Calls", blocks: [[100, 0]] }]
    const after = SharedEvidence.add(byCalls(100), before, [report], 0, (at) => at)
    assert.deepStrictEqual(after, [{ _tag: "Calls", blocks: [[100, 0], [30, 30]] }])
  })

  it("is a dozen numbers at most, however many report", () => {
    const random = new Random(1)
    play(random, byCalls(1_000), { longest: 1, calls: 400 }, (_, counts) => {
      assert.isAtMost(blocksOf(counts).length, 12)
    })
  })

  it("is kept in blocks of a tenth of it, of which a report of no calls begins none", () => {
    let counts: Counts = []
    const tell = (calls: number) => {
      const report = { _tag: "Calls", calls, hits: calls, known: 30 } as const
      counts = SharedEvidence.add(byCalls(100), counts, [report], 0, (at) => at)
    }
    for (let call = 0; call < 25; call++) tell(1)
    assert.deepStrictEqual(counts, [{ _tag: "Calls", blocks: [[10, 10], [10, 10], [5, 5]] }])
    tell(5)
    tell(0)
    assert.deepStrictEqual(counts, [{ _tag: "Calls", blocks: [[10, 10], [10, 10], [10, 10]] }])
  })

  it("comes to as many calls as its size, of the oldest block a share", () => {
    const outcomes = (blocks: ReadonlyArray<readonly [number, number]>) =>
      SharedEvidence.toMeasured(byCalls(10), [{ _tag: "Calls", blocks }], 0)
    const measured = (outcomes: string) =>
      [{ _tag: "Calls", rule: "FailureRate", slowerThan: 0, outcomes }] satisfies ReturnType<
        typeof SharedEvidence.toMeasured
      >
    assert.deepStrictEqual(outcomes([]), measured(""))
    assert.deepStrictEqual(outcomes([[3, 2]]), measured("110"))
    assert.deepStrictEqual(outcomes([[4, 2], [6, 3]]), measured("1100111000"))
    assert.deepStrictEqual(outcomes([[8, 4], [6, 0]]), measured("1100000000"))
    assert.deepStrictEqual(outcomes([[5, 5], [12, 0]]), measured("0".repeat(10)))
    assert.deepStrictEqual(outcomes([[5, 5], [2 ** 40, 2 ** 39]]), measured("1111100000"))
    assert.deepStrictEqual(outcomes([[2, 9], [3, 5]]), measured("11111"))
  })

  it("takes no more of a report than the process itself still knows", () => {
    const rule = byCalls(10)
    const process = new Counter(rule, 0)
    for (let call = 0; call < 25; call++) process.record(call >= 20, call)
    assert.deepStrictEqual(process.tell(rule, [], 25), [{ _tag: "Calls", blocks: [[10, 5]] }])
  })

  it("is judged at the rate that was seen, also where the reports are large", () => {
    for (const blocks of [[[99, 50], [60, 30]], [[60, 30], [60, 30]], [[100, 25], [50, 12]]] as const) {
      const [calls, hits] = [blocks[0][0] + blocks[1][0], blocks[0][1] + blocks[1][1]]
      const measured = SharedEvidence.toMeasured(byCalls(100), [{ _tag: "Calls", blocks }], 0)
      const [reading] = makeEvidence(byCalls(100), undefined, measured, 0).readings(0)
      const rate = reading?._tag === "FailureRate" ? reading.rate : -1
      assert.closeTo(rate, hits / calls, 0.05, JSON.stringify(blocks))
    }
  })
})

describe("a window of time", () => {
  const bucketsOf = ([count]: Counts) => count?._tag === "Time" ? count.buckets : []
  const sum = (counts: Counts, of: 1 | 2) => bucketsOf(counts).reduce((total, bucket) => total + bucket[of], 0)

  it.each([["failures", failures], ["a rate", byTime]] as const)(
    "of %s holds every call that was told, once, until the window is over, and a tenth of it longer at most",
    (_, rule) => {
      for (const seed of seedsUpTo(300)) {
        const told: Array<Call> = []
        play(new Random(seed), rule, { longest: 900, calls: 4 }, (news, counts, at) => {
          told.push(...news)
          const counting = rule._tag === "Failures" ? told.filter(({ failed }) => failed) : told
          // A process's buckets don't begin when the store's do, so that a call may lie in the next one to its own.
          const sure = counting.filter((call) => call.at > at - 8_000)
          const possible = counting.filter((call) => call.at > at - 11_000)
          const where = `seed ${seed} at ${at}: ${JSON.stringify(counts)}`
          assert.isAtLeast(sum(counts, 1), sure.length, where)
          assert.isAtMost(sum(counts, 1), possible.length, where)
          const hits = (calls: ReadonlyArray<Call>) => calls.filter(({ failed }) => failed).length
          assert.isAtLeast(sum(counts, 2), hits(sure), where)
          assert.isAtMost(sum(counts, 2), hits(possible), where)
          assert.isAtMost(bucketsOf(counts).length, 11, where)
        })
      }
    }
  )

  it("comes to what one process would have measured that saw all calls", () => {
    let counts: Counts = []
    const processes = [0, -333, 4_750].map((began) => new Counter(byTime, began))
    for (let call = 0; call < 30; call++) processes[call % 3]?.record(call % 2 === 0, 10_000 + call * 100)
    for (const process of processes) counts = process.tell(byTime, counts, 13_000)
    const evidence = makeEvidence(byTime, undefined, SharedEvidence.toMeasured(byTime, counts, 13_000), 77)
    assert.deepInclude(evidence.readings(77)[0], { calls: 30, hits: 15 })
    assert.isDefined(evidence.verdict(77))
    assert.deepInclude(evidence.readings(10_077)[0], { hits: 0, calls: 0 }, "and goes by as time does")
  })

  it("comes to calls as old as their buckets, with no more hits than calls", () => {
    const counts: Counts = [{ _tag: "Time", buckets: [[99, 2, 1], [101, 3, 5]] }]
    assert.deepStrictEqual(SharedEvidence.toMeasured(failures, counts, 100_500), [{
      _tag: "Time",
      rule: "Failures",
      slowerThan: 0,
      buckets: [{ age: 1_500, calls: 2, hits: 1 }, { age: 0, calls: 3, hits: 3 }]
    }])
  })

  it("keeps the buckets of its span, in their order, and one ahead of the store's own clock", () => {
    const counts: Counts = [{ _tag: "Time", buckets: [[101, 1, 1], [91, 1, 1], [90, 1, 1], [102, 1, 1], [99, 1, 1]] }]
    assert.deepStrictEqual(SharedEvidence.add(failures, counts, [], 100_500, (at) => at), [
      { _tag: "Time", buckets: [[91, 1, 1], [99, 1, 1], [101, 1, 1]] }
    ])
  })

  it("takes a report's calls where their bucket's middle lies, and never later than now", () => {
    const put = (begin: number) => {
      const report = { _tag: "Time", buckets: [{ begin, calls: 2, hits: 1 }], known: 2 } as const
      return SharedEvidence.add(failures, [{ _tag: "Time", buckets: [[99, 1, 1]] }], [report], 100_500, (at) => at)
    }
    assert.deepStrictEqual(put(99_400), [{ _tag: "Time", buckets: [[99, 3, 2]] }])
    assert.deepStrictEqual(put(99_600), [{ _tag: "Time", buckets: [[99, 1, 1], [100, 2, 1]] }])
    assert.deepStrictEqual(put(100_600), [{ _tag: "Time", buckets: [[99, 1, 1], [100, 2, 1]] }])
  })

  it("drops what a store's clock that was set back had put into the future", () => {
    const counts: Counts = [{ _tag: "Time", buckets: [[99, 4, 4], [1_000, 7, 7]] }]
    const after = SharedEvidence.add(failures, counts, [], 100_000, (at) => at)
    assert.deepStrictEqual(after, [{ _tag: "Time", buckets: [[99, 4, 4]] }])
  })
})

describe("several rules at once", () => {
  const rule: Rule = { _tag: "Any", rules: [consecutive, { _tag: "All", rules: [byCalls(10), failures] }] }

  it("are counted each by itself, in their order; the age of calls in flight is nobody else's business", () => {
    const withAge: Rule = { _tag: "All", rules: [{ _tag: "InFlightAge", olderThan: 1_000, calls: 1 }, rule] }
    const process = new Counter(withAge, 0)
    process.record(true, 1_000)
    process.record(false, 1_100)
    process.record(true, 1_200)
    assert.deepStrictEqual(process.tell(withAge, [], 1_300), [
      { _tag: "Consecutive", failures: 1 },
      { _tag: "Calls", blocks: [[3, 2]] },
      { _tag: "Time", buckets: [[1, 2, 2]] }
    ])
  })
})

describe("counts of another kind than the rule's", () => {
  const inCalls: Counts = [{ _tag: "Calls", blocks: [[3, 2]] }]
  const inRow: Counts = [{ _tag: "Consecutive", failures: 3 }]
  const inTime: Counts = [{ _tag: "Time", buckets: [[0, 1, 1]] }]

  it("are none, whoever wrote them", () => {
    const after = (rule: Rule, counts: Counts, reports: ReadonlyArray<SharedEvidence.Report>) =>
      SharedEvidence.add(rule, counts, reports, 0, (at) => at)
    assert.deepStrictEqual(after(consecutive, inCalls, []), [{ _tag: "Consecutive", failures: 0 }])
    assert.deepStrictEqual(after(consecutive, inRow, []), inRow)
    assert.deepStrictEqual(after(byCalls(10), inRow, []), [{ _tag: "Calls", blocks: [] }])
    assert.deepStrictEqual(after(byCalls(10), inCalls, []), inCalls)
    assert.deepStrictEqual(after(byTime, inRow, []), [{ _tag: "Time", buckets: [] }])
    assert.deepStrictEqual(after(failures, inTime, []), inTime)
    assert.deepStrictEqual(
      after(failures, inTime, [{ _tag: "Consecutive", succeeded: false, failures: 1 }]),
      inTime,
      "nor is such a report one"
    )
    assert.deepStrictEqual(after(byCalls(10), inCalls, [{ _tag: "Time", buckets: [], known: 0 }]), inCalls)
    assert.deepStrictEqual(after(consecutive, inRow, [{ _tag: "Time", buckets: [], known: 0 }]), inRow)
  })

  it("come to nothing", () => {
    assert.deepStrictEqual(SharedEvidence.toMeasured(consecutive, [], 0), [])
    assert.deepStrictEqual(SharedEvidence.toMeasured(consecutive, inCalls, 0), [])
    assert.deepStrictEqual(SharedEvidence.toMeasured(failures, inCalls, 0), [])
    assert.deepStrictEqual(SharedEvidence.toMeasured(consecutive, inTime, 0), [])
  })

  it("are told of by nobody", () => {
    const worth = (counts: Counts) =>
      SharedEvidence.isWorthTelling(consecutive, [{ _tag: "Consecutive", succeeded: true, failures: 0 }], counts, true)
    assert.isTrue(worth(inRow))
    assert.isFalse(worth(inCalls))
    assert.isFalse(SharedEvidence.isWorthTelling(consecutive, [], inRow, true), "where there is no report")
  })
})

describe("slow calls", () => {
  const slow = (window: Extract<Rule, { readonly _tag: "SlowCallRate" }>["window"]): Rule => ({
    _tag: "SlowCallRate",
    threshold: 0.5,
    slowerThan: 200,
    window,
    minimumCalls: 4
  })

  it.each([["calls", slow({ _tag: "Calls", size: 10 })], ["time", slow({ _tag: "Time", span: 10_000 })]])(
    "in a window of %s are shared as failures are, and judged by the rule that calls them slow",
    (_, rule) => {
      const evidence = makeEvidence(rule, undefined, [], 0)
      const told = SharedEvidence.begin(undefined, SharedEvidence.countOf(evidence, 0, 0), 0)
      for (const duration of [100, 200, 300, 400]) evidence.record(false, duration, 500, false)
      const reports = SharedEvidence.report(told, SharedEvidence.countOf(evidence, 4, 500))
      const counts = SharedEvidence.add(rule, [], reports, 500, (at) => at)
      const measured = SharedEvidence.toMeasured(rule, counts, 500)
      assert.deepInclude(makeEvidence(rule, undefined, measured, 500).readings(500)[0], { calls: 4, hits: 3 })
    }
  )
})

describe("a rule", () => {
  it("needs to hear of successes, unless it only counts failures within a time", () => {
    assert.isTrue(SharedEvidence.needsSuccesses(consecutive))
    assert.isTrue(SharedEvidence.needsSuccesses(byTime))
    assert.isFalse(SharedEvidence.needsSuccesses(failures))
    assert.isTrue(SharedEvidence.needsSuccesses({ _tag: "Any", rules: [failures, byTime] }))
    const age: Rule = { _tag: "InFlightAge", olderThan: 1_000, calls: 1 }
    assert.isFalse(SharedEvidence.needsSuccesses({ _tag: "Any", rules: [failures, age] }))
  })
})

describe("the time for which a failure matters", () => {
  it("is as long as the rule looks back, and a minute at least", () => {
    assert.strictEqual(SharedEvidence.horizon(consecutive), 60_000)
    assert.strictEqual(SharedEvidence.horizon(failures), 60_000)
    const longer: Rule = { _tag: "Failures", failures: 5, span: 600_000 }
    assert.strictEqual(SharedEvidence.horizon(longer), 600_000)
    assert.strictEqual(SharedEvidence.horizon({ _tag: "Any", rules: [consecutive, longer, byTime] }), 600_000)
    const rate = (window: Extract<Rule, { readonly _tag: "FailureRate" }>["window"]): Rule => ({
      _tag: "FailureRate",
      threshold: 0.5,
      window,
      minimumCalls: 10
    })
    assert.strictEqual(SharedEvidence.horizon(rate({ _tag: "Time", span: 90_000 })), 90_000)
    assert.strictEqual(SharedEvidence.horizon(rate({ _tag: "Calls", size: 90_000 })), 60_000)
  })
})
