/** The list of calls in flight held to a plain array. */
import { assert, describe, it } from "@effect/vitest"
import { type Call, InFlight } from "../../src/machine/InFlight.ts"
import { Random, seedsUpTo } from "./model/random.ts"

const starts = (ages: ReadonlyArray<Call>): ReadonlyArray<number> => ages.map(({ startedAt }) => startedAt)

const agrees = (list: InFlight, calls: ReadonlyArray<Call>, now: number, about: string): void => {
  for (const age of [0, 1, 10, 100, 1_000]) {
    const old = starts(calls).filter((at) => now - at >= age).length
    for (const limit of [1, 2, 5, 1_000]) {
      assert.strictEqual(list.countOlder(age, limit, now), Math.min(limit, old), `${limit} of ${age} ms ${about}`)
    }
  }
}

describe("the calls in flight", () => {
  it("are counted by their age, in whatever order they begin and end", () => {
    for (const seed of seedsUpTo(300)) {
      const random = new Random(seed)
      const list = new InFlight()
      let calls: ReadonlyArray<Call> = []
      const ended: Array<Call> = []
      let now = random.pick([0, 1_000_000, -500])
      for (let step = 1; step <= 80; step++) {
        random.weighted([
          [4, () => {
            calls = [...calls, list.add(now)]
          }],
          [3, () => {
            const call = calls.length === 0 ? undefined : random.pick(calls)
            if (call === undefined) return
            list.remove(call)
            ended.push(call)
            calls = calls.filter((other) => other !== call)
          }],
          [1, () => {
            // A call that has left the list must not take its old neighbours along when it leaves again.
            if (ended.length > 0) list.remove(random.pick(ended))
          }],
          [3, () => {
            now += random.pick([0, 0.5, 1, 9.5, 10, 100, 5_000])
          }]
        ])
        agrees(list, calls, now, `after step ${step} of seed ${seed}`)
      }
    }
  })

  it("are as old as an age at the very instant", () => {
    const list = new InFlight()
    list.add(100)
    assert.strictEqual(list.countOlder(50, 1, 149.999), 0)
    assert.strictEqual(list.countOlder(50, 1, 150), 1)
  })

  for (const size of [1, 2, 31, 32, 33, 64, 1_000]) {
    it(`leave nothing behind when all ${size} have ended, from either end or from the middle`, () => {
      const orders: ReadonlyArray<(calls: ReadonlyArray<Call>) => ReadonlyArray<Call>> = [
        (calls) => calls,
        (calls) => calls.toReversed(),
        (calls) => [...calls.slice(calls.length / 2), ...calls.slice(0, calls.length / 2)]
      ]
      for (const order of orders) {
        const list = new InFlight()
        const calls = Array.from({ length: size }, (_, at) => list.add(at))
        assert.strictEqual(list.countOlder(0, size + 1, size), size)
        order(calls).forEach((call) => list.remove(call))
        assert.strictEqual(list.countOlder(0, size + 1, size), 0)
        list.add(size)
        assert.strictEqual(list.countOlder(0, size + 1, size), 1)
      }
    })
  }
})
