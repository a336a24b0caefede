/**
 * The last `size` calls, one bit each: set when the call was a hit (failed, or slow).
 *
 * Both totals are kept up to date by subtracting what leaves, so neither recording nor reading depends on the size.
 */
export class CountWindow {
  readonly size: number
  /** All calls that were ever added. */
  total = 0
  calls = 0
  hits = 0
  private cursor = 0
  // Plain numbers of 32 bits: an Int32Array costs 130 bytes more per circuit and is no faster at this size.
  private readonly words: Array<number>

  constructor(size: number) {
    this.size = size
    this.words = new Array<number>((size + 31) >>> 5).fill(0)
  }

  add(hit: boolean): void {
    this.total++
    const index = this.cursor >>> 5
    const bit = 1 << (this.cursor & 31)
    const word = this.words[index] ?? 0
    const evicted = this.calls === this.size && (word & bit) !== 0
    if (this.calls < this.size) this.calls++
    if (hit !== evicted) {
      this.hits += hit ? 1 : -1
      this.words[index] = word ^ bit
    }
    this.cursor = this.cursor + 1 === this.size ? 0 : this.cursor + 1
  }

  /** The outcomes that count, oldest first: `1` for a hit, `0` for another call. */
  outcomes(): string {
    let text = ""
    for (let i = this.calls; i > 0; i--) {
      const at = (this.cursor - i + this.size) % this.size
      text += ((this.words[at >>> 5] ?? 0) & (1 << (at & 31))) === 0 ? "0" : "1"
    }
    return text
  }
}
