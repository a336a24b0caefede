/** A call that was let through. Its end is told once; every later word about it is too late. */
import * as Cause from "effect/Cause"
import * as Predicate from "effect/Predicate"
import type { Admission } from "../Admission.ts"
import type { CircuitEvent } from "../CircuitEvent.ts"
import type { Permit } from "../machine/Step.ts"
import * as Outcome from "../Outcome.ts"
import type { CircuitEntry } from "./CircuitEntry.ts"
import { showValue } from "./showValue.ts"

/** Who lets calls through. */
export interface Gate {
  readonly now: () => number
  /** For how many milliseconds a call has lasted at least that began before any rule asked for durations. */
  readonly leastDuration: (entry: CircuitEntry) => number
  readonly conclude: (entry: CircuitEntry, permit: Permit, outcome: Outcome.Outcome, duration: number) => void
  readonly release: (entry: CircuitEntry, permit: Permit) => void
  readonly publish: (event: CircuitEvent) => void
}

export class Admitted implements Admission {
  private readonly gate: Gate
  private readonly entry: CircuitEntry
  /** Undefined once the end is told. */
  private permit: Permit | undefined
  /** Undefined where no rule asks for durations. */
  private readonly startedAt: number | undefined
  private duration: number | undefined = undefined

  constructor(gate: Gate, entry: CircuitEntry, permit: Permit, startedAt: number | undefined) {
    this.gate = gate
    this.entry = entry
    this.permit = permit
    this.startedAt = startedAt
  }

  /** Takes the time: what passes from here on is not the dependency's. */
  stop(): void {
    this.duration = this.startedAt === undefined
      ? this.gate.leastDuration(this.entry)
      : this.gate.now() - this.startedAt
  }

  settle(outcome: Outcome.Outcome): undefined {
    const { entry, gate, permit } = this
    if (permit === undefined) return
    // This may run where a throw would end the process, such as in a fiber's observer.
    if (!Outcome.isOutcome(outcome)) return this.unclassified(Cause.die(this.toOutcomeError(outcome)))
    this.permit = undefined
    if (this.duration === undefined) this.stop()
    gate.conclude(entry, permit, outcome, this.duration ?? 0)
  }

  release(): undefined {
    const { entry, gate, permit } = this
    this.permit = undefined
    if (permit !== undefined) gate.release(entry, permit)
  }

  unclassified(cause: Cause.Cause<never>): undefined {
    if (this.permit === undefined) return
    this.gate.publish({ _tag: "ClassifierFailed", key: this.entry.key, cause })
    this.settle(Outcome.ignored)
  }

  /** The defect of a classifier that returned what is no outcome. */
  toOutcomeError(value: unknown): TypeError {
    // An asynchronous classifier that fails would end the process.
    if (Predicate.isPromiseLike(value)) value.then(undefined, nothing)
    return new TypeError(
      `the classifier of the circuit ${JSON.stringify(this.entry.key)} returned ${showValue(value)}: ` +
        "return Outcome.success, Outcome.failure() or Outcome.ignored"
    )
  }
}

const nothing = (): void => {}

/** What a call is let through with that no circuit guards. */
export const unguarded: Admission = { settle: nothing, release: nothing, unclassified: nothing }
