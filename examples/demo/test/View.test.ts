import { assert, describe, it } from "@effect/vitest"
import type { CircuitState, Transition } from "@reclose/core"
import { Duration } from "effect"
import * as Summary from "../src/Summary.ts"
import * as Text from "../src/Text.ts"
import * as Upstream from "../src/Upstream.ts"
import * as View from "../src/View.ts"

const circuit = (fields: Partial<CircuitState> & { readonly key: string }): CircuitState => ({
  phase: "Closed",
  override: "None",
  generation: 0,
  consecutiveOpenings: 0,
  retryAfter: Duration.zero,
  isRejecting: false,
  rejection: undefined,
  lastTransition: undefined,
  probes: 0,
  readings: [],
  counts: { succeeded: 0, failed: 0, ignored: 0, rejected: 0 },
  ...fields
})

const counts = { succeeded: 10, failed: 10, ignored: 1, rejected: 7 }

const opened: Transition = {
  _tag: "Transition",
  key: "quotes",
  time: 0,
  from: "Closed",
  to: "Open",
  reason: {
    _tag: "Tripped",
    readings: [{ _tag: "FailureRate", rate: 0.5, hits: 10, calls: 20, threshold: 0.5, minimumCalls: 10 }]
  },
  generation: 1,
  consecutiveOpenings: 1,
  openDuration: Duration.seconds(1),
  override: "None"
}

const again: Transition = {
  ...opened,
  from: "HalfOpen",
  reason: { _tag: "ProbeFailed" },
  generation: 3,
  consecutiveOpenings: 2,
  openDuration: Duration.millis(1_500)
}

const none = Summary.totals([])

const scene = (fields: Partial<View.Scene>): View.Scene => ({
  elapsed: 5_000,
  lasts: 10_000,
  circuits: [],
  scripts: {},
  news: [],
  guarded: none,
  unguarded: undefined,
  ...fields
})

const plain = Text.painter(false)
const size = { columns: 100, rows: 40 }
const frame = (fields: Partial<View.Scene>, at = size) => View.frame(scene(fields), plain, at)

const trouble: Partial<View.Scene> = {
  circuits: [
    circuit({
      key: "quotes",
      phase: "Open",
      consecutiveOpenings: 2,
      retryAfter: Duration.millis(840),
      counts
    }),
    circuit({ key: "orders" })
  ],
  scripts: { quotes: Upstream.script([["healthy", 2_000], ["failing", 8_000]]) },
  news: [
    { _tag: "Health", at: 2_000, key: "quotes", health: "failing" },
    { _tag: "Transition", at: 2_500, transition: opened, counts },
    { _tag: "Transition", at: 3_600, transition: again, counts }
  ]
}

describe("View", () => {
  it("shows a circuit that is open: why, until when, and what it does to calls", () => {
    const text = frame(trouble).join("\n")
    assert.match(text, /quotes +● OPEN +rejects every call, next probe in 0\.8 s/)
    assert.match(text, /10 of 20 calls failed \(50 %, opens at 50 %\); 2nd opening in a row/)
    assert.match(text, /let through 21 +failed 10 +rejected 7/)
    assert.match(text, /orders +● CLOSED/)
    assert.match(text, /has never opened/)
  })

  it("shows how far a closed circuit is from opening", () => {
    const text = frame({
      circuits: [circuit({
        key: "quotes",
        readings: [
          { _tag: "FailureRate", rate: 0.15, hits: 3, calls: 20, threshold: 0.5, minimumCalls: 10 },
          { _tag: "Consecutive", failures: 2, threshold: 5 }
        ]
      })]
    }).join("\n")
    assert.match(text, /15 % failed \(opens at 50 %\), 2 of 5 failures in a row/)
  })

  it("says no rate of too few calls", () => {
    const rate = { rate: 1, hits: 1, calls: 1, threshold: 0.5, minimumCalls: 10 }
    const text = frame({
      circuits: [circuit({
        key: "a-key-of-some-length",
        readings: [{ _tag: "FailureRate", ...rate }, { _tag: "SlowCallRate", ...rate }]
      })]
    }).join("\n")
    assert.match(text, / a-key-of-some-length ● CLOSED +too few calls to judge \(1 of 10\)$/m)
  })

  it("shows the probes of a half-open circuit", () => {
    const text = frame({ circuits: [circuit({ key: "quotes", phase: "HalfOpen", probes: 1 })] }).join("\n")
    assert.match(text, /HALF-OPEN +1 probe is out/)
  })

  it("draws the past of the upstream above that of its circuit", () => {
    const lines = frame(trouble)
    const upstream = lines.find((line) => line.includes(" upstream "))
    const circuit = lines.find((line) => line.includes(" circuit "))
    // 48 cells for ten seconds: five have passed, the illness began at two, the circuit opened half a second later.
    assert.include(upstream, `${"─".repeat(10)}${"×".repeat(14)}${"·".repeat(24)}`)
    assert.include(circuit, `${"─".repeat(12)}${"█".repeat(12)}${"·".repeat(24)}`)
  })

  it("fits into the terminal, the newest news last", () => {
    const many = Array.from({ length: 100 }, (_, at): View.News => ({
      _tag: "Health",
      at: at * 1_000,
      key: "quotes",
      health: "slow"
    }))
    const lines = frame({ ...trouble, news: many }, { columns: 40, rows: 20 })
    assert.isAtMost(lines.length, 20)
    for (const line of lines) assert.isAtMost([...line].length, 40)
    assert.match(lines.at(-1) ?? "", /^ +99\.0 s/)
  })

  it("puts those in trouble first when there are more circuits than lines", () => {
    const healthy = Array.from({ length: 50 }, (_, nth) => circuit({ key: `well-${nth}` }))
    const lines = frame({ circuits: [...healthy, circuit({ key: "sick", phase: "Open" })] }, { columns: 80, rows: 20 })
    assert.isAtMost(lines.length, 20)
    assert.match(lines[2] ?? "", /sick +● OPEN/)
    assert.isTrue(lines.some((line) => / and \d+ more/.test(line)))
  })

  it("uses colour only where it is asked to", () => {
    assert.notInclude(frame(trouble).join(""), "\u001b")
    const coloured = View.frame(scene(trouble), Text.painter(true), size)
    assert.include(coloured.join(""), "\u001b[31m● OPEN")
    // What is cut off is text, never half of an escape sequence.
    const narrow = View.frame(scene(trouble), Text.painter(true), { columns: 20, rows: 40 })
    const bare = narrow.map((line) =>
      line.split("\u001b").map((part, nth) => nth === 0 ? part : part.replace(/^\[\d+m/, ""))
    )
    for (const line of bare) assert.isAtMost([...line.join("")].length, 20)
  })

  it("tells each change in a line", () => {
    const [health, first, second] = trouble.news ?? []
    assert.isDefined(health)
    assert.isDefined(first)
    assert.isDefined(second)
    assert.strictEqual(
      View.plainNews(health, plain),
      "  2.0 s  quotes: the upstream is failing and answers 503"
    )
    assert.strictEqual(
      View.plainNews(first, plain),
      "  2.5 s  quotes: OPEN for 1.0 s: 10 of 20 calls failed (50 %, opens at 50 %)"
        + "  [let through 21   failed 10   rejected 7]"
    )
    assert.strictEqual(
      View.news(second, plain),
      "  3.6 s  quotes: OPEN for 1.5 s, the 2nd time in a row: a probe failed"
    )
  })
})

describe("Text", () => {
  it("counts as people do", () => {
    assert.deepStrictEqual([1, 2, 3, 4, 11, 12, 13, 21, 112].map(Text.ordinal), [
      "1st",
      "2nd",
      "3rd",
      "4th",
      "11th",
      "12th",
      "13th",
      "21st",
      "112th"
    ])
  })
})
