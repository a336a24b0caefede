/**
 * Which answers were invalidated or replaced, and when. Bounded: once a note is evicted, everything up to its time counts as
 * invalidated, so that an eviction loses stale responses and never serves one that must not be.
 */
interface Note {
  readonly order: number
  readonly at: number
}

const never: Note = { order: -1, at: -Infinity }

export class Invalidations {
  private readonly maxKeys: number
  private readonly notes = new Map<string, Note>()
  private evicted = never
  private count = 0

  constructor(maxKeys: number) {
    this.maxKeys = maxKeys
  }

  /** Returns the next point in the order of requests and invalidations, for `isAfter`. */
  next(): number {
    return ++this.count
  }

  /** Notes that what was known of a key or a resource until `at`, or before a request was sent, is no longer so. */
  add(key: string, at: number, order: number = this.next()): void {
    this.notes.delete(key)
    this.notes.set(key, { order, at })
    if (this.notes.size <= this.maxKeys) return
    const [oldest] = this.notes
    if (oldest === undefined) return
    this.notes.delete(oldest[0])
    const { order: evicted, at: evictedAt } = oldest[1]
    this.evicted = { order: Math.max(evicted, this.evicted.order), at: Math.max(evictedAt, this.evicted.at) }
  }

  /** Whether a key or a resource was invalidated after a request was sent. */
  isAfter(key: string, order: number): boolean {
    return this.of(key).order > order
  }

  /** Whether an answer that was remembered at a time has been invalidated since. */
  covers(key: string, at: number): boolean {
    return at <= this.of(key).at
  }

  private of(key: string): Note {
    return this.notes.get(key) ?? this.evicted
  }
}
