/** The circuits of a breaker by key, bounded, the idle ones forgotten a few at a time. */
import { PolicyError } from "../PolicyError.ts"
import type { CircuitEntry } from "./CircuitEntry.ts"

/** How many circuits the hand passes for each new key: idle ones go faster than new ones come. */
const sweptPerKey = 2
/** How far the hand goes to make room. A bound, so that a new key costs the same whatever the table holds. */
const sweptForRoom = 32

const seconds = (at: number): number => Math.floor(at / 1000)

export interface Limits {
  readonly maxKeys: number
  readonly idleTimeToLive: number
}

export class CircuitTable {
  limits: Limits
  private readonly entries = new Map<string, CircuitEntry>()
  private expiredAt = 0
  private readonly onForget: (entry: CircuitEntry) => void

  constructor(limits: Limits, onForget: (entry: CircuitEntry) => void) {
    this.limits = limits
    this.onForget = onForget
  }

  get(key: string): CircuitEntry | undefined {
    return this.entries.get(key)
  }

  /** What steering a circuit fails with where it can have no place. */
  get fullError(): PolicyError {
    const allowed = "more than the circuits that can't make room"
    return new PolicyError({ issues: [{ field: "maxKeys", value: this.limits.maxKeys, allowed }] })
  }

  values(): IterableIterator<CircuitEntry> {
    return this.entries.values()
  }

  /** Whether a circuit more has a place, or another one can make room for it. */
  mayHold(at: number): boolean {
    if (this.hasRoom) return true
    let passed = 0
    for (const entry of this.entries.values()) {
      if (this.isForgettable(entry, at)) return true
      if (++passed === sweptForRoom) return false
    }
    return false
  }

  /** Puts a circuit into the table, or answers false where no other can make room for it. */
  add(entry: CircuitEntry, at: number): boolean {
    if (this.hasRoom) this.sweep(at, sweptPerKey)
    else if (!this.makeRoom(at)) return false
    entry.idleSince = seconds(at)
    this.entries.set(entry.key, entry)
    return true
  }

  /** Replaces the circuit of a key, or adds one. */
  set(entry: CircuitEntry, at: number): boolean {
    if (!this.entries.has(entry.key)) return this.add(entry, at)
    entry.idleSince = seconds(at)
    this.entries.set(entry.key, entry)
    return true
  }

  /**
   * The table's hand: looks at the circuits it has not looked at for longest. One that was used since is spared and
   * goes to the back; one that was idle for long enough is forgotten. Calls pay for none of it.
   */
  private sweep(at: number, most: number): void {
    // Once around at most, by the size of before: the hand would go around forever if it missed where to stop.
    const last = Math.min(most, this.entries.size)
    let passed = 0
    for (const entry of this.entries.values()) {
      if (passed++ === last) return
      const idle = !entry.used && seconds(at) - entry.idleSince > this.limits.idleTimeToLive / 1000
      if (idle && this.isForgettable(entry, at)) this.forget(entry)
      else this.spare(entry, at)
    }
  }

  /** Forgets circuits until there is room for one more: those nobody used lately first. */
  private makeRoom(at: number): boolean {
    const spare: Array<CircuitEntry> = []
    // Once around at most: a circuit that is met again would be forgotten, and told of, twice.
    const most = Math.min(sweptForRoom, this.entries.size)
    let passed = 0
    for (const entry of this.entries.values()) {
      if (this.hasRoom || passed++ === most) break
      const forgettable = this.isForgettable(entry, at)
      if (forgettable && !entry.used) {
        this.forget(entry)
        continue
      }
      if (forgettable) spare.push(entry)
      this.spare(entry, at)
    }
    while (!this.hasRoom) {
      const entry = spare.shift()
      if (entry === undefined) return false
      this.forget(entry)
    }
    return true
  }

  private get hasRoom(): boolean {
    return this.entries.size < this.limits.maxKeys
  }

  /** Passes a circuit by, to look at it again when the hand has been all around. */
  private spare(entry: CircuitEntry, at: number): void {
    if (entry.used) {
      entry.used = false
      entry.idleSince = seconds(at)
    }
    this.entries.delete(entry.key)
    this.entries.set(entry.key, entry)
  }

  private isForgettable(entry: CircuitEntry, at: number): boolean {
    return entry.isForgettable(at, this.limits.idleTimeToLive)
  }

  /** Evicts every circuit that was not touched for as long as its time to live, now and then. */
  expire(at: number): void {
    if (at - this.expiredAt < this.limits.idleTimeToLive) return
    this.expiredAt = at
    for (const entry of this.entries.values()) if (this.hasExpired(entry, at)) this.forget(entry)
  }

  /** Returns the circuit of a key unless it was not touched for as long as its time to live; then it is evicted. */
  getUnlessExpired(key: string, at: number): CircuitEntry | undefined {
    const entry = this.entries.get(key)
    if (entry === undefined || !this.hasExpired(entry, at)) return entry
    this.forget(entry)
    return undefined
  }

  /** Notes that a call touches a circuit. */
  touch(entry: CircuitEntry, at: number): void {
    entry.idleSince = seconds(at)
  }

  private hasExpired(entry: CircuitEntry, at: number): boolean {
    const { circuit: { isolations, override, phase }, idleSince } = entry
    if (override !== "None" || isolations > 0 || entry.shared?.isSteered === true) return false
    const isIdle = seconds(at) - idleSince >= this.limits.idleTimeToLive / 1000
    return isIdle && (phase._tag === "Closed" || entry.isAbandoned(at, this.limits.idleTimeToLive))
  }

  /** Evicts a circuit of which nothing is kept. */
  remove(entry: CircuitEntry): void {
    if (this.entries.get(entry.key) === entry) this.forget(entry)
  }

  private forget(entry: CircuitEntry): void {
    this.entries.delete(entry.key)
    this.onForget(entry)
  }
}
