/**
 * The store's clock as this process knows it, from the store's own answers.
 *
 * An answer was given between asking and hearing it, so each one bounds how far the two clocks are apart. The bounds
 * narrow with every answer; one that contradicts them tells that a clock was stepped, and counts alone.
 */
export class StoreClock {
  private least = Number.NEGATIVE_INFINITY
  private most = Number.POSITIVE_INFINITY

  /** Learns from an answer: the store's clock was from `time` to `time + precision` at some moment in between. */
  learn(time: number, precision: number, asked: number, answered: number): void {
    const least = time - answered
    const most = time + precision - asked
    const apart = least > this.most || most < this.least
    this.least = apart ? least : Math.max(this.least, least)
    this.most = apart ? most : Math.min(this.most, most)
  }

  /** The store's time for a reading of the process's clock. */
  at(now: number): number {
    return now + (this.least + this.most) / 2
  }
}
