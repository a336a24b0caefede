/**
 * The circuits of a breaker: they are made, changed by steps of the machine, replaced and told about here.
 *
 * Nothing here decides, and no call comes by here on the short way. See `Engine` for calls.
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import type * as Random from "effect/Random"
import type { CircuitEvent, Transition } from "../CircuitEvent.ts"
import type { CircuitStore, Seen } from "../CircuitStore.ts"
import { type Circuit, makeCircuit, overrideOf } from "../machine/Circuit.ts"
import { CircuitTime } from "../machine/CircuitTime.ts"
import { type CircuitSnapshot, restoreSnapshot } from "../machine/Snapshot.ts"
import { change, type Event, type Permit, type PhaseChange, settle, stay, type Step, step } from "../machine/Step.ts"
import * as Outcome from "../Outcome.ts"
import { CircuitEntry } from "./CircuitEntry.ts"
import { CircuitTable } from "./CircuitTable.ts"
import type { EventBus } from "./EventBus.ts"
import type { Policies } from "./Policies.ts"
import type { Host, Sharing } from "./Sharing.ts"

export interface Options {
  readonly policies: Policies
  readonly clock: Clock.Clock
  readonly events: EventBus<CircuitEvent>
  readonly transitions: EventBus<Transition>
  /** Undefined for a breaker whose circuits are its own. */
  readonly store: CircuitStore["Service"] | undefined
  readonly context: Context.Context<never>
  readonly random: Random.Random
}

export abstract class Circuits implements Host {
  readonly table: CircuitTable
  /** Undefined where nothing is shared. */
  readonly sharing: Sharing | undefined
  protected readonly time = new CircuitTime()
  protected readonly events: EventBus<CircuitEvent>
  /** Whether there is work between calls, for as long as the breaker lives. */
  protected readonly background: boolean
  /** When the policy was last replaced, by the clock of the process. */
  protected updatedAt = 0
  private policies: Policies
  private readonly clock: Clock.Clock
  private readonly transitions: EventBus<Transition>

  constructor(options: Options) {
    const { clock, context, events, policies, random, store, transitions } = options
    this.policies = policies
    this.clock = clock
    this.events = events
    this.transitions = transitions
    this.background = store === undefined || policies.sync.background
    this.table = new CircuitTable(policies, (entry) => {
      this.sharing?.forgotten(entry)
      this.events.publish({ _tag: "KeyForgotten", key: entry.key })
    })
    this.sharing = store?.share(store, { host: this, policy: policies.sync, context, random })
  }

  /** Keeps the way that calls take up to date with a circuit that has changed. */
  protected abstract refresh(entry: CircuitEntry): void

  /** Milliseconds of the monotonic clock: a step of the wall clock is none of a circuit's business. */
  now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
  }

  wall(): number {
    return this.clock.currentTimeMillisUnsafe()
  }

  /** The time of this breaker's circuits. */
  at(): number {
    return this.time.at(this.now())
  }

  get(key: string): CircuitEntry | undefined {
    return this.table.get(key)
  }

  /** The circuit of a key unless it was idle for as long as it may be; every other idle one goes now and then, too. */
  findUnexpired(key: string, isCall: boolean): CircuitEntry | undefined {
    const at = this.at()
    if (isCall) this.table.expire(at)
    const entry = this.table.getUnlessExpired(key, at)
    if (isCall && entry !== undefined) this.table.touch(entry, at)
    return entry
  }

  entries(): Iterable<CircuitEntry> {
    return this.table.values()
  }

  hasRoom(): boolean {
    return this.table.mayHold(this.at())
  }

  publish(event: CircuitEvent): void {
    this.events.publish(event)
  }

  /** Makes the circuit of a key that has none, as the store knows it. Undefined where there is no room for it. */
  add(key: string, seen: Seen | undefined): CircuitEntry | undefined {
    const existing = this.table.get(key)
    if (existing !== undefined) return existing
    const entry = this.makeEntry(key, undefined)
    if (this.table.add(entry, this.at())) {
      this.sharing?.begin(entry, seen)
      return entry
    }
    this.events.publish({ _tag: "KeyRefused", key })
    return undefined
  }

  /** The circuit of a key as the store knows it, in no table. */
  look(key: string, seen: Seen | undefined): CircuitEntry {
    const entry = this.makeEntry(key, undefined)
    this.sharing?.learn(entry, seen)
    return entry
  }

  /**
   * Puts a circuit in the place of the one that a key has, in a generation above both. Whoever isolated the key keeps it
   * isolated.
   */
  replace(key: string, snapshot: CircuitSnapshot): void {
    const before = this.table.get(key)
    const generation = Math.max(snapshot.generation, before?.circuit.phase.generation ?? 0)
    const entry = this.makeEntry(key, { ...snapshot, generation })
    entry.circuit = { ...entry.circuit, isolations: before?.circuit.isolations ?? 0 }
    this.refresh(entry)
    if (!this.table.set(entry, this.at())) {
      this.events.publish({ _tag: "KeyRefused", key })
      return
    }
    entry.lastTransition = before?.lastTransition
    this.tellRestored(entry, before?.circuit)
    this.sharing?.overruled(entry, before)
  }

  private tellRestored(entry: CircuitEntry, before: Circuit | undefined): void {
    const { circuit } = entry
    const from = before?.phase._tag ?? "Closed"
    if (from !== circuit.phase._tag) {
      const { changes } = change(stay(circuit), circuit.phase, { _tag: "Restored" })
      this.tell(entry, changes.map((restored) => ({ ...restored, from })))
    }
    const override = overrideOf(circuit)
    if (override !== (before === undefined ? "None" : overrideOf(before))) {
      this.events.publish({ _tag: "Overridden", key: entry.key, override })
    }
  }

  /** The circuit of a key as a snapshot has it, in no table. */
  makeEntry(key: string, snapshot: CircuitSnapshot | undefined): CircuitEntry {
    const policy = this.policies.forKey(key)
    const now = this.now()
    const circuit = snapshot === undefined
      ? makeCircuit(policy, this.time, now)
      : restoreSnapshot(policy, snapshot, this.time, now)
    const entry = new CircuitEntry(key, policy, circuit)
    this.refresh(entry)
    return entry
  }

  /** Runs a step that is not a call. */
  run(entry: CircuitEntry, event: Event): void {
    this.commit(entry, step(entry.policy, entry.circuit, event, this.now()))
    if (event._tag === "Override" || event._tag === "Isolate" || event._tag === "Release" || event._tag === "Reset") {
      this.events.publish({ _tag: "Overridden", key: entry.key, override: overrideOf(entry.circuit) })
    }
    // Who isolates a key does it for as long as he is there, and so for his process.
    if (event._tag === "Override" || event._tag === "Reset") this.sharing?.steered(entry, event)
  }

  /** Puts the shared circuit in the place of the process's own. */
  take(entry: CircuitEntry, circuit: Circuit, changes: ReadonlyArray<PhaseChange>): void {
    const before = overrideOf(entry.circuit)
    entry.circuit = circuit
    this.refresh(entry)
    if (!this.isHeld(entry)) return
    this.tell(entry, changes)
    const override = overrideOf(circuit)
    if (override !== before) this.events.publish({ _tag: "Overridden", key: entry.key, override })
  }

  protected settle(entry: CircuitEntry, permit: Permit, outcome: Outcome.Outcome, duration: number): undefined {
    entry.used = true
    const before = entry.circuit.phase
    this.commit(entry, settle(entry.policy, entry.circuit, permit, outcome, duration, this.now()))
    const { generation, probe } = permit
    // One of this trial, which the answer has left undecided: what decides it is told as a change of phase.
    const isTrial = before._tag === "HalfOpen" && entry.circuit.phase.generation === generation
    if (isTrial && probe !== undefined && before.probes.includes(probe)) {
      this.sharing?.settled(entry, probe, outcome, duration)
    }
  }

  /** Gives back a probe that nobody will make. */
  release(entry: CircuitEntry, permit: Permit): void {
    this.settle(entry, permit, Outcome.ignored, 0)
  }

  /** Puts every circuit under another policy; each keeps what it measured. */
  update(policies: Policies): void {
    this.policies = policies
    this.updatedAt = this.now()
    this.table.limits = policies
    if (this.sharing !== undefined) this.sharing.policy = { ...policies.sync, background: this.background }
    for (const entry of this.table.values()) {
      entry.policy = policies.forKey(entry.key)
      entry.lastRejection = undefined
      const before = entry.circuit
      this.run(entry, { _tag: "Update" })
      this.sharing?.recounted(entry, before)
    }
    this.events.publish({ _tag: "PolicyUpdated" })
  }

  protected commit(entry: CircuitEntry, stepped: Step): void {
    const before = entry.circuit
    if (stepped.circuit !== before) {
      entry.circuit = stepped.circuit
      this.refresh(entry)
    }
    if (stepped.changes.length === 0 || !this.isHeld(entry)) return
    this.tell(entry, stepped.changes)
    this.sharing?.changed(entry, before, stepped.changes)
  }

  /**
   * Whether there is anything to tell of a circuit. One that was forgotten or replaced may still get results, but it is
   * nobody's circuit any more, and one that is only looked at is none yet.
   */
  private isHeld(entry: CircuitEntry): boolean {
    return this.table.get(entry.key) === entry
  }

  private tell(entry: CircuitEntry, changes: ReadonlyArray<PhaseChange>): void {
    for (const change of changes) {
      const transition = toTransition(entry.key, change, this.clock.currentTimeMillisUnsafe())
      entry.lastTransition = transition
      this.transitions.publish(transition)
      this.events.publish(transition)
    }
  }
}

const toTransition = (key: string, change: PhaseChange, time: number): Transition => ({
  _tag: "Transition",
  key,
  time,
  from: change.from,
  to: change.to,
  reason: change.reason,
  generation: change.generation,
  consecutiveOpenings: change.openings,
  openDuration: Duration.millis(change.openDuration),
  override: change.override
})
