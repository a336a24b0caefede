import { bucketCount, TimeWindow } from "./TimeWindow.ts"

/** How much may be retried; every number valid. */
export interface BudgetRule {
  /** How many retries each call allows. */
  readonly ratio: number
  /** Milliseconds for which a call allows them, and for which a retry is remembered. */
  readonly window: number
  /** How many retries a window allows without any call. */
  readonly reserve: number
}

/**
 * What one dependency's calls allow its retries: every call deposits, every retry withdraws, and both expire.
 *
 * Windows move on a bucket at a time. Calls leave theirs up to a tenth early and retries leave theirs up to a tenth late,
 * so that rounding only ever allows less.
 */
export class KeyBudget {
  refused = 0
  private readonly rule: BudgetRule
  private readonly made: TimeWindow
  private readonly retried: TimeWindow

  constructor(rule: BudgetRule) {
    this.rule = rule
    this.made = new TimeWindow(rule.window)
    this.retried = new TimeWindow(rule.window * bucketCount / (bucketCount - 1))
  }

  calls(now: number): number {
    this.made.advance(now)
    return this.made.calls
  }

  retries(now: number): number {
    this.retried.advance(now)
    return this.retried.calls
  }

  /** How many retries it allows right now. */
  balance(now: number): number {
    const { ratio, reserve } = this.rule
    return Math.max(0, Math.floor(ratio * this.calls(now) + reserve - this.retries(now)))
  }

  deposit(now: number): void {
    this.made.add(true, now)
  }

  /** Whether there is leave for a retry. One that is refused ends its call, so it is counted once. */
  mayWithdraw(now: number): boolean {
    if (this.balance(now) > 0) return true
    this.refused++
    return false
  }

  withdraw(now: number): boolean {
    if (!this.mayWithdraw(now)) return false
    this.retried.add(true, now)
    return true
  }

  /** Whether it holds nothing that a new one wouldn't. */
  isIdle(now: number): boolean {
    return this.calls(now) === 0 && this.retries(now) === 0
  }
}
