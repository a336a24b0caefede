/** A budget held to plain lists of when calls and retries were made. */
import { assert, describe, it } from "@effect/vitest"
import { type BudgetRule, KeyBudget } from "../../src/machine/KeyBudget.ts"
import { Random, seedsUpTo } from "./model/random.ts"

const rules: ReadonlyArray<BudgetRule> = [
  { ratio: 0.2, window: 10_000, reserve: 100 },
  { ratio: 0.2, window: 10_000, reserve: 0 },
  { ratio: 1, window: 1_000, reserve: 0 },
  { ratio: 0.1, window: 3_000, reserve: 2.5 },
  { ratio: 0, window: 1_000, reserve: 3 },
  { ratio: 0.33, window: 3_600_000, reserve: 1 }
]

const within = (times: ReadonlyArray<number>, after: number, until: number): number =>
  times.filter((time) => time > after && time <= until).length

const pause = (random: Random, window: number): number =>
  random.weighted([
    [8, () => 0],
    [4, () => random.between(0, Math.ceil(window / 20))],
    [2, () => random.between(0, window)],
    // To the edges at which a tenth of a window, or all of it, is forgotten.
    [1, () => window / 10],
    [1, () => window - 1],
    [1, () => window],
    [0.2, () => window * 1_000_000]
  ])

describe("a budget", () => {
  for (const rule of rules) {
    const { ratio, reserve, window } = rule
    const name = `of ${ratio} a call and ${reserve} a window of ${window} ms`

    it(`${name} never lets retries exceed what the calls of the same window allow`, () => {
      for (const seed of seedsUpTo(40)) {
        const random = new Random(seed)
        const budget = new KeyBudget(rule)
        const calls: Array<number> = []
        const retries: Array<number> = []
        const started = random.pick([0, 1_000_000, 12_345.5])
        let now = started
        for (let i = 0; i < 300; i++) {
          now += pause(random, window)
          for (let burst = random.between(0, 10); burst > 0; burst--) {
            budget.deposit(now)
            calls.push(now)
          }
          for (let burst = random.between(0, 5); burst > 0; burst--) {
            const balance = budget.balance(now)
            const leave = budget.withdraw(now)
            assert.strictEqual(leave, balance > 0, `balance tells of the withdrawal, seed ${seed}`)
            if (!leave) continue
            retries.push(now)
            assert.isAtMost(
              within(retries, now - window, now),
              ratio * within(calls, now - window, now) + reserve,
              `in the window that ends at ${now}, seed ${seed}`
            )
          }
        }
        // And so in any span of time: what its calls allow, and those of the window before it, and a reserve a window.
        for (let i = 0; i < 50; i++) {
          const from = random.pick([started - 1, ...retries])
          const to = random.pick(retries.length === 0 ? [now] : retries)
          if (to <= from) continue
          assert.isAtMost(
            within(retries, from, to),
            ratio * within(calls, from - window, to) + reserve * Math.ceil((to - from) / window),
            `from ${from} to ${to}, seed ${seed}`
          )
        }
      }
    })

    it(`${name} refuses nothing that nine tenths of the window allow, whatever a tenth more remembers`, () => {
      for (const seed of seedsUpTo(40)) {
        const random = new Random(seed)
        const budget = new KeyBudget(rule)
        const calls: Array<number> = []
        const retries: Array<number> = []
        let now = 0
        for (let i = 0; i < 200; i++) {
          now += pause(random, window)
          if (random.chance(0.7)) {
            budget.deposit(now)
            calls.push(now)
          }
          const least = ratio * within(calls, now - window * 0.9, now) + reserve
          const most = within(retries, now - window * 10 / 9, now)
          const leave = budget.withdraw(now)
          if (least - most >= 1) assert.isTrue(leave, `at ${now}, seed ${seed}`)
          if (leave) retries.push(now)
        }
      }
    })
  }

  it("lets a fifth of steady traffic be retried, and no more, over any length of time", () => {
    const budget = new KeyBudget({ ratio: 0.2, window: 10_000, reserve: 0 })
    let retried = 0
    // A hundred calls a second for ten minutes, each of which wants two retries.
    for (let i = 0; i < 60_000; i++) {
      const now = i * 10
      budget.deposit(now)
      if (budget.withdraw(now)) retried++
      if (budget.withdraw(now)) retried++
    }
    assert.isAtMost(retried, 12_000)
    assert.isAtLeast(retried, 12_000 * 0.8)
  })

  it("is worth its reserve again after a window of silence, and no more", () => {
    const budget = new KeyBudget({ ratio: 0.5, window: 1_000, reserve: 2 })
    for (let now = 0; now < 1e9; now = now * 10 + 2_000) {
      for (let i = 0; i < 10; i++) budget.deposit(now)
      assert.strictEqual(budget.balance(now), 7)
      for (let i = 0; i < 7; i++) assert.isTrue(budget.withdraw(now))
      assert.isFalse(budget.withdraw(now))
    }
  })

  it("remembers a retry for a window at least, and a call for a window at most", () => {
    for (const at of [0, 1, 50, 99, 99.9, 100]) {
      const spent = new KeyBudget({ ratio: 0, window: 1_000, reserve: 1 })
      assert.isTrue(spent.withdraw(at))
      assert.isFalse(spent.withdraw(at + 999), `a retry made at ${at}`)
      assert.isTrue(spent.withdraw(at + 1_112), `a retry made at ${at}`)
      const saved = new KeyBudget({ ratio: 1, window: 1_000, reserve: 0 })
      saved.deposit(at)
      assert.strictEqual(saved.balance(at + 900), 1, `a call made at ${at}`)
      assert.strictEqual(saved.balance(at + 1_000), 0, `a call made at ${at}`)
    }
  })

  it("is idle once it has forgotten everything, and not before", () => {
    const budget = new KeyBudget({ ratio: 0.2, window: 1_000, reserve: 1 })
    assert.isTrue(budget.isIdle(0))
    budget.deposit(0)
    assert.isFalse(budget.isIdle(900))
    assert.isTrue(budget.isIdle(1_000))
    assert.isTrue(budget.withdraw(2_000))
    assert.isFalse(budget.isIdle(3_000))
    assert.isTrue(budget.isIdle(3_200))
  })

  it("counts what it refused, asked for or asked about, and takes nothing for a question", () => {
    const budget = new KeyBudget({ ratio: 0, window: 1_000, reserve: 1 })
    assert.isTrue(budget.mayWithdraw(0))
    assert.isTrue(budget.mayWithdraw(0))
    assert.strictEqual(budget.refused, 0)
    assert.isTrue(budget.withdraw(0))
    assert.isFalse(budget.mayWithdraw(0))
    assert.isFalse(budget.withdraw(0))
    assert.strictEqual(budget.refused, 2)
  })
})
