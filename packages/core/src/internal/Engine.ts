/**
 * Calls through the circuits of a breaker: reads the clock, runs a step of the machine, keeps the result.
 *
 * Nothing here decides. A call goes one of two ways. The short one is for a closed circuit that only counts finished
 * calls: it looks up a circuit and runs the call with a handler that all calls of the generation share. Whatever holds
 * something for the time of the call, a probe or a place among the calls in flight, takes the long one, on which
 * admission and handler are one step that no interruption can come between.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as CircuitOpen from "../CircuitOpen.ts"
import { openingsOf, overrideOf } from "../machine/Circuit.ts"
import { admit, type Permit, type Rejection, rejectionOf, trip, unmeasured, wouldProbe } from "../machine/Step.ts"
import * as Outcome from "../Outcome.ts"
import type { CircuitEntry, OnExit } from "./CircuitEntry.ts"
import { Circuits } from "./Circuits.ts"
import type { Lease, Sharing } from "./Sharing.ts"

export type Classify<A, E, R> = (exit: Exit.Exit<A, E>) => Outcome.Outcome | Effect.Effect<Outcome.Outcome, never, R>

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export class Engine extends Circuits {
  /** Begins a guarded call: to be called where the effect it answers runs next. */
  enter<A, E, R, R2>(
    entry: CircuitEntry,
    call: Effect.Effect<A, E, R>,
    classify: Classify<A, E, R2> | undefined
  ): Effect.Effect<A, E | CircuitOpen.CircuitOpen, R | R2> {
    // Interruptible: an interrupted call is one that says nothing, so there is nothing to be done for it.
    if (classify === undefined) {
      const onExit = entry.onExit ?? this.begin(entry)
      if (onExit !== undefined) return Effect.onExitPrimitive(call, onExit, true)
    } else if (this.isShort(entry)) return Effect.onExitPrimitive(call, this.classifying(entry, classify), true)
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
    const relearned = this.sharing?.relearn(entry)
    if (relearned !== undefined) return Effect.flatMap(relearned, () => this.enter(entry, call, classify))
    this.sharing?.touched(entry)
    return this.reject(entry) ?? this.ask(entry, call, classify)
  }

  /** Asks the machine, and the store as well where the call would be a probe. */
  private ask<A, E, R, R2>(
    entry: CircuitEntry,
    call: Effect.Effect<A, E, R>,
    classify: Classify<A, E, R2> | undefined
  ): Effect.Effect<A, E | CircuitOpen.CircuitOpen, R | R2> {
    const { sharing } = this
    return sharing !== undefined && entry.circuit.phase._tag !== "Closed" &&
        wouldProbe(entry.policy, entry.circuit, this.at())
      ? this.probe(sharing, entry, call, classify)
      : Effect.uninterruptibleMask((restore) => this.guard(entry, call, classify, restore, undefined))
  }

  /** The handler for a call on the short way whose duration counts, or that finds its circuit warm. */
  private begin(entry: CircuitEntry): OnExit | undefined {
    if (entry.measuresDuration) {
      const { generation } = entry.circuit.phase
      const startedAt = this.now()
      return (exit) => this.settlePlainly(entry, generation, exit, startedAt)
    }
    return this.isShort(entry) ? entry.onExit ?? this.begin(entry) : undefined
  }

  /** Whether calls may take the short way. Warm-up ends without a step of the machine, so it is looked for here. */
  private isShort(entry: CircuitEntry): boolean {
    if (entry.onExit === undefined && !entry.measuresDuration && entry.isWarming) this.refresh(entry)
    return entry.onExit !== undefined || entry.measuresDuration
  }

  /** The handler for a classified call on the short way. It is the machine that settles it: outcomes may be soft, or wish. */
  private classifying<A, E, R>(
    entry: CircuitEntry,
    classify: Classify<A, E, R>
  ): (exit: Exit.Exit<A, E>) => Effect.Effect<void, never, R> | undefined {
    const permit = holdingNothing(entry.circuit.phase.generation)
    const startedAt = entry.measuresDuration ? this.now() : undefined
    return (exit) => this.end(entry, permit, startedAt === undefined ? 0 : this.now() - startedAt, classify, exit, asIs)
  }

  protected override refresh(entry: CircuitEntry): void {
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
    if (startedAt !== undefined && duration >= entry.policy.slowerThan && !entry.isFailing) this.sharing?.failing(entry)
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
    return this.settle(
      entry,
      holdingNothing(generation),
      outcome === "Failure" ? Outcome.failure() : Outcome.success,
      duration
    )
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
    if (!entry.isFailing) this.sharing?.failing(entry)
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
    sharing: Sharing,
    entry: CircuitEntry,
    call: Effect.Effect<A, E, R>,
    classify: Classify<A, E, R2> | undefined
  ): Effect.Effect<A, E | CircuitOpen.CircuitOpen, R | R2> {
    return Effect.uninterruptibleMask<A, E | CircuitOpen.CircuitOpen, R | R2>((restore) => {
      const lease = sharing.lease(entry)
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
    return Effect.onExitPrimitive(
      restore(call),
      // Before the classifier runs, whose time is not the dependency's.
      (exit) => this.end(entry, admission, this.now() - startedAt, classify, exit, restore)
    )
  }

  /** Settles a call that has ended, as its classifier says. */
  private end<A, E, R>(
    entry: CircuitEntry,
    permit: Permit,
    duration: number,
    classify: Classify<A, E, R> | undefined,
    exit: Exit.Exit<A, E>,
    restore: Restore
  ): Effect.Effect<void, never, R> | undefined {
    const settled = (outcome: Outcome.Outcome): undefined => {
      if (outcome._tag === "Success") entry.succeeded++
      else if (outcome._tag === "Failure") entry.failed++
      else entry.ignored++
      const counts = outcome._tag === "Failure" || (outcome._tag === "Success" && duration >= entry.policy.slowerThan)
      if (counts && !entry.isFailing) this.sharing?.failing(entry)
      return this.settle(entry, permit, outcome, duration)
    }
    // An interruption is nobody's to classify, and counts nowhere: not even among the ignored calls.
    if (exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)) {
      return this.settle(entry, permit, Outcome.ignored, duration)
    }
    if (classify === undefined) return settled(Outcome.fromExit(exit))
    let outcome: ReturnType<typeof classify>
    try {
      outcome = classify(exit)
    } catch (defect) {
      this.unclassified(entry, Cause.die(defect), settled)
      return Effect.die(defect)
    }
    return Effect.isEffect(outcome) ? this.classified(entry, restore(outcome), settled) : settled(outcome)
  }

  private giveBack(entry: CircuitEntry, lease: Exit.Exit<Lease>): void {
    if (lease._tag === "Success" && typeof lease.value === "object") this.release(entry, lease.value)
  }

  private admit(entry: CircuitEntry, now: number): Permit | Rejection {
    const { circuit, policy } = entry
    // Without the store's leave one probe at a time has to do, since other processes may be on trial as well.
    const alone = this.sharing === undefined || circuit.phase._tag === "Closed"
      ? policy
      : { ...policy, halfOpen: { ...policy.halfOpen, permits: 1 } }
    const stepped = admit(alone, circuit, now)
    this.commit(entry, stepped)
    return stepped.decision._tag === "Admitted" ? stepped.decision.permit : stepped.decision.rejection
  }

  /** Settles with what a classifier's effect says. */
  private classified<R>(
    entry: CircuitEntry,
    classified: Effect.Effect<Outcome.Outcome, never, R>,
    settled: (outcome: Outcome.Outcome) => undefined
  ): Effect.Effect<void, never, R> {
    return Effect.onExitPrimitive(
      Effect.asVoid(Effect.tap(classified, (outcome) => Effect.sync(() => settled(outcome)))),
      (exit) => exit._tag === "Success" ? undefined : this.unclassified(entry, exit.cause, settled)
    )
  }

  /** A classifier that says nothing: its call is ignored, and its fault surfaces. */
  private unclassified(
    entry: CircuitEntry,
    cause: Cause.Cause<never>,
    settled: (outcome: Outcome.Outcome) => undefined
  ): undefined {
    this.events.publish({ _tag: "ClassifierFailed", key: entry.key, cause })
    return settled(Outcome.ignored)
  }
}

/** What a call on the short way is settled by. */
const holdingNothing = (generation: number): Permit => ({ generation, probe: undefined, call: undefined })

const asIs: Restore = (effect) => effect

/** Why a call is rejected while others ask the store whether they may probe. */
const asking = ({ circuit, policy }: CircuitEntry): Rejection => ({
  phase: "HalfOpen",
  reason: "Probing",
  retryAfter: policy.halfOpen.maxDuration,
  openings: openingsOf(circuit.phase, 0)
})
