import { assert, describe, it } from "@effect/vitest"
import * as Upstream from "../src/Upstream.ts"

describe("Upstream", () => {
  it("is in the health that its script says, and stays in the last one", () => {
    const script = Upstream.script([["healthy", 10], ["down", 5], ["recovering", 5]])
    assert.deepStrictEqual(
      [0, 9, 10, 14, 15, 20, 1_000].map((at) => Upstream.healthAt(script, at)),
      ["healthy", "healthy", "down", "down", "recovering", "recovering", "recovering"]
    )
  })

  // What the screen says about a state of health is what the server does.
  it.each(
    [
      ["healthy", 0, 100, [200]],
      ["slow", 500, 1_500, [200]],
      ["failing", 0, 100, [503]],
      ["down", 0, 0, ["reset"]],
      ["recovering", 0, 200, [503, 200]]
    ] as const
  )("answers when it is %s", (health, least, most, ends) => {
    const answers = Array.from({ length: 200 }, (_, nth) => Upstream.answer(health, nth))
    for (const { after } of answers) {
      assert.isAtLeast(after, least)
      assert.isAtMost(after, most)
    }
    assert.deepStrictEqual([...new Set(answers.map(({ end }) => end))], [...ends])
  })

  it("fails a third of the requests while it recovers", () => {
    const ends = Array.from({ length: 300 }, (_, nth) => Upstream.answer("recovering", nth).end)
    assert.strictEqual(ends.filter((end) => end === 503).length, 100)
  })
})
