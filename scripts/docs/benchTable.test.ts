import { assert, describe, it } from "vitest"
import { type Results, tableOf } from "./benchTable.ts"

const spread = { p10: 1, p90: 2 }

const linesOf = (results: Results["results"], leftOut: ReadonlyArray<string> = []) =>
  tableOf({
    command: "pnpm bench",
    machine: { cpu: "Z80", cores: 1, node: "v24", effect: "4.1.0", Redis: "7.0.15" },
    results,
    leftOut
  }).split("\n")

describe("the table of the benchmark", () => {
  it("shows small ratios as one in so many, and what was promised of them", () => {
    const row = { unit: "ratio", ratio: 0.004, spread: { p10: 0.002, p90: 0.005 }, target: 0.005, reached: true }
    assert.include(linesOf({ fast: row }), "| `fast` | 1/250.0 | 1/500.0 – 1/200.0 | ≤ 1/200.0 | yes |")
  })

  it("says no where a promise was not kept", () => {
    const row = { unit: "kB", value: 31.26, spread: { p10: 31.26, p90: 31.26 }, target: 30, reached: false }
    assert.include(linesOf({ large: row }), "| `large` | 31.3 kB | 31.3 kB – 31.3 kB | ≤ 30 kB | no |")
  })

  it("shows what nobody promised without a target", () => {
    const lines = linesOf({ quick: { unit: "ms", value: 1.234, spread }, slow: { unit: "ms", value: 1234.5, spread } })
    assert.include(lines, "| `quick` | 1.23 ms | 1 ms – 2 ms |  |  |")
    assert.include(lines, "| `slow` | 1,235 ms | 1 ms – 2 ms |  |  |")
  })

  it("shows commands for a call with two digits", () => {
    const row = { unit: "per call", value: 0.0005, spread: { p10: 0, p90: 0.001 }, target: 0, reached: true }
    const shown = "0.00 per call"
    assert.include(linesOf({ asked: row }), `| \`asked\` | ${shown} | ${shown} – ${shown} | ≤ ${shown} | yes |`)
  })

  it("names the command, the machine, and the servers that took part", () => {
    assert.include(
      linesOf({}),
      "By `pnpm bench` on Z80, 1 shared cores, Node v24, Effect 4.1.0, Redis 7.0.15."
    )
  })

  it("says what was left out, and why", () => {
    assert.include(linesOf({}, ["what needs Redis: it is not here"]), "Left out is what needs Redis: it is not here.")
  })
})
