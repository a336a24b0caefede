/**
 * A circuit's own time: milliseconds that never go back.
 *
 * A clock that steps back would freeze windows and stretch openings by the size of the step. Here a step back merely
 * stands still for one reading: everything after it goes on from the latest time seen. One instance serves all circuits
 * that read the same clock.
 */
export class CircuitTime {
  private latest = Number.NEGATIVE_INFINITY
  private offset = 0

  /** The circuit's time for a reading of the clock. */
  at(now: number): number {
    const time = now + this.offset
    if (time >= this.latest) {
      this.latest = time
      return time
    }
    this.offset = this.latest - now
    return this.latest
  }
}
