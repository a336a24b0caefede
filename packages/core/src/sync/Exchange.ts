/**
 * One exchange with the store about a circuit: see the record, plan, write, and again if somebody else was faster.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Random from "effect/Random"
import type { CircuitRecord } from "../CircuitRecord.ts"
import type { CircuitRegister, Replaced, Seen } from "../CircuitStore.ts"
import { CircuitStoreError } from "../CircuitStoreError.ts"
import type { CircuitEntry } from "../internal/CircuitEntry.ts"
import { inTime } from "../internal/inTime.ts"
import type { SyncPolicy } from "../internal/PolicyReader.ts"
import type { Host } from "../internal/Sharing.ts"
import type { Closed, Phase } from "../machine/Circuit.ts"
import { type Permit, step } from "../machine/Step.ts"
import { outOfBounds } from "./bounds.ts"
import { fingerprint } from "./Fingerprint.ts"
import { isExpired, type Moment, type Plan, plan, type Standing, type Terms } from "./Plan.ts"
import { type Done, SharedCircuit, type Writes } from "./SharedCircuit.ts"
import { type Count, countOf } from "./SharedEvidence.ts"
import { StoreClock } from "./StoreClock.ts"
import { isForeignVersion, StoreHealth } from "./StoreHealth.ts"

/** By how much wall clock and process clock may come apart without the process having slept, in milliseconds. */
const asleep = 250
/** How often an exchange is tried again at once when somebody else was faster. */
const triesAtOnce = 4

const isProbing = (phase: Phase, { generation, probe }: Permit): boolean =>
  phase._tag === "HalfOpen" && phase.generation === generation && probe !== undefined && phase.probes.includes(probe)

/** Forks what may go on after nobody waits for it any more, until the breaker ends. */
export type Fork = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

/** What an exchange is for. */
export interface Purpose {
  /** Whether a call waits for the right to probe. */
  readonly probe: boolean
  /** Whether the record has to be read anew. */
  readonly fresh: boolean
}

interface Write {
  readonly plan: Plan
  readonly seen: CircuitRecord | undefined
  readonly next: CircuitRecord
}

export class Exchange {
  policy: SyncPolicy
  private readonly process: string
  private readonly store: CircuitRegister
  private readonly host: Host
  private readonly fork: Fork
  private readonly clock = new StoreClock()
  private readonly writes: Writes = { count: 0 }
  readonly health: StoreHealth

  constructor(
    process: string,
    store: CircuitRegister,
    host: Host,
    policy: SyncPolicy,
    fork: Fork,
    random: Random.Random
  ) {
    this.health = new StoreHealth(host, random, () => this.policy.flushEvery)
    this.fork = fork
    this.process = process
    this.store = store
    this.host = host
    this.policy = policy
  }

  /**
   * Whether the process has not been asleep since it last heard of a circuit. Its clock stands still while it is frozen or
   * its machine asleep. The wall clock goes on, so the two together tell.
   */
  isAwake(shared: SharedCircuit): boolean {
    return this.isAwakeSince(shared.lag)
  }

  /** Whether the process has not been asleep since it last asked for a circuit, with an answer or not. */
  isAwakeSinceAsked(shared: SharedCircuit): boolean {
    return this.isAwakeSince(shared.askedLag)
  }

  private isAwakeSince(lag: number): boolean {
    return Math.abs(this.lag - lag) < asleep
  }

  /** By how much the wall clock is ahead of the process's clock. */
  get lag(): number {
    return this.host.wall() - this.host.at()
  }

  /** What is shared of a circuit. Where nothing was so far, the store was asked on its first use, and had no record. */
  shared(entry: CircuitEntry): SharedCircuit {
    return entry.shared ??= new SharedCircuit(this.process, this.lag, this.writes)
  }

  /** The same of a circuit of which the store has not answered. */
  unknown(entry: CircuitEntry): SharedCircuit {
    return entry.shared ??= new SharedCircuit(this.process, Number.NaN, this.writes)
  }

  /** What a closed circuit has counted so far. */
  count(entry: CircuitEntry, { evidence }: Closed): Count {
    return countOf(evidence, entry.succeeded, this.host.at())
  }

  /** What the store holds of a key that is used for the first time. */
  hydrate(key: string): Effect.Effect<Seen, CircuitStoreError> {
    let fallback: Seen | undefined
    const read = this.read(key, (seen) => {
      fallback = seen
    })
    // An answer that may be old is better than none: it may tell of an opening.
    return Effect.catch(
      this.bounded(() => "read", key, this.policy.hydrateTimeout, read),
      (error) => fallback === undefined ? Effect.fail(error) : Effect.succeed(fallback)
    )
  }

  /** Rests a circuit on a record that was just read. Returns whether the record has to be written anew. */
  learn(entry: CircuitEntry, record: CircuitRecord): boolean {
    const shared = this.shared(entry)
    this.knows(shared, this.lag)
    this.finish(entry, shared.see(record, entry.circuit), undefined)
    return this.consider(entry, shared, false) !== undefined
  }

  /** Answers the permit if one was asked for and is to be had. Takes no longer than `storeTimeout`. */
  run(entry: CircuitEntry, purpose: Purpose): Effect.Effect<Permit | undefined, CircuitStoreError> {
    const shared = this.shared(entry)
    const inTurn = shared.turn.withPermits(1)(Effect.suspend(() => {
      // What may be wrong with reading shows when something is read.
      if (!purpose.fresh && !shared.readFailed && this.isAwake(shared)) return this.write(entry, shared, purpose, 1)
      shared.operation = "read"
      return Effect.flatMap(this.read(entry.key), ({ record }) => {
        this.finish(entry, shared.see(record, entry.circuit), undefined)
        this.answered(entry, shared, "read", this.lag)
        return this.write(entry, shared, purpose, 1)
      })
    }))
    this.asks(shared)
    return this.bounded(() => shared.operation, entry.key, this.policy.storeTimeout, inTurn)
  }

  private write(
    entry: CircuitEntry,
    shared: SharedCircuit,
    purpose: Purpose,
    tries: number
  ): Effect.Effect<Permit | undefined, CircuitStoreError> {
    const write = this.consider(entry, shared, purpose.probe)
    if (write === undefined) return Effect.succeed(undefined)
    const { lag } = this
    shared.operation = "replace"
    return Effect.flatMap(this.replace(entry.key, write), (replaced) => {
      const isDone = replaced._tag === "Replaced"
      const permit = this.finish(
        entry,
        shared.see(isDone ? write.next : replaced.seen.record, entry.circuit),
        write.plan
      )
      if (isDone) this.answered(entry, shared, "replace", lag)
      else {
        // Answered from what is held: that says nothing about whether the store takes writes.
        this.knows(shared, lag)
        if (shared.writeFailed) shared.retryAt = this.host.at() + this.policy.flushEvery
      }
      if (isDone && !shared.isFailing) shared.delays = 0
      if (isDone || permit !== undefined) return Effect.succeed(permit)
      // Whoever only counts makes room for the others.
      const isUrgent = purpose.probe || shared.isUrgent || !shared.restsOn(shared.seen)
      if (isUrgent && tries < triesAtOnce) {
        return this.write(entry, shared, purpose, tries + 1)
      }
      this.adoptOverride(entry, shared)
      shared.delays++
      return Effect.succeed(undefined)
    })
  }

  /**
   * Plans what to do about the record that was seen. Returns what has to be written, and does all else. A store that refuses
   * to write is asked again when it is time, and then also if there is nothing to say: only a write shows that it works.
   */
  private consider(entry: CircuitEntry, shared: SharedCircuit, probe: boolean): Write | undefined {
    this.adoptOverride(entry, shared)
    const isDue = this.host.at() >= shared.retryAt
    const write = this.think(entry, shared, probe, probe || !shared.writeFailed || isDue, false)
    return write === undefined && shared.writeFailed && isDue ? this.think(entry, shared, false, true, true) : write
  }

  private think(
    entry: CircuitEntry,
    shared: SharedCircuit,
    probe: boolean,
    mayWrite: boolean,
    rewrites: boolean
  ): Write | undefined {
    const now = this.host.now()
    const at = this.host.at()
    const storeNow = this.clock.at(at)
    const { circuit: { phase }, policy } = entry
    const seen = shared.seen
    const record = seen !== undefined && isExpired(seen, storeNow) ? undefined : seen
    const count = phase._tag === "Closed" && shared.isCounting ? this.count(entry, phase) : undefined
    const standing = { ...shared.standing(entry.circuit, count), rewrites }
    const { flushEvery, idleTimeToLive, refreshEvery } = this.policy
    const rule = fingerprint(policy.tripRule)
    // Heard of at the next refresh, and answered at the next flush but one if others are faster.
    const terms = { rule, idleTimeToLive, hearing: refreshEvery + 2 * flushEvery }
    const planned = plan(policy, terms, standing, record, { now, at, storeNow }, probe)
    entry.isFailing = false
    if (standing.reports.length > 0) shared.toldAt = at
    this.health.compare(entry, shared, record, rule)
    if (planned.next !== undefined) {
      if (!mayWrite) return this.learnOnly(entry, shared, terms, record, { now, at, storeNow })
      return { seen, plan: planned, next: shared.attempt(planned, planned.next, standing, count) }
    }
    if (!shared.isFailing) shared.delays = 0
    this.finish(entry, [shared.rest(planned, standing, count)], undefined)
    this.countOn(entry, shared, planned, standing)
    return undefined
  }

  /** Takes over what a record tells while nothing can be written. What waits to be written stays as it is. */
  private learnOnly(
    entry: CircuitEntry,
    shared: SharedCircuit,
    terms: Terms,
    record: CircuitRecord | undefined,
    moment: Moment
  ): undefined {
    // An operator who has closed the circuit here has the last word on its phase until that is written.
    if (shared.restsOn(record) || shared.isClosedByOperator) return
    const standing = { ...shared.standing(entry.circuit, undefined), steering: [], settlements: [], failed: false }
    const planned = plan(entry.policy, terms, { ...standing, rewrites: false }, record, moment, false)
    if (planned.next === undefined) this.finish(entry, [shared.rest(planned, standing, undefined)], undefined)
  }

  /** Takes over an operator's act at once: what is to be written about the same record may be denied or have to wait. */
  private adoptOverride(entry: CircuitEntry, shared: SharedCircuit): void {
    const { override } = shared
    if (override === undefined || override === entry.circuit.override) return
    this.host.take(entry, { ...entry.circuit, override }, [])
  }

  /** Goes on counting only while somebody fails: what is counted then may matter to all. */
  private countOn(entry: CircuitEntry, shared: SharedCircuit, planned: Plan, standing: Standing): void {
    const { phase } = entry.circuit
    if (standing.reports.length > 0 && !planned.isPrivate) shared.endCounting()
    if (planned.fails && phase._tag === "Closed") shared.beginCounting(this.count(entry, phase), this.policy.flushEvery)
  }

  /** Does what plans that came through ask for. Answers the permit of the one that a call waits for. */
  private finish(entry: CircuitEntry, done: ReadonlyArray<Done>, awaited: Plan | undefined): Permit | undefined {
    let found: Permit | undefined
    for (const { circuit, isTaken, plan } of done) {
      if (!isTaken) continue
      // The policy may have been updated while the store was asked.
      const isStale = plan.policy !== entry.policy && circuit.phase !== entry.circuit.phase
      const current = isStale ? step(entry.policy, circuit, { _tag: "Update" }, this.host.now()).circuit : circuit
      const isOut = plan.permit !== undefined && isProbing(entry.circuit.phase, plan.permit)
      this.host.take(entry, current, plan.changes)
      if (plan.permit === undefined) continue
      if (plan === awaited) found = plan.permit
      // It came through after all, but whoever asked for it has gone on without it: with a probe, or with none.
      else if (!isOut) this.host.release(entry, plan.permit)
    }
    return found
  }

  /**
   * Reads once more if the process was asleep meanwhile: the answer may be as old as its sleep was long. `onDoubt` gets the
   * answer that is read again.
   */
  private read(key: string, onDoubt?: (seen: Seen) => void): Effect.Effect<Seen, CircuitStoreError> {
    return Effect.suspend(() => {
      const { lag } = this
      const read = Effect.flatMap(
        this.timed(() => this.store.read(key), (seen) => seen),
        (seen) => this.bounds(key, "read", seen.record, seen.time, seen)
      )
      return Effect.flatMap(read, (seen) => {
        if (this.isAwakeSince(lag)) return Effect.succeed(seen)
        onDoubt?.(seen)
        return read
      })
    })
  }

  private replace(key: string, { next, seen }: Write): Effect.Effect<Replaced, CircuitStoreError> {
    const replaced = this.timed(
      () => this.store.replace(key, seen, next),
      (replaced) => replaced._tag === "Replaced" ? replaced : replaced.seen
    )
    return Effect.flatMap(replaced, (replaced) => {
      const seen = replaced._tag === "Conflict" ? replaced.seen : { record: undefined, time: replaced.time }
      return this.bounds(key, "replace", seen.record, seen.time, replaced)
    })
  }

  /** Fails with `Corrupt` for a record that no breaker has written. */
  private bounds<A>(
    key: string,
    operation: "read" | "replace",
    record: CircuitRecord | undefined,
    storeNow: number,
    answer: A
  ): Effect.Effect<A, CircuitStoreError> {
    const excess = record === undefined ? undefined : outOfBounds(record, storeNow)
    return excess === undefined ? Effect.succeed(answer) : Effect.fail(
      new CircuitStoreError({
        key,
        operation,
        reason: "Corrupt",
        message: `what is held is no record that a breaker writes: it has ${excess}; it is left alone: ` +
          "delete it to share the circuit again"
      })
    )
  }

  /** Learns the store's time from its answer. Suspended, since a store may throw before there is an effect. */
  private timed<A>(
    ask: () => Effect.Effect<A, CircuitStoreError>,
    time: (answer: A) => { readonly time: number; readonly precision: number }
  ): Effect.Effect<A, CircuitStoreError> {
    return Effect.suspend(() => {
      const asked = this.host.at()
      return Effect.map(ask(), (answer) => {
        const told = time(answer)
        this.clock.learn(told.time, told.precision, asked, this.host.at())
        return answer
      })
    })
  }

  /** Notes that the store is asked for a circuit. */
  asks(shared: SharedCircuit): void {
    shared.askedAt = this.host.at()
    shared.askedLag = this.lag
  }

  /** Notes that the store has just told of a circuit, by how much the wall clock was ahead when it was asked. */
  knows(shared: SharedCircuit, lag: number): void {
    this.asks(shared)
    shared.heardAt = shared.askedAt
    shared.lag = lag
  }

  private answered(entry: CircuitEntry, shared: SharedCircuit, operation: "read" | "replace", lag: number): void {
    this.knows(shared, lag)
    this.health.answered(entry, shared, operation)
  }

  /** Notes that an exchange has failed. */
  failed(entry: CircuitEntry, cause: Cause.Cause<unknown>): void {
    const shared = this.shared(entry)
    // The store has answered: with a record that this release can't read.
    if (isForeignVersion(Cause.squash(cause))) this.knows(shared, this.lag)
    this.health.failed(entry, shared, cause)
  }

  /** Waits no longer than this, also for a store that can't be interrupted. */
  private bounded<A>(
    operation: () => CircuitStoreError["operation"],
    key: string,
    millis: number,
    asked: Effect.Effect<A, CircuitStoreError>
  ): Effect.Effect<A, CircuitStoreError> {
    return Effect.suspend(() =>
      inTime(this.fork(asked), millis, () =>
        new CircuitStoreError({
          key,
          operation: operation(),
          reason: "Timeout",
          message: `no answer within ${millis} millis: look whether the store is up and near`
        }))
    )
  }
}
