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
import type { Admission } from "../Admission.ts"
import * as CircuitOpen from "../CircuitOpen.ts"
import { overrideOf } from "../machine/Circuit.ts"
import { admit, type Permit, type Rejection, rejectionOf, trip, wouldProbe } from "../machine/Step.ts"
import * as Outcome from "../Outcome.ts"
import { Admitted } from "./Admitted.ts"
import type { CircuitEntry, OnExit } from "./CircuitEntry.ts"
import { Circuits } from "./Circuits.ts"
import type { Restore } from "./Sharing.ts"

export type Classify<A, E, R> = (exit: Exit.Exit<A, E>) => Outcome.Outcome | Effect.Effect<Outcome.Outcome, never, R>

/** What becomes of a call that is let through. It can be interrupted where it is restored, and all over if it holds nothing. */
type Use<A, E, R> = (call: Admitted, restore: Restore) => Effect.Effect<A, E, R>

export class Engine extends Circuits {
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
    return this.rejectAtOnce(entry) ??
      this.through(entry, (admitted, restore) =>
        classify === undefined
          ? settleWithDefault(admitted, restore(call))
          : settleClassified(admitted, restore, restore(call), classify))
  }

  /** Lets a call through whose end is told by hand. */
  admission(entry: CircuitEntry): Effect.Effect<Admission, CircuitOpen.CircuitOpen> {
    return this.rejectAtOnce(entry) ?? this.through(entry, Exit.succeed)
  }

  /** Rejects a call where nothing has to be looked at before, as there is in a process that does so beside its calls. */
  private rejectAtOnce(entry: CircuitEntry): Effect.Effect<never, CircuitOpen.CircuitOpen> | undefined {
    return this.background ? this.reject(entry) : undefined
  }

  /** Lets a call through by the machine: on the short way it counts, but holds nothing. Outcomes may be soft, or wish. */
  private through<A, E, R>(
    entry: CircuitEntry,
    use: Use<A, E, R>,
    hasWaited = false
  ): Effect.Effect<A, E | CircuitOpen.CircuitOpen, R> {
    if (this.isShort(entry)) {
      const permit = holdingNothing(entry.circuit.phase.generation)
      return use(new Admitted(this, entry, permit, entry.measuresDuration ? this.now() : undefined), asIs)
    }
    if (this.background) return this.ask(entry, use)
    // Once, whatever came of it: a store that fails as fast as it may be asked again would keep a call for good.
    const relearned = hasWaited ? undefined : this.sharing?.relearn(entry)
    if (relearned !== undefined) return Effect.flatMap(relearned, () => this.through(entry, use, true))
    this.sharing?.touched(entry)
    return this.reject(entry) ?? this.ask(entry, use)
  }

  /** Asks the machine, and the store before where the call would be a probe. */
  private ask<A, E, R>(entry: CircuitEntry, use: Use<A, E, R>): Effect.Effect<A, E | CircuitOpen.CircuitOpen, R> {
    const { sharing } = this
    return Effect.uninterruptibleMask((restore) =>
      sharing === undefined || !this.isTrial(entry)
        ? this.guard(entry, undefined, use, restore)
        : Effect.flatMap(sharing.lease(entry, restore), (lease) =>
          lease !== undefined && "generation" in lease
            ? this.guard(entry, lease, use, restore)
            // It has taken its time, so the circuit may be another one.
            : this.reject(entry) ?? (lease !== undefined && this.isTrial(entry)
              ? this.rejection(entry, lease, this.at())
              : this.guard(entry, undefined, use, restore)))
    )
  }

  /** Whether the next call would be a probe. */
  private isTrial({ circuit, policy }: CircuitEntry): boolean {
    return circuit.phase._tag !== "Closed" && wouldProbe(policy, circuit, this.at())
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
    const duration = startedAt === undefined ? this.leastDuration(entry) : now - startedAt
    // There is no short way any more: an operator or a rule has a say now.
    if (entry.onExit === undefined && !entry.measuresDuration) {
      const told = outcome === "Failure" ? Outcome.failure() : Outcome.success
      return this.settle(entry, holdingNothing(generation), told, duration)
    }
    const at = entry.policy.needs.time ? this.time.at(now) : 0
    if (duration >= entry.policy.slowerThan && !entry.isFailing) this.sharing?.failing(entry)
    const readings = phase.evidence.record(outcome === "Failure", duration, at, false)
    if (readings !== undefined) this.commit(entry, trip(entry.policy, entry.circuit, phase, readings, this.at(), 0))
  }

  /** A call that began under a rule without durations has lasted at least since the policy was updated. */
  leastDuration(entry: CircuitEntry): number {
    return entry.policy.needs.duration ? this.now() - this.updatedAt : 0
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

  private guard<A, E, R>(
    entry: CircuitEntry,
    leased: Permit | undefined,
    use: Use<A, E, R>,
    restore: Restore
  ): Effect.Effect<A, E | CircuitOpen.CircuitOpen, R> {
    const startedAt = this.now()
    const admission = leased ?? this.admit(entry, startedAt)
    return "generation" in admission
      ? use(new Admitted(this, entry, admission, startedAt), restore)
      : this.rejection(entry, admission, this.at())
  }

  conclude(entry: CircuitEntry, permit: Permit, outcome: Outcome.Outcome, duration: number): undefined {
    if (outcome._tag === "Success") entry.succeeded++
    else if (outcome._tag === "Failure") entry.failed++
    else entry.ignored++
    const counts = outcome._tag === "Failure" || (outcome._tag === "Success" && duration >= entry.policy.slowerThan)
    if (counts && !entry.isFailing) this.sharing?.failing(entry)
    return this.settle(entry, permit, outcome, duration)
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
}

/** What a call on the short way is settled by. */
const holdingNothing = (generation: number): Permit => ({ generation, probe: undefined, call: undefined })

const asIs: Restore = (effect) => effect

/** Settles a call by the default classifier, unless it is interrupted. */
const settleWithDefault = <A, E, R>(admitted: Admitted, call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  // Where it must not be interrupted, its surroundings can't be already.
  Effect.onExitPrimitive(call, (exit) => {
    admitted.stop()
    return isInterruption(exit) ? admitted.release() : admitted.settle(Outcome.fromExit(exit))
  }, true)

/** An interrupted call counts nowhere, not even among the ignored calls, so no classifier is asked about it. */
const isInterruption = (exit: Exit.Exit<unknown, unknown>): boolean =>
  exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)

/**
 * Settles a call as its classifier says. A handler and no finalizer, since what a finalizer fails with would turn the call's
 * typed error into a defect. It is passed by where an interruption ends the call, which then holds nothing: whatever holds
 * something for the time of the call is not interruptible here.
 */
const settleClassified = <A, E, R, R2>(
  admitted: Admitted,
  restore: Restore,
  call: Effect.Effect<A, E, R>,
  classify: Classify<A, E, R2>
): Effect.Effect<A, E, R | R2> => {
  const settle = (exit: Exit.Exit<A, E>) => classified(admitted, restore, exit, classify)
  return Effect.matchCauseEffect(call, {
    onFailure: (cause) => settle(Exit.failCause(cause)),
    onSuccess: (value) => settle(Exit.succeed(value))
  })
}

/** Asks the classifier about an end. Returns that end, or its reasons and those for which the classifier failed. */
const classified = <A, E, R>(
  admitted: Admitted,
  restore: Restore,
  exit: Exit.Exit<A, E>,
  classify: Classify<A, E, R>
): Effect.Effect<A, E, R> => {
  admitted.stop()
  if (isInterruption(exit)) {
    admitted.release()
    return exit
  }
  const fail = (cause: Cause.Cause<never>): Exit.Exit<A, E> => {
    admitted.unclassified(cause)
    return Exit.failCause(exit._tag === "Failure" ? Cause.combine(exit.cause, cause) : cause)
  }
  const settleAs = (outcome: Outcome.Outcome): Exit.Exit<A, E> => {
    // A classifier in JavaScript, or one with a cast, may return anything.
    if (!Outcome.isOutcome(outcome)) return fail(Cause.die(admitted.toOutcomeError(outcome)))
    admitted.settle(outcome)
    return exit
  }
  let outcome: Outcome.Outcome | Effect.Effect<Outcome.Outcome, never, R>
  try {
    outcome = classify(exit)
  } catch (defect) {
    return fail(Cause.die(defect))
  }
  if (!Effect.isEffect(outcome)) return settleAs(outcome)
  let end: Exit.Exit<A, E> = exit
  // A finalizer, which runs for a classifier that is interrupted, too.
  const asked = Effect.onExitPrimitive(restore(outcome), (classified) => {
    end = classified._tag === "Success" ? settleAs(classified.value) : fail(classified.cause)
    return undefined
  })
  return Effect.matchCauseEffect(asked, { onFailure: () => end, onSuccess: () => end })
}
