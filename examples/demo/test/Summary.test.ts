import { assert, describe, it } from "@effect/vitest"
import * as Summary from "../src/Summary.ts"
import type { Call, End } from "../src/Traffic.ts"
import * as Upstream from "../src/Upstream.ts"

const call = (from: number, to: number, end: End): Call => ({ key: "quotes", from, to, end })
const answered: End = { _tag: "Answered" }
const rejected: End = { _tag: "Rejected" }
const failed = (why: string): End => ({ _tag: "Failed", why })

describe("Summary", () => {
  it("adds up how calls ended and what they took", () => {
    const totals = Summary.totals([
      call(0, 100, answered),
      call(0, 50, { _tag: "Refused" }),
      call(10, 1_010, failed("no answer in time")),
      call(20, 30, failed("answered 503")),
      call(20, 40, failed("answered 503")),
      call(30, 30, rejected)
    ])
    assert.deepStrictEqual(totals, {
      answered: 1,
      refused: 1,
      failed: 3,
      rejected: 1,
      waited: 1_180,
      wasted: 1_030,
      failures: [["answered 503", 2], ["no answer in time", 1]]
    })
  })

  describe("recoveries", () => {
    const script = Upstream.script([["healthy", 100], ["slow", 50], ["down", 50], ["healthy", 100], ["failing", 50], [
      "healthy",
      100
    ]])

    it("end with the last call that went wrong after the upstream was well", () => {
      const calls = [
        call(50, 60, rejected), // no recovery before the first illness
        call(190, 240, failed("late")), // made while it was still sick
        call(210, 210, rejected),
        call(220, 235, failed("503")),
        call(240, 250, answered),
        call(310, 312, failed("503")) // sick again
      ]
      assert.deepStrictEqual(Summary.recoveries(calls, script, 450), [
        { at: 200, took: 35 },
        { at: 350, took: 0 }
      ])
    })

    it("are no numbers where the run ended before them", () => {
      assert.deepStrictEqual(Summary.recoveries([], script, 349), [{ at: 200, took: 0 }])
    })

    it("don't happen to an upstream that stays well", () => {
      assert.deepStrictEqual(Summary.recoveries([call(0, 1, rejected)], Upstream.script([["healthy", 100]]), 100), [])
    })
  })

  const sides = {
    guarded: { calls: [call(0, 10, answered), call(0, 20, failed("503")), call(5, 5, rejected)], receivedWhileSick: 1 },
    unguarded: {
      calls: [call(0, 10, answered), call(0, 20, failed("503")), call(5, 1_005, failed("503"))],
      receivedWhileSick: 2
    }
  }

  it("compares both sides", () => {
    const text = Summary.summary({ ...sides, scripts: {}, until: 2_000 }, 80).join("\n")
    assert.match(text, /with Reclose +without/)
    assert.match(text, /failed +1 +2\n/)
    assert.match(text, /rejected at once +1 +0\n/)
    assert.match(text, /requests that a sick upstream had to bear +1 +2\n/)
    assert.match(text, /spared its callers 1 failures and 1\.0 s of waiting/)
  })

  it("says nothing of a side that was not run", () => {
    const text = Summary.summary({ ...sides, unguarded: undefined, scripts: {}, until: 2_000 }, 80).join("\n")
    assert.notMatch(text, /without|spared|undefined/)
    assert.match(text, /rejected at once +1$/m)
  })

  it("fits into a narrow terminal: a long label takes two lines, and no number is cut", () => {
    const lines = Summary.summary({ ...sides, scripts: {}, until: 2_000 }, 60)
    const compared = lines.slice(0, lines.indexOf(""))
    assert.isEmpty(compared.filter((line) => line.length > 60))
    const text = compared.join("\n")
    assert.match(text, /with Reclose +without/)
    assert.match(text, / requests that a sick upstream\n {3}had to bear +1 +2\n/)
    const standing = Summary.standing(Summary.totals(sides.guarded.calls), Summary.totals(sides.unguarded.calls), 60)
    assert.isEmpty(standing.filter((line) => line.length > 60))
    assert.match(standing.join("\n"), / +failed +0\.0 s +1\.0 s/)
  })
})
