/**
 * How many buckets a window of time has. More buckets would follow the clock more closely and cost more memory; ten is
 * what Hystrix, Polly and failsafe-go settled on.
 */
export const bucketCount = 10

/** The calls of one bucket and how long ago the bucket began, in milliseconds. */
export interface Bucket {
  readonly age: number
  readonly calls: number
  readonly hits: number
}

/**
 * The calls that finished within a span of time, kept in ten buckets with running totals.
 *
 * Buckets that passed are subtracted when time moves on, on reading as well as on recording, so silence of any length
 * empties the window and no call pays for its size.
 */
export class TimeWindow {
  readonly span: number
  private readonly width: number
  private epoch = Number.NEGATIVE_INFINITY
  private epochEnd = Number.NEGATIVE_INFINITY
  private slot = 0
  private readonly callsIn: Array<number> = new Array<number>(bucketCount).fill(0)
  private readonly hitsIn: Array<number> = new Array<number>(bucketCount).fill(0)
  private totalCalls = 0
  private totalHits = 0

  constructor(span: number) {
    this.span = span
    this.width = span / bucketCount
  }

  get calls(): number {
    return this.totalCalls
  }

  get hits(): number {
    return this.totalHits
  }

  add(hit: boolean, now: number): void {
    this.advance(now)
    this.shift(this.slot, 1, hit ? 1 : 0)
  }

  /** Drops what has left the window by `now`. */
  advance(now: number): void {
    if (now >= this.epochEnd) this.roll(now)
  }

  private roll(now: number): void {
    const epoch = Math.floor(now / this.width)
    const passed = Math.min(epoch - this.epoch, bucketCount)
    for (let i = 1; i <= passed; i++) {
      const slot = (this.slot + i) % bucketCount
      this.shift(slot, -(this.callsIn[slot] ?? 0), -(this.hitsIn[slot] ?? 0))
    }
    this.slot = (this.slot + passed) % bucketCount
    this.epoch = epoch
    this.epochEnd = (epoch + 1) * this.width
  }

  private shift(slot: number, calls: number, hits: number): void {
    this.callsIn[slot] = (this.callsIn[slot] ?? 0) + calls
    this.hitsIn[slot] = (this.hitsIn[slot] ?? 0) + hits
    this.totalCalls += calls
    this.totalHits += hits
  }

  /** The buckets that hold calls, oldest first. */
  buckets(now: number): Array<Bucket> {
    this.advance(now)
    const found: Array<Bucket> = []
    for (let back = bucketCount - 1; back >= 0; back--) {
      const slot = (this.slot - back + bucketCount) % bucketCount
      const calls = this.callsIn[slot] ?? 0
      if (calls > 0) {
        found.push({ age: Math.max(0, now - (this.epoch - back) * this.width), calls, hits: this.hitsIn[slot] ?? 0 })
      }
    }
    return found
  }

  /** Adds buckets of another window, each where its beginning falls; what is too old is left out. */
  restore(buckets: ReadonlyArray<Bucket>, now: number): void {
    this.advance(now)
    for (const bucket of buckets) {
      // A beginning that was computed from its age may lie a rounding error before its bucket.
      const back = this.epoch - Math.floor((now - bucket.age) / this.width + 1e-6)
      if (back < bucketCount) {
        this.shift((this.slot - Math.max(back, 0) + bucketCount) % bucketCount, bucket.calls, bucket.hits)
      }
    }
  }
}
