/** One call in flight, a link of the list it stands in. */
export interface Call {
  readonly startedAt: number
  previous: Call | undefined
  next: Call | undefined
  listed: boolean
}

/**
 * The calls in flight of one circuit, oldest first, so that "at least n are older than a given age" asks only for the
 * n-th oldest.
 */
export class InFlight {
  private oldest: Call | undefined
  private newest: Call | undefined

  add(now: number): Call {
    const call: Call = { startedAt: now, previous: this.newest, next: undefined, listed: true }
    if (this.newest === undefined) this.oldest = call
    else this.newest.next = call
    this.newest = call
    return call
  }

  remove(call: Call): void {
    if (!call.listed) return
    call.listed = false
    if (call.previous === undefined) this.oldest = call.next
    else call.previous.next = call.next
    if (call.next === undefined) this.newest = call.previous
    else call.next.previous = call.previous
  }

  /** How many of the calls, up to `limit`, are at least `age` milliseconds old. */
  countOlder(age: number, limit: number, now: number): number {
    let count = 0
    for (let call = this.oldest; call !== undefined && count < limit && now - call.startedAt >= age; call = call.next) {
      count++
    }
    return count
  }
}
