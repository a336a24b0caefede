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
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { CircuitEvent, Transition } from "../CircuitEvent.ts"
import * as CircuitOpen from "../CircuitOpen.ts"
import {
  admit,
  type Event,
  makeCircuit,
  overrideOf,
  type Permit,
  type PhaseChange,
  type Rejection,
  settle,
  type Step,
  step,
  trip
} from "../machine/Circuit.ts"
import { CircuitTime } from "../machine/CircuitTime.ts"
import { type CircuitSnapshot, restoreSnapshot } from "../machine/Snapshot.ts"
import * as Outcome from "../Outcome.ts"
import { CircuitEntry, type OnExit } from "./CircuitEntry.ts"
import { CircuitTable } from "./CircuitTable.ts"
import type { EventBus } from "./EventBus.ts"
import type { Policies } from "./Policies.ts"

export type Classify<A, E, R> = (exit: Exit.Exit<A, E>) => Outcome.Outcome | Effect.Effect<Outcome.Outcome, never, R>

export class Engine {
  readonly table: CircuitTable
  readonly events: EventBus<CircuitEvent>
  readonly transitions: EventBus<Transition>
  private policies: Policies
  private readonly clock: Clock.Clock
  private readonly time = new CircuitTime()
  private readonly onChange: (entry: CircuitEntry) => void

  constructor(options: {
    readonly policies: Policies
    readonly clock: Clock.Clock
    readonly events: EventBus<CircuitEvent>
    readonly transitions: EventBus<Transition>
    /** Called after a circuit changed in a way that outlives the process. */
    readonly onChange: (entry: CircuitEntry) => void
  }) {
    this.policies = options.policies
    this.clock = options.clock
    this.events = options.events
    this.transitions = options.transitions
    this.onChange = options.onChange
    this.table = new CircuitTable(options.policies, (key) => this.events.publish({ _tag: "KeyForgotten", key }))
  }

  /** Milliseconds of the monotonic clock: a step of the wall clock is none of a circuit's business. */
  now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
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
      const plain = this.plainly(entry)
      if (plain !== undefined) return Effect.onExitPrimitive(call, plain)
    }
    return this.reject(entry) ?? this.guard(entry, call, classify)
  }

  private plainly(entry: CircuitEntry): OnExit | undefined {
    // Warm-up ends without a step of the machine, so it is looked for here.
    if (entry.onExit === undefined && entry.isWarming) this.refresh(entry)
    if (entry.onExit === undefined || !entry.policy.needs.duration) return entry.onExit
    const { generation } = entry.circuit.phase
    const startedAt = this.now()
    return (exit) => this.settlePlainly(entry, generation, exit, startedAt)
  }

  private settlePlainly(
    entry: CircuitEntry,
    generation: number,
    exit: Exit.Exit<unknown, unknown>,
    startedAt: number
  ): undefined {
    entry.used = true
    const failed = exit._tag === "Failure"
    if (!failed) {
      entry.succeeded++
    } else if (Cause.hasInterruptsOnly(exit.cause)) {
      entry.ignored++
      return
    } else {
      entry.failed++
    }
    const circuit = entry.circuit
    const { phase } = circuit
    // Without the shared handler something else has a say by now. A late result has none.
    if (phase.generation !== generation || phase._tag !== "Closed") return
    if (entry.onExit === undefined) {
      const permit = { generation, probe: undefined, call: undefined }
      const outcome = failed ? Outcome.failure() : Outcome.success
      this.commit(entry, settle(entry.policy, circuit, permit, outcome, this.since(entry, startedAt), this.now()))
      return
    }
    const { needs } = entry.policy
    const now = needs.time ? this.now() : 0
    const at = needs.time ? this.time.at(now) : 0
    const readings = phase.evidence.record(failed, needs.duration ? now - startedAt : 0, at)
    if (readings !== undefined) this.commit(entry, trip(entry.policy, circuit, phase, readings, this.at(), 0))
  }

  private since(entry: CircuitEntry, startedAt: number): number {
    return entry.policy.needs.duration ? this.now() - startedAt : 0
  }

  /** Rejects a call of a circuit that isn't closed. Nothing is held then, so no step has to be atomic. */
  private reject(entry: CircuitEntry): Effect.Effect<never, CircuitOpen.CircuitOpen> | undefined {
    const circuit = entry.circuit
    if (circuit.phase._tag === "Closed" && overrideOf(circuit) !== "ForcedOpen") return undefined
    const stepped = admit(entry.policy, circuit, this.now())
    if (stepped.decision._tag !== "Rejected") return undefined
    this.commit(entry, stepped)
    return this.rejection(entry, stepped.decision.rejection)
  }

  private rejection(entry: CircuitEntry, rejection: Rejection): Effect.Effect<never, CircuitOpen.CircuitOpen> {
    entry.used = true
    entry.rejected++
    return Exit.fail(CircuitOpen.make({
      key: entry.key,
      phase: rejection.phase,
      reason: rejection.reason,
      retryAfter: Duration.millis(Math.ceil(rejection.retryAfter)),
      consecutiveOpenings: rejection.openings
    }))
  }

  private guard<A, E, R, R2>(
    entry: CircuitEntry,
    call: Effect.Effect<A, E, R>,
    classify: Classify<A, E, R2> | undefined
  ): Effect.Effect<A, E | CircuitOpen.CircuitOpen, R | R2> {
    return Effect.uninterruptibleMask<A, E | CircuitOpen.CircuitOpen, R | R2>((restore) => {
      const startedAt = this.now()
      const stepped = admit(entry.policy, entry.circuit, startedAt)
      this.commit(entry, stepped)
      const { decision } = stepped
      if (decision._tag === "Rejected") return this.rejection(entry, decision.rejection)
      const settled = (outcome: Outcome.Outcome): undefined =>
        this.settle(entry, decision.permit, outcome, startedAt)
      return Effect.onExitPrimitive(restore(call), (exit): Effect.Effect<void, never, R2> | undefined => {
        if (classify === undefined || Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) {
          return settled(Outcome.fromExit(exit))
        }
        return this.classified(entry, () => classify(exit), restore, settled)
      })
    })
  }

  /** Settles with what a classifier says. If it says nothing, the call is ignored and the classifier's fault surfaces. */
  private classified<R>(
    entry: CircuitEntry,
    classify: () => Outcome.Outcome | Effect.Effect<Outcome.Outcome, never, R>,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>,
    settled: (outcome: Outcome.Outcome) => undefined
  ): Effect.Effect<void, never, R> {
    const classified = restore(Effect.suspend(() => {
      const outcome = classify()
      return Effect.isEffect(outcome) ? outcome : Effect.succeed(outcome)
    }))
    return Effect.onExitPrimitive(Effect.asVoid(Effect.tap(classified, (outcome) => Effect.sync(() => settled(outcome)))), (exit) => {
      if (Exit.isSuccess(exit)) return undefined
      this.events.publish({ _tag: "ClassifierFailed", key: entry.key, cause: exit.cause })
      return settled(Outcome.ignored)
    })
  }

  private settle(entry: CircuitEntry, permit: Permit, outcome: Outcome.Outcome, startedAt: number): undefined {
    const now = this.now()
    entry.used = true
    if (outcome._tag === "Success") entry.succeeded++
    else if (outcome._tag === "Failure") entry.failed++
    else entry.ignored++
    this.commit(entry, settle(entry.policy, entry.circuit, permit, outcome, now - startedAt, now))
  }

  // --- circuits -----------------------------------------------------------------------------------------------------

  /** Makes the circuit of a key that has none, as the store knows it. Undefined where there is no room for it. */
  add(key: string, snapshot: CircuitSnapshot | undefined, version: number): CircuitEntry | undefined {
    const existing = this.table.get(key)
    if (existing !== undefined) return existing
    const entry = this.makeEntry(key, snapshot, version)
    if (this.table.add(entry, this.at())) return entry
    this.events.publish({ _tag: "KeyRefused", key })
    return undefined
  }

  /** Puts a circuit in the place of the one that a key has. */
  replace(key: string, snapshot: CircuitSnapshot): void {
    const before = this.table.get(key)
    const entry = this.makeEntry(key, snapshot, before?.version ?? 0)
    if (this.table.set(entry, this.at())) this.onChange(entry)
    else this.events.publish({ _tag: "KeyRefused", key })
  }

  private makeEntry(key: string, snapshot: CircuitSnapshot | undefined, version: number): CircuitEntry {
    const policy = this.policies.forKey(key)
    const now = this.now()
    const circuit = snapshot === undefined
      ? makeCircuit(policy, this.time, now)
      : restoreSnapshot(policy, snapshot, this.time, now)
    const entry = new CircuitEntry(key, policy, circuit, version)
    this.refresh(entry)
    return entry
  }

  /** Runs a step that is not a call. */
  run(entry: CircuitEntry, event: Event): void {
    this.commit(entry, step(entry.policy, entry.circuit, event, this.now()))
    if (event._tag === "Override" || event._tag === "Isolate" || event._tag === "Release" || event._tag === "Reset") {
      this.events.publish({ _tag: "Overridden", key: entry.key, override: overrideOf(entry.circuit) })
      this.onChange(entry)
    }
  }

  /** Puts every circuit under another policy; each keeps what it measured. */
  update(policies: Policies): void {
    this.policies = policies
    this.table.limits = policies
    for (const entry of this.table.values()) {
      entry.policy = policies.forKey(entry.key)
      this.run(entry, { _tag: "Update" })
      this.refresh(entry)
    }
    this.events.publish({ _tag: "PolicyUpdated" })
  }

  private commit(entry: CircuitEntry, stepped: Step): void {
    if (stepped.circuit !== entry.circuit) {
      entry.circuit = stepped.circuit
      this.refresh(entry)
    }
    if (stepped.changes.length === 0) return
    for (const change of stepped.changes) {
      const transition = toTransition(entry.key, change)
      this.transitions.publish(transition)
      this.events.publish(transition)
    }
    this.onChange(entry)
  }

  private refresh(entry: CircuitEntry): void {
    const { generation } = entry.circuit.phase
    entry.onExit = entry.isPlain(entry.isWarming ? this.at() : 0)
      ? (exit) => this.settlePlainly(entry, generation, exit, 0)
      : undefined
  }
}

const toTransition = (key: string, change: PhaseChange): Transition => ({
  _tag: "Transition",
  key,
  from: change.from,
  to: change.to,
  reason: change.reason,
  generation: change.generation,
  consecutiveOpenings: change.openings,
  openDuration: Duration.millis(change.openDuration),
  override: change.override
})
