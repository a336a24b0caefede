/**
 * Shares the circuits of a breaker through a store: beside the calls, but for the first use of a key and for probes.
 *
 * There is one exchange at a time for each circuit, and when the next one is due is kept with the circuit. Where there is
 * background work, a fiber sleeps until then; where there is none, the calls look.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Change, CircuitRegister, Seen } from "../CircuitStore.ts"
import type { CircuitStoreError } from "../CircuitStoreError.ts"
import type { CircuitEntry } from "../internal/CircuitEntry.ts"
import type { SyncPolicy } from "../internal/PolicyReader.ts"
import type { Host, Lease, Restore, Share, Sharing } from "../internal/Sharing.ts"
import type { Circuit } from "../machine/Circuit.ts"
import type { PhaseChange } from "../machine/Step.ts"
import { Exchange, type Fork } from "./Exchange.ts"
import { FirstUse } from "./FirstUse.ts"
import { Leasing } from "./Leasing.ts"
import { revisionOf } from "./overrideAct.ts"
import { isExpired, type Settlement, type Steering } from "./Plan.ts"
import type { SharedCircuit } from "./SharedCircuit.ts"
import { storeFailed } from "./StoreHealth.ts"

/** How many circuits are exchanged at once. */
const concurrency = 256
/** For how many refreshes after its last call a circuit counts as one in use: five minutes by default. */
const remembered = 150
/** After how many refreshes that did not happen a circuit is as unknown as on its first use: twenty seconds by default. */
const forgotten = 10
/** How many announcements of a circuit are read at once within `flushEvery`. What follows may wait so long. */
const hurried = 10

/** How many records an operator's list reads at once. */
const listedAtOnce = 16

export class Sync implements Sharing {
  private readonly store: CircuitRegister
  private readonly exchange: Exchange
  private readonly firstUse: FirstUse
  private readonly leasing: Leasing
  private readonly changes: CircuitRegister["changes"]
  private readonly host: Host
  private readonly context: Context.Context<never>
  private readonly fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  /** The circuits that have something to tell. */
  private readonly pending = new Set<CircuitEntry>()
  /** Whether listening to changes has failed, and nothing was heard since. */
  private isDeaf = false
  /** When all circuits in use were last asked for because announcements may have been missed, and whether they will be. */
  private missedAt = Number.NEGATIVE_INFINITY
  private isRefreshDue = false
  private hasEnded = false

  constructor(store: CircuitRegister, options: Parameters<Share>[1]) {
    const process = Math.floor(options.random.nextDoubleUnsafe() * 36 ** 8).toString(36)
    const fork: Fork = (effect) => this.fork(effect)
    this.exchange = new Exchange(process, store, options.host, options.policy, fork, options.random)
    this.firstUse = new FirstUse(this.exchange, options.host, fork)
    this.leasing = new Leasing(this.exchange, options.host, fork)
    this.store = store
    this.changes = store.changes
    this.host = options.host
    this.context = options.context
  }

  get policy(): SyncPolicy {
    return this.exchange.policy
  }

  set policy(policy: SyncPolicy) {
    this.exchange.policy = policy
  }

  // --- what calls ask for -------------------------------------------------------------------------------------------

  acquire(key: string): Effect.Effect<CircuitEntry | undefined> {
    return this.firstUse.acquire(key)
  }

  look(key: string): Effect.Effect<Seen | undefined> {
    return this.firstUse.look(key)
  }

  list<A>(prefix: string, toState: (key: string, seen: Seen) => A): Stream.Stream<A, CircuitStoreError> {
    const stateOf = (key: string): Effect.Effect<A | undefined, CircuitStoreError> =>
      Effect.map(
        this.firstUse.lookIfReadable(key),
        (seen) => seen?.record === undefined || isExpired(seen.record, seen.time) ? undefined : toState(key, seen)
      )
    return this.store.list(prefix).pipe(
      // Page by page, as the store lists them: a stream that reads ahead weighs three kilobytes more.
      Stream.mapArrayEffect((keys) => Effect.forEach(keys, stateOf, { concurrency: listedAtOnce })),
      Stream.filter((state) => state !== undefined)
    )
  }

  begin(entry: CircuitEntry, seen: Seen | undefined): void {
    const isDue = seen?.record !== undefined && this.exchange.learn(entry, seen.record)
    if (isDue) this.schedule(entry, this.host.at())
    // Somebody fails: what the first call comes to may matter to all.
    if (entry.shared?.isCounting === true) this.schedule(entry, this.host.at() + this.policy.flushEvery)
    if (seen !== undefined) {
      if (!this.policy.background) this.exchange.knows(this.exchange.shared(entry), this.exchange.lag)
      // The store answered the read before it held what it announced meanwhile.
      if (this.firstUse.announced(entry.key) > (seen.record?.version ?? 0)) this.askAnew(entry, this.host.at())
      return
    }
    const shared = this.exchange.unknown(entry)
    shared.readFailed = true
    // It has been asked, and waited for: the call that did so need not wait again.
    this.exchange.asks(shared)
    this.askAnew(entry, shared.askedAt)
  }

  learn(entry: CircuitEntry, seen: Seen | undefined): void {
    if (seen?.record !== undefined) this.exchange.learn(entry, seen.record)
  }

  lease(entry: CircuitEntry, restore: Restore): Effect.Effect<Lease> {
    return this.hasEnded ? Effect.succeed(undefined) : this.leasing.lease(entry, restore)
  }

  changed(entry: CircuitEntry, before: Circuit, changes: ReadonlyArray<PhaseChange>): void {
    const count = before.phase._tag === "Closed" ? this.exchange.count(entry, before.phase) : undefined
    const isFailure = changes.some(({ reason }) => reason._tag === "Tripped" || reason._tag === "ProbeFailed")
    this.exchange.shared(entry).changedPhase(before.phase, count, isFailure && entry.policy.quorum > 1)
    this.schedule(entry, this.host.at())
  }

  settled(entry: CircuitEntry, probe: number, outcome: Settlement["outcome"], duration: number): void {
    this.exchange.shared(entry).settled(probe, outcome, duration)
    this.schedule(entry, this.host.at())
  }

  steered(entry: CircuitEntry, act: Steering): void {
    const shared = this.exchange.shared(entry)
    shared.steered(act)
    shared.usedAt = this.host.at()
    // An act of an operator is written at once, however long ago the store was asked in vain.
    shared.retryAt = Number.NEGATIVE_INFINITY
    this.schedule(entry, this.host.at())
  }

  forgotten(entry: CircuitEntry): void {
    this.pending.delete(entry)
    entry.shared?.sleeper?.interruptUnsafe()
  }

  overruled(entry: CircuitEntry, before: CircuitEntry | undefined): void {
    if (before !== undefined) this.forgotten(before)
    const { phase } = entry.circuit
    const restored = phase._tag === "Closed" ? this.exchange.count(entry, phase) : undefined
    entry.shared = this.exchange.shared(before ?? entry).successor(restored)
    entry.shared.usedAt = this.host.at()
    this.schedule(entry, this.host.at())
  }

  failing(entry: CircuitEntry): void {
    entry.isFailing = true
    const { phase } = entry.circuit
    if (phase._tag !== "Closed") return
    const shared = this.exchange.shared(entry)
    shared.beginCounting(this.exchange.count(entry, phase), this.policy.flushEvery)
    this.schedule(entry, Math.max(this.host.at(), shared.toldAt + this.policy.flushEvery))
  }

  touched(entry: CircuitEntry): void {
    const shared = this.exchange.shared(entry)
    const now = this.host.at()
    if (shared.running > 0) return
    if (now >= shared.due) {
      shared.due = Number.POSITIVE_INFINITY
      this.schedule(entry, now)
    } else if (shared.delays === 0 && !this.isAsked(shared, now)) this.askAnew(entry, now)
  }

  relearn(entry: CircuitEntry): Effect.Effect<unknown> | undefined {
    const shared = this.exchange.shared(entry)
    const now = this.host.at()
    const isKnown = this.exchange.isAwake(shared) && now < shared.heardAt + forgotten * this.policy.refreshEvery
    // What is under way was asked by a process that was awake then, and may never be answered.
    if (isKnown || (shared.running > 0 && this.exchange.isAwakeSinceAsked(shared)) || this.isAsked(shared, now)) {
      return undefined
    }
    return Effect.raceFirst(Fiber.await(this.fork(this.run(entry, "Ask"))), Effect.sleep(this.policy.hydrateTimeout))
  }

  /** Whether the store was asked for a circuit a refresh ago or less, and the process has not been asleep since. */
  private isAsked(shared: SharedCircuit, now: number): boolean {
    return now < shared.askedAt + this.policy.refreshEvery && this.exchange.isAwakeSinceAsked(shared)
  }

  recounted(entry: CircuitEntry, before: Circuit): void {
    const { phase } = entry.circuit
    if (entry.shared === undefined || phase._tag !== "Closed" || before.phase._tag !== "Closed") return
    entry.shared.recount(this.exchange.count(entry, before.phase), this.exchange.count(entry, phase))
  }

  readonly flush: Effect.Effect<void> = Effect.suspend(() =>
    Effect.raceFirst(
      // A probe that is given back as soon as it is granted has to be told of, too.
      Effect.andThen(
        Fiber.awaitAll(this.leasing.abandoned),
        Effect.suspend(() =>
          Effect.forEach(
            [...this.pending].filter(({ shared }) => shared?.isUrgent === true || shared?.isCounting === true),
            (entry) => this.run(entry, "Tell"),
            { concurrency, discard: true }
          )
        )
      ),
      Effect.sleep(this.policy.storeTimeout)
    )
  )

  // --- background ---------------------------------------------------------------------------------------------------

  readonly listen: Effect.Effect<never> = Effect.suspend(() => {
    const { changes } = this
    const refreshed = Effect.andThen(
      Effect.suspend(() => Effect.sleep(this.policy.refreshEvery)),
      Effect.suspend(() => this.refresh)
    )
    const listening = changes === undefined ? Effect.void : Effect.catchCause(
      Stream.runForEach(changes, (change) => Effect.sync(() => this.heard(change))),
      (cause) =>
        Effect.sync(() => {
          if (!this.isDeaf) this.host.publish(storeFailed("", "changes", cause))
          this.isDeaf = true
        })
    )
    return Effect.forever(Effect.andThen(listening, refreshed))
  })

  readonly end: Effect.Effect<void> = Effect.sync(() => {
    this.hasEnded = true
    // Not awaited, since a store may not let go.
    for (const fiber of this.fibers) fiber.interruptUnsafe()
  })

  private heard(change: Change): void {
    if (this.isDeaf) this.host.publish({ _tag: "StoreRecovered", key: "" })
    this.isDeaf = false
    if (change._tag === "Missed") return this.missed()
    const entry = this.host.get(change.key)
    if (entry === undefined) return this.firstUse.announce(change.key, change.version)
    const known = entry.shared?.seen
    if (change.version <= (known?.version ?? 0)) return
    const shared = this.exchange.shared(entry)
    shared.latest = Math.max(shared.latest, change.version)
    // Most likely what is being written; if it is not, the exchange under way is followed by another one.
    if (shared.running > 0) return
    const now = this.host.at()
    const isNews = change.generation !== revisionOf(known)
    if (isNews && this.mayHurry(shared, now)) return this.askAnew(entry, now)
    // Counts. Where nothing is called, they are in no hurry.
    const { flushEvery, refreshEvery } = this.policy
    this.askAnew(entry, isNews || this.isInUse(entry) ? Math.max(now, shared.heardAt + flushEvery) : now + refreshEvery)
  }

  /** Bounds what is read at once: anything that may publish may announce what no record shows. */
  private mayHurry(shared: SharedCircuit, now: number): boolean {
    if (now >= shared.hurriesUntil) {
      shared.hurries = 0
      shared.hurriesUntil = now + this.policy.flushEvery
    }
    return ++shared.hurries <= hurried
  }

  /** Asks for all circuits in use, at once, but only once within `refreshEvery`, however often something may have been missed. */
  private missed(): void {
    this.firstUse.missed()
    if (this.isRefreshDue) return
    this.isRefreshDue = true
    const wait = Math.max(0, this.missedAt + this.policy.refreshEvery - this.host.at())
    const refreshed = Effect.suspend(() => {
      this.isRefreshDue = false
      this.missedAt = this.host.at()
      return this.refresh
    })
    this.fork(wait > 0 ? Effect.andThen(Effect.sleep(wait), refreshed) : refreshed)
  }

  /** Asks for all circuits in use. */
  private get refresh(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const used = [...this.host.entries()].filter((entry) => this.isInUse(entry))
      return Effect.forEach(used, (entry) => this.run(entry, "Ask"), { concurrency, discard: true })
    })
  }

  /**
   * Whether a circuit was used lately, or has something to come to. No call writes down when it was, so those since the last
   * look count as just now: rather one question too many.
   */
  private isInUse(entry: CircuitEntry): boolean {
    const calls = callsOf(entry)
    if (calls === 0 && entry.shared === undefined) return false
    const shared = this.exchange.shared(entry)
    const now = this.host.at()
    // An override lasts, also where no call comes: if the store loses its record, it is written again.
    if (entry.circuit.override !== "None") return true
    if (calls !== shared.calls) {
      shared.calls = calls
      shared.usedAt = now
    }
    return entry.circuit.phase._tag !== "Closed" || now < shared.usedAt + remembered * this.policy.refreshEvery
  }

  private askAnew(entry: CircuitEntry, due: number): void {
    this.exchange.shared(entry).isStale = true
    this.schedule(entry, due)
  }

  private schedule(entry: CircuitEntry, due: number): void {
    // What a circuit is told after it was forgotten or replaced would be kept for nobody.
    if (this.hasEnded || this.host.get(entry.key) !== entry) return
    const shared = this.exchange.shared(entry)
    if (shared.isUrgent || shared.isCounting) this.pending.add(entry)
    if (due >= shared.due) return
    shared.due = due
    if (shared.running > 0) return
    // Whole milliseconds: one that wakes a fraction too early would wait again, for no time at all.
    const wait = Math.ceil(due - this.host.at())
    if (wait > 0 && !this.policy.background) return
    shared.sleeper?.interruptUnsafe()
    // Never within the call that brings it about, which has its own work to finish first.
    const waited = wait > 0 ? Effect.sleep(wait) : Effect.yieldNow
    shared.sleeper = this.fork(Effect.andThen(
      waited,
      Effect.suspend(() => {
        shared.sleeper = undefined
        return this.run(entry, shared.isStale ? "Ask" : "Tell")
      })
    ))
  }

  private run(entry: CircuitEntry, purpose: "Tell" | "Ask"): Effect.Effect<void> {
    return Effect.suspend(() => {
      // A circuit that was forgotten or replaced is nobody's to share.
      if (this.host.get(entry.key) !== entry) {
        this.pending.delete(entry)
        return Effect.void
      }
      const shared = this.exchange.shared(entry)
      const asks = purpose === "Ask"
      shared.due = Number.POSITIVE_INFINITY
      shared.running++
      if (asks) {
        shared.isStale = false
        shared.latest = 0
      }
      return Effect.onExitPrimitive(
        Effect.asVoid(this.exchange.run(entry, { probe: false, fresh: asks })),
        (exit) => {
          shared.running--
          if (exit._tag === "Failure") {
            shared.isStale ||= asks
            if (this.hasEnded) return undefined
            this.exchange.failed(entry, exit.cause)
          }
          this.again(entry, shared)
          return undefined
        }
      )
    }).pipe(Effect.exit, Effect.asVoid)
  }

  /** When the next exchange is due, if one is. */
  private again(entry: CircuitEntry, shared: SharedCircuit): void {
    if (shared.running > 0) return
    this.pending.delete(entry)
    const now = this.host.at()
    const asked = shared.due
    shared.due = Number.POSITIVE_INFINITY
    if (shared.retryAt > now || shared.isFailing) {
      // What the others have written can be read while writing fails.
      const news = shared.isStale && !shared.readFailed ? asked : Number.POSITIVE_INFINITY
      return this.schedule(entry, Math.min(news, Math.max(now, shared.retryAt)))
    }
    // What was announced while the store was asked is news as any other, and may be as false.
    if (shared.isBehind) {
      return this.askAnew(
        entry,
        this.mayHurry(shared, now) ? now : Math.max(now, shared.heardAt + this.policy.flushEvery)
      )
    }
    if (shared.delays > 0) return this.schedule(entry, now + this.exchange.health.delay(shared))
    if (entry.isFailing || shared.isCounting) return this.schedule(entry, Math.min(asked, now + this.policy.flushEvery))
    if (asked < Number.POSITIVE_INFINITY) this.schedule(entry, asked)
  }

  private fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    const fiber = Effect.runForkWith(this.context)(effect)
    this.fibers.add(fiber)
    fiber.addObserver(() => this.fibers.delete(fiber))
    return fiber
  }
}

const callsOf = ({ failed, ignored, rejected, succeeded }: CircuitEntry): number =>
  succeeded + failed + ignored + rejected

/** How a store shares the circuits of a breaker. */
export const share: Share = (store, options) => new Sync(store, options)
