/**
 * Which credentials have circuits. A credential gets one with its second request: those that are new for each request would
 * fill the breaker's table, evict the circuits of sick hosts, and cost a read of the store each.
 */
import type * as Outcome from "@reclose/core/Outcome"
import type * as Clock from "effect/Clock"

/** How many credentials are remembered that have no circuit: the last ones that were used. */
const maxSeen = 10_000

/** How many refusals of a credential without a circuit are remembered: more than any rule needs to open. */
const maxRefusals = 100

/** For how many milliseconds a credential with a circuit keeps its place without a request. */
const idleTime = 600_000

interface Used {
  /** Refusals that its circuit does not know of yet. */
  refusals: ReadonlyArray<Outcome.Outcome>
  isRefused: boolean
  at: number
}

export class CredentialTable {
  private readonly maxKeys: number
  private readonly clock: Clock.Clock
  private readonly seen = new Map<string, Used>()
  private readonly withCircuit = new Map<string, Used>()

  constructor(maxKeys: number, clock: Clock.Clock) {
    this.maxKeys = maxKeys
    this.clock = clock
  }

  /** Notes a request. Returns the refusals that the circuit has to learn of first; `undefined` if there is no circuit. */
  use(key: string): ReadonlyArray<Outcome.Outcome> | undefined {
    const now = this.now()
    const used = this.withCircuit.get(key)
    if (used !== undefined) return this.touch(key, used, now)
    const seen = this.seen.get(key)
    if (seen !== undefined && this.hasRoom(seen, now)) {
      this.seen.delete(key)
      return this.touch(key, seen, now)
    }
    this.seen.delete(key)
    this.seen.set(key, seen ?? { refusals: [], isRefused: false, at: now })
    if (this.seen.size > maxSeen) deleteFirst(this.seen)
    return undefined
  }

  /** Has a credential use its circuit from its next request on: there is an override on it. */
  add(key: string): void {
    this.touch(key, this.seen.get(key) ?? { refusals: [], isRefused: true, at: 0 }, this.now())
    this.seen.delete(key)
    if (this.withCircuit.size > this.maxKeys) deleteFirst(this.withCircuit)
  }

  /** Notes how a request ended for its credential. */
  settle(key: string, outcome: Outcome.Outcome): void {
    const used = this.withCircuit.get(key) ?? this.seen.get(key)
    if (used === undefined || outcome._tag === "Ignored") return
    used.isRefused = outcome._tag === "Failure"
    // Those with a circuit have settled there.
    if (this.withCircuit.has(key)) return
    used.refusals = used.isRefused ? [...used.refusals, outcome].slice(-maxRefusals) : []
  }

  private touch(key: string, used: Used, now: number): ReadonlyArray<Outcome.Outcome> {
    const { refusals } = used
    used.refusals = []
    used.at = now
    this.withCircuit.delete(key)
    this.withCircuit.set(key, used)
    return refusals
  }

  /** Whether one more may have a circuit. One that is refused goes before one that is not, and before an idle one. */
  private hasRoom({ isRefused }: Used, now: number): boolean {
    if (this.withCircuit.size < this.maxKeys) return true
    const [oldest] = this.withCircuit.values()
    if (!isRefused || oldest === undefined || oldest.isRefused && now - oldest.at < idleTime) return false
    deleteFirst(this.withCircuit)
    return true
  }

  private now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
  }
}

const deleteFirst = (map: Map<string, unknown>): void => {
  const [first] = map.keys()
  if (first !== undefined) map.delete(first)
}
