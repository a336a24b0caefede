/** The budgets of all keys, bounded: one that has been silent for a window is as good as new, so it may be forgotten. */
import { KeyBudget } from "../machine/KeyBudget.ts"
import type { ValidBudget } from "./BudgetReader.ts"

/** How many budgets the hand passes for each new key: idle ones go faster than new ones come. */
const sweptPerKey = 2
/** How far the hand goes to make room. A bound, so that a new key costs the same whatever the table holds. */
const sweptForRoom = 32

export class BudgetTable {
  readonly policy: ValidBudget
  private readonly budgets = new Map<string, KeyBudget>()

  constructor(policy: ValidBudget) {
    this.policy = policy
  }

  get(key: string): KeyBudget | undefined {
    return this.budgets.get(key)
  }

  entries(): IterableIterator<[string, KeyBudget]> {
    return this.budgets.entries()
  }

  /** A new budget in the table, or undefined where no other can make room for it. */
  add(key: string, now: number): KeyBudget | undefined {
    this.sweep(now)
    if (!this.hasRoom) return undefined
    const budget = new KeyBudget(this.policy)
    this.budgets.set(key, budget)
    return budget
  }

  private get hasRoom(): boolean {
    return this.budgets.size < this.policy.maxKeys
  }

  /** Looks at those that it has not looked at for longest; one that is in use goes to the back. */
  private sweep(now: number): void {
    // Once around at most, by the size of before: the hand would go around forever if it missed where to stop.
    let left = Math.min(this.hasRoom ? sweptPerKey : sweptForRoom, this.budgets.size)
    for (const [key, budget] of this.budgets) {
      if (left-- === 0) return
      this.budgets.delete(key)
      if (!budget.isIdle(now)) this.budgets.set(key, budget)
    }
  }
}
