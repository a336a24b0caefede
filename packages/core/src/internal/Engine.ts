/**
 * The shell around the machine: reads the clock, runs a step, keeps the result, tells who listens.
 *
 * Nothing here decides. A call goes one of two ways. The short one is for a closed circuit that only counts finished
 * calls: it looks up a circuit and runs the call with a handler that all calls of the generation share. Whatever holds
 * something for the time of the call, a probe or a place among the calls in flight, takes the long one, on which
 * admission and handler are one step that no interruption can come between.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Random from "effect/Random"
import type { CircuitEvent, Transition } from "../CircuitEvent.ts"
import * as CircuitOpen from "../CircuitOpen.ts"
import type { CircuitStore, Seen } from "../CircuitStore.ts"
import { type Circuit, makeCircuit, openingsOf, overrideOf } from "../machine/Circuit.ts"
import { CircuitTime } from "../machine/CircuitTime.ts"
import { type CircuitSnapshot, restoreSnapshot } from "../machine/Snapshot.ts"
import {
  admit,
  type Event,
  type Permit,
  type PhaseChange,
  type Rejection,
  rejectionOf,
  settle,
  type Step,
  step,
  trip,
  unmeasured,
  wouldProbe
} from "../machine/Step.ts"
import * as Outcome from "../Outcome.ts"
import { type Lease, Sync } from "../sync/Sync.ts"
import { CircuitEntry, type OnExit } from "./CircuitEntry.ts"
import { CircuitTable } from "./CircuitTable.ts"
import type { EventBus } from "./EventBus.ts"
import type { Policies } from "./Policies.ts"

export type Classify<A, E, R> = (exit: Exit.Exit<A, E>) => Outcome.Outcome | Effect.Effect<Outcome.Outcome, never, R>

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export class Engine {
  readonly table: CircuitTable
  readonly events: EventBus<CircuitEvent>
  readonly transitions: EventBus<Transition>
  private policies: Policies
  private readonly clock: Clock.Clock
  private readonly time = new CircuitTime()
  readonly sync: Sync
  /** Whether there is work between calls, for as long as the breaker lives. */
  private readonly background: boolean

  constructor(options: {
    readonly policies: Policies
    readonly clock: Clock.Clock
    readonly events: EventBus<CircuitEvent>
    readonly transitions: EventBus<Transition>
    readonly store: CircuitStore["Service"]
    readonly context: Context.Context<never>
    readonly random: Random.Random
  }) {
    this.policies = options.policies
    this.clock = options.clock
    this.events = options.events
    this.transitions = options.transitions
    this.background = options.policies.sync.background
    this.sync = new Sync({ ...options, host: this, policy: options.policies.sync })
    this.table = new CircuitTable(options.policies, (key) => this.events.publish({ _tag: "KeyForgotten", key }))
  }

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

  // --- calls --------------------------------------------------------------------------------------------------------

  /** Begins a guarded call: to be called where the effect it answers runs next. */
  enter<A, E, R, R2>(
    entry: CircuitEntry,
    call: Effect.Effect<A, E, R>,
    classify: Classify<A, E, R2> | undefined
  ): Effect.Effect<A, E | CircuitOpen.CircuitOpen, R | R2> {
    if (classify === undefined) {
      const onExit = entry.onExit ?? this.begin(entry)
      // Interruptible: an interrupted call is one that says nothing, so there is nothing to be done for it.
      if (onExit !== undefined) return Effect.onExitPrimitive(call, onExit, true)
    }
    return this.background
      ? this.reject(entry) ?? this.ask(entry, call, classify)
      : this.enterBeside(entry, call, classify)
  }

  /** The same, in a process that does beside its calls what others do between them. */
  private enterBeside<A, E, R, R2>(
    entry: CircuitEntry,
    call: Effect.Effect<A, E, R>,
    classify: Classify<A, E, R2> | undefined
  ): Effect.Effect<A, E | CircuitOpen.CircuitOpen, R | R2> {
    const relearned = this.sync.relearn(entry)
    if (relearned !== undefined) return Effect.flatMap(relearned, () => this.enter(entry, call, classify))
    this.sync.touched(entry)
    return this.reject(entry) ?? this.ask(entry, call, classify)
  }

  /** Asks the machine, and the store as well where the call would be a probe. */
  private ask<A, E, R, R2>(
    entry: CircuitEntry,
    call: Effect.Effect<A, E, R>,
    classify: Classify<A, E, R2> | undefined
  ): Effect.Effect<A, E | CircuitOpen.CircuitOpen, R | R2> {
    return entry.circuit.phase._tag !== "Closed" && wouldProbe(entry.policy, entry.circuit, this.at())
      ? this.probe(entry, call, classify)
      : Effect.uninterruptibleMask((restore) => this.guard(entry, call, classify, restore, undefined))
  }

  /** The handler for a call on the short way whose duration counts, or that finds its circuit warm. */
  private begin(entry: CircuitEntry): OnExit | undefined {
    if (entry.measuresDuration) {
      const { generation } = entry.circuit.phase
      const startedAt = this.now()
      return (exit) => this.settlePlainly(entry, generation, exit, startedAt)
    }
    if (!entry.isWarming) return undefined
    // Warm-up ends without a step of the machine, so it is looked for here.
    this.refresh(entry)
    return entry.onExit ?? (entry.measuresDuration ? this.begin(entry) : undefined)
  }

  /** Keeps the short way up to date with the circuit. */
  private refresh(entry: CircuitEntry): void {
    const isPlain = this.background && entry.isPlain(entry.isWarming ? this.at() : 0)
    const { generation } = entry.circuit.phase
    entry.measuresDuration = isPlain && entry.policy.needs.duration
    entry.onExit = isPlain && !entry.measuresDuration
      ? (exit) => this.settlePlainly(entry, generation, exit, undefined)
      : undefined
  }

  private settlePlainly(
    entry: CircuitEntry,
    generation: number,
    exit: Exit.Exit<unknown, unknown>,
    startedAt: number | undefined
  ): undefined {
    const outcome = this.count(entry, exit)
    if (outcome === "Ignored") return
    const { phase } = entry.circuit
    // A late result has no say any more, and the handler that stands there now is another generation's.
    if (phase._tag !== "Closed" || phase.generation !== generation) return
    const now = entry.policy.needs.time ? this.now() : 0
    const duration = startedAt === undefined ? 0 : now - startedAt
    if (entry.onExit === undefined && !entry.measuresDuration) {
      return this.settleByMachine(entry, generation, outcome, duration)
    }
    const at = entry.policy.needs.time ? this.time.at(now) : 0
    if (startedAt !== undefined && duration >= entry.policy.slowerThan && !entry.isFailing) this.sync.failing(entry)
    const readings = phase.evidence.record(outcome === "Failure", duration, at, false)
    if (readings !== undefined) this.commit(entry, trip(entry.policy, entry.circuit, phase, readings, this.at(), 0))
  }

  /** Settles a call that took the short way, in a circuit that has none any more: an operator or a rule has a say now. */
  private settleByMachine(
    entry: CircuitEntry,
    generation: number,
    outcome: "Success" | "Failure",
    duration: number
  ): undefined {
    const permit = { generation, probe: undefined, call: undefined }
    return this.settle(entry, permit, outcome === "Failure" ? Outcome.failure() : Outcome.success, duration)
  }

  private count(entry: CircuitEntry, exit: Exit.Exit<unknown, unknown>): Outcome.Outcome["_tag"] {
    entry.used = true
    if (exit._tag === "Success") {
      entry.succeeded++
      return "Success"
    }
    // The first reason nearly always tells, without walking through all of them.
    if (exit.cause.reasons[0]?._tag !== "Fail" && Cause.hasInterruptsOnly(exit.cause)) return "Ignored"
    entry.failed++
    if (!entry.isFailing) this.sync.failing(entry)
    return "Failure"
  }

  /** Rejects a call where that changes nothing. Nothing is held then, so no step has to be atomic. */
  private reject(entry: CircuitEntry): Effect.Effect<never, CircuitOpen.CircuitOpen> | undefined {
    const { circuit } = entry
    if (circuit.phase._tag === "Closed" && overrideOf(circuit) === "None") return undefined
    const at = this.at()
    const last = entry.lastRejection
    // A storm of rejections is one object a millisecond.
    if (last !== undefined && last.circuit === circuit && Math.ceil(last.until - at) === last.millis) {
      entry.used = true
      entry.rejected++
      return last.exit
    }
    const rejection = rejectionOf(entry.policy, circuit, at)
    return rejection === undefined ? undefined : this.rejection(entry, rejection, at)
  }

  private rejection(
    entry: CircuitEntry,
    { openings, phase, reason, retryAfter }: Rejection,
    at: number
  ): Exit.Exit<never, CircuitOpen.CircuitOpen> {
    entry.used = true
    entry.rejected++
    const millis = Math.ceil(retryAfter)
    const exit = Exit.fail(CircuitOpen.make(entry.key, phase, reason, Duration.millis(millis), openings))
    entry.lastRejection = { circuit: entry.circuit, until: at + retryAfter, millis, exit }
    return exit
  }

  /** Lets a call probe that has the store's leave. It is the one call that waits for the store. */
  private probe<A, E, R, R2>(
    entry: CircuitEntry,
    call: Effect.Effect<A, E, R>,
    classify: Classify<A, E, R2> | undefined
  ): Effect.Effect<A, E | CircuitOpen.CircuitOpen, R | R2> {
    return Effect.uninterruptibleMask<A, E | CircuitOpen.CircuitOpen, R | R2>((restore) => {
      const lease = this.sync.lease(entry)
      // As many as there may be ask already.
      if (lease === undefined) {
        return overrideOf(entry.circuit) === "MetricsOnly"
          ? this.guard(entry, call, classify, restore, unmeasured)
          : this.rejection(entry, asking(entry), this.at())
      }
      const asked = Effect.onExitPrimitive(restore(Fiber.await(lease)), (exit) => {
        // Interrupted: what the store grants from here on is for nobody.
        if (exit._tag === "Failure") lease.addObserver((exit) => this.giveBack(entry, exit))
        return undefined
      })
      return Effect.flatMap(asked, (exit) => {
        const granted = exit._tag === "Success" ? exit.value : "Alone"
        if (typeof granted === "object") return this.guard(entry, call, classify, restore, granted)
        const rejected = this.reject(entry)
        if (rejected !== undefined) return rejected
        return granted === "Alone" || !wouldProbe(entry.policy, entry.circuit, this.at())
          ? this.guard(entry, call, classify, restore, undefined)
          : this.rejection(entry, asking(entry), this.at())
      })
    })
  }

  private guard<A, E, R, R2>(
    entry: CircuitEntry,
    call: Effect.Effect<A, E, R>,
    classify: Classify<A, E, R2> | undefined,
    restore: Restore,
    leased: Permit | undefined
  ): Effect.Effect<A, E | CircuitOpen.CircuitOpen, R | R2> {
    const startedAt = this.now()
    const admission = leased ?? this.admit(entry, startedAt)
    if (!("generation" in admission)) return this.rejection(entry, admission, this.at())
    return Effect.onExitPrimitive(restore(call), (exit): Effect.Effect<void, never, R2> | undefined => {
      // Before the classifier runs, whose time is not the dependency's.
      const duration = this.now() - startedAt
      const settled = (outcome: Outcome.Outcome): undefined => {
        if (outcome._tag === "Success") entry.succeeded++
        else if (outcome._tag === "Failure") entry.failed++
        else entry.ignored++
        const counts = outcome._tag === "Failure" || (outcome._tag === "Success" && duration >= entry.policy.slowerThan)
        if (counts && !entry.isFailing) this.sync.failing(entry)
        return this.settle(entry, admission, outcome, duration)
      }
      // An interruption is nobody's to classify, and counts nowhere: not even among the ignored calls.
      if (exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)) {
        return this.settle(entry, admission, Outcome.ignored, duration)
      }
      if (classify === undefined) return settled(Outcome.fromExit(exit))
      return this.classified(entry, () => classify(exit), restore, settled)
    })
  }

  private giveBack(entry: CircuitEntry, lease: Exit.Exit<Lease>): void {
    if (lease._tag === "Success" && typeof lease.value === "object") this.release(entry, lease.value)
  }

  private admit(entry: CircuitEntry, now: number): Permit | Rejection {
    const { circuit, policy } = entry
    // Without the store's leave one probe at a time has to do, since other processes may be on trial as well.
    const alone = circuit.phase._tag === "Closed"
      ? policy
      : { ...policy, halfOpen: { ...policy.halfOpen, permits: 1 } }
    const stepped = admit(alone, circuit, now)
    this.commit(entry, stepped)
    return stepped.decision._tag === "Admitted" ? stepped.decision.permit : stepped.decision.rejection
  }

  /** Settles with what a classifier says. If it says nothing, the call is ignored and the classifier's fault surfaces. */
  private classified<R>(
    entry: CircuitEntry,
    classify: () => Outcome.Outcome | Effect.Effect<Outcome.Outcome, never, R>,
    restore: Restore,
    settled: (outcome: Outcome.Outcome) => undefined
  ): Effect.Effect<void, never, R> {
    const classified = restore(Effect.suspend(() => {
      const outcome = classify()
      return Effect.isEffect(outcome) ? outcome : Effect.succeed(outcome)
    }))
    return Effect.onExitPrimitive(
      Effect.asVoid(Effect.tap(classified, (outcome) => Effect.sync(() => settled(outcome)))),
      (exit) => {
        if (Exit.isSuccess(exit)) return undefined
        this.events.publish({ _tag: "ClassifierFailed", key: entry.key, cause: exit.cause })
        return settled(Outcome.ignored)
      }
    )
  }

  private settle(entry: CircuitEntry, permit: Permit, outcome: Outcome.Outcome, duration: number): undefined {
    entry.used = true
    const before = entry.circuit.phase
    this.commit(entry, settle(entry.policy, entry.circuit, permit, outcome, duration, this.now()))
    const { generation, probe } = permit
    // One of this trial, which the answer has left undecided: what decides it is told as a change of phase.
    const isTrial = before._tag === "HalfOpen" && before.generation === generation &&
      entry.circuit.phase.generation === generation
    if (isTrial && probe !== undefined && before.probes.includes(probe)) {
      this.sync.settled(entry, probe, outcome, duration)
    }
  }

  // --- circuits -----------------------------------------------------------------------------------------------------

  /** Makes the circuit of a key that has none, as the store knows it. Undefined where there is no room for it. */
  add(key: string, seen: Seen | undefined): CircuitEntry | undefined {
    const existing = this.table.get(key)
    if (existing !== undefined) return existing
    const entry = this.makeEntry(key, undefined)
    if (this.table.add(entry, this.at())) {
      this.sync.begin(entry, seen)
      return entry
    }
    this.events.publish({ _tag: "KeyRefused", key })
    return undefined
  }

  /** The circuit of a key as the store knows it, in no table. */
  look(key: string, seen: Seen | undefined): CircuitEntry {
    const entry = this.makeEntry(key, undefined)
    if (seen?.record !== undefined) this.sync.learn(entry, seen.record)
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
    if (this.table.set(entry, this.at())) this.sync.overruled(entry, before)
    else this.events.publish({ _tag: "KeyRefused", key })
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
    if (event._tag === "Override" || event._tag === "Reset") this.sync.steered(entry, event)
  }

  // --- what is shared -----------------------------------------------------------------------------------------------

  get(key: string): CircuitEntry | undefined {
    return this.table.get(key)
  }

  entries(): Iterable<CircuitEntry> {
    return this.table.values()
  }

  publish(event: CircuitEvent): void {
    this.events.publish(event)
  }

  /** Puts the shared circuit in the place of the process's own. */
  take(entry: CircuitEntry, circuit: Circuit, changes: ReadonlyArray<PhaseChange>): void {
    const before = overrideOf(entry.circuit)
    entry.circuit = circuit
    this.refresh(entry)
    this.tell(entry, changes)
    const override = overrideOf(circuit)
    if (override !== before) this.events.publish({ _tag: "Overridden", key: entry.key, override })
  }

  /** Gives back a probe that nobody will make. */
  release(entry: CircuitEntry, permit: Permit): void {
    this.settle(entry, permit, Outcome.ignored, 0)
  }

  /** Puts every circuit under another policy; each keeps what it measured. */
  update(policies: Policies): void {
    this.policies = policies
    this.table.limits = policies
    this.sync.policy = { ...policies.sync, background: this.background }
    for (const entry of this.table.values()) {
      entry.policy = policies.forKey(entry.key)
      entry.lastRejection = undefined
      const before = entry.circuit
      this.run(entry, { _tag: "Update" })
      this.sync.recounted(entry, before)
    }
    this.events.publish({ _tag: "PolicyUpdated" })
  }

  private commit(entry: CircuitEntry, stepped: Step): void {
    const before = entry.circuit
    if (stepped.circuit !== before) {
      entry.circuit = stepped.circuit
      this.refresh(entry)
    }
    // A circuit that was forgotten or replaced may still get results, but it is nobody's circuit any more.
    if (stepped.changes.length === 0 || this.table.get(entry.key) !== entry) return
    this.tell(entry, stepped.changes)
    this.sync.changed(entry, before, stepped.changes)
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

/** Why a call is rejected while others ask the store whether they may probe. */
const asking = ({ circuit, policy }: CircuitEntry): Rejection => ({
  phase: "HalfOpen",
  reason: "Probing",
  retryAfter: policy.halfOpen.maxDuration,
  openings: openingsOf(circuit.phase, 0)
})

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
