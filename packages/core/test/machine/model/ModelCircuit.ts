/**
 * The reference for the machine: a circuit written down from the specification in docs/guide/semantics.md, sentence by
 * sentence, as plainly as it can be said. Nothing here is shared with the machine but the types of what is compared.
 */
import { Duration } from "effect"
import type { Override } from "../../../src/machine/Circuit.ts"
import type { Reading } from "../../../src/machine/Evidence.ts"
import type { MachinePolicy } from "../../../src/machine/Rule.ts"
import type { Decision, Event, PhaseChange, TransitionReason } from "../../../src/machine/Step.ts"
import { isSlow, ModelEvidence } from "./ModelEvidence.ts"

/** A call that was let through, with what the model knows of it. */
export interface ModelCall {
  readonly generation: number
  readonly at: number
  readonly probe: boolean
  /** A call that counts for nothing, whatever becomes of it. */
  readonly unmeasured: boolean
  settled: boolean
}

type ModelPhase =
  | { readonly _tag: "Closed"; evidence: ModelEvidence; readonly openings: number; readonly forgetAt: number }
  | { readonly _tag: "Open"; readonly openings: number; readonly duration: number; readonly until: number }
  | {
    readonly _tag: "HalfOpen"
    readonly openings: number
    readonly duration: number
    out: Array<ModelCall>
    deadline: number
    successes: number
    failures: number
  }

/** What a circuit rejects a call with. */
type Rejection = Extract<Decision, { readonly _tag: "Rejected" }>["rejection"]

export type ModelDecision =
  | { readonly _tag: "Admitted"; readonly call: ModelCall }
  | { readonly _tag: "Rejected"; readonly rejection: Rejection }

type Outcome = Extract<Event, { readonly _tag: "Settle" }>["outcome"]

/** "A step back counts as no time at all. A step forward is time that passed." */
export class ModelClock {
  private read: number | undefined
  now = 0

  at(reading: number): number {
    this.now = this.read === undefined ? reading : this.now + Math.max(0, reading - this.read)
    this.read = reading
    return this.now
  }
}

export class ModelCircuit {
  policy: MachinePolicy
  phase: ModelPhase
  generation = 1
  override: Override = "None"
  isolations = 0
  private warmAt: number
  /** The changes of phase of the last step. */
  changes: Array<PhaseChange> = []

  constructor(policy: MachinePolicy, at: number) {
    this.policy = policy
    this.warmAt = at + policy.warmUp
    this.phase = this.closed(0, 0)
  }

  /** "`isolate` forces a circuit open …, over every other override." */
  get inForce(): Override {
    return this.isolations > 0 ? "ForcedOpen" : this.override
  }

  openings(at: number): number {
    return this.phase._tag === "Closed" && at >= this.phase.forgetAt ? 0 : this.phase.openings
  }

  admit(at: number): ModelDecision {
    const override = this.inForce
    if (override === "Disabled") return this.letThrough(at, { unmeasured: true })
    if (override === "ForcedOpen") {
      const openings = this.openings(at)
      return rejected({ phase: "Open", reason: "Forced", retryAfter: this.lengthOf(1), openings })
    }
    this.expire(at)
    this.judgeAges(at)
    if (this.phase._tag === "Open" && at >= this.phase.until) this.halfOpen(at)
    const phase = this.phase
    if (phase._tag === "Closed") return this.letThrough(at, {})
    if (phase._tag === "HalfOpen" && phase.out.length < this.policy.halfOpen.permits) {
      if (phase.out.length === 0) phase.deadline = at + this.policy.halfOpen.maxDuration
      return this.letThrough(at, { probe: true })
    }
    if (override === "MetricsOnly") return this.letThrough(at, { unmeasured: true })
    const { openings } = phase
    return phase._tag === "Open"
      ? rejected({ phase: "Open", reason: "Tripped", retryAfter: phase.until - at, openings })
      : rejected({ phase: "HalfOpen", reason: "Probing", retryAfter: phase.deadline - at, openings })
  }

  settle(call: ModelCall, outcome: Outcome, duration: number, at: number): void {
    this.expire(at)
    if (this.phase._tag === "Closed") this.phase.evidence.end(call)
    const isLate = () => call.settled || call.unmeasured || call.generation !== this.generation
    const counts = outcome._tag !== "Ignored" && this.override !== "Disabled"
    if (isLate() || !counts) this.judgeAges(at)
    const late = isLate()
    call.settled = true
    if (late) return
    const phase = this.phase
    if (phase._tag === "HalfOpen") phase.out = phase.out.filter((other) => other !== call)
    if (!counts) return
    const failed = outcome._tag === "Failure"
    const retryAfter = failed && outcome.retryAfter !== undefined ? Duration.toMillis(outcome.retryAfter) : 0
    if (phase._tag === "Closed") {
      if (at < this.warmAt) return
      phase.evidence.record({ at, failed, soft: failed && outcome.isSoft, duration })
      this.judge(at, phase.evidence.verdict(at), retryAfter)
    } else if (phase._tag === "HalfOpen") {
      const { failureThreshold, successThreshold } = this.policy.halfOpen
      if (failed || isSlow(this.policy.tripRule, duration)) {
        phase.failures += 1
        if (phase.failures >= failureThreshold) this.open(at, phase.openings + 1, { _tag: "ProbeFailed" }, retryAfter)
      } else {
        phase.successes += 1
        if (phase.successes >= successThreshold) this.recover(at)
      }
    }
  }

  /** Somebody looks at the circuit. */
  tick(at: number): void {
    this.expire(at)
    this.judgeAges(at)
  }

  /** "`forceClosed` … closed at once if it wasn't." What came before is forgiven. */
  setOverride(override: Override, at: number): void {
    this.override = override
    if (override === "ForcedClosed" && this.phase._tag !== "Closed") {
      this.enter(this.closed(0, 0), { _tag: "ForcedClosed" }, at)
    }
  }

  isolate(): void {
    this.isolations += 1
  }

  endIsolation(): void {
    this.isolations = Math.max(0, this.isolations - 1)
  }

  /** "Closed, nothing measured, no openings behind it, in a new generation": a change only if it wasn't closed. */
  reset(at: number): void {
    this.override = "None"
    // "It warms up once: a later generation is warm."
    this.warmAt = at
    if (this.phase._tag !== "Closed") return this.enter(this.closed(0, 0), { _tag: "Reset" }, at)
    this.phase = this.closed(0, 0)
    this.generation += 1
  }

  update(policy: MachinePolicy, at: number): void {
    this.policy = policy
    if (this.phase._tag === "Closed") this.phase.evidence = this.phase.evidence.under(policy.tripRule, at)
  }

  /** Kept as a snapshot at one time, restored at another under any policy. Who held the circuit isolated is gone. */
  restore(policy: MachinePolicy, taken: number, at: number): void {
    const before = this.phase
    const shift = at - taken
    this.generation += 1
    this.isolations = 0
    this.warmAt += shift
    this.policy = policy
    const { openings } = before
    if (before._tag === "Closed") {
      const evidence = before.evidence.restored(policy.tripRule, taken, shift)
      this.phase = { _tag: "Closed", openings, forgetAt: before.forgetAt + shift, evidence }
    } else {
      const remaining = before._tag === "Open" ? Math.max(0, before.until - taken) : 0
      const most = policy.maxOpenDuration
      const duration = Math.min(before.duration, most)
      this.phase = { _tag: "Open", openings, duration, until: at + Math.min(remaining, most) }
    }
  }

  /** The next time at which something comes to an end by itself, for a test that wants to be there. */
  nextInstant(now: number): number | undefined {
    const { phase } = this
    const instants = phase._tag === "Closed"
      ? [this.warmAt, phase.forgetAt]
      : [phase._tag === "Open" ? phase.until : phase.deadline]
    return instants.filter((instant) => instant > now).sort((one, other) => one - other)[0]
  }

  /** "If probes are still out when it comes, the trial has failed, and the next opening counts from the deadline." */
  private expire(at: number): void {
    const phase = this.phase
    if (phase._tag !== "HalfOpen" || phase.out.length === 0 || at < phase.deadline) return
    this.open(phase.deadline, phase.openings + 1, { _tag: "DeadlineExpired" })
  }

  private judge(at: number, verdict: ReadonlyArray<Reading> | undefined, retryAfter = 0): void {
    if (verdict === undefined || at < this.warmAt || this.override === "ForcedClosed") return
    this.open(at, this.openings(at) + 1, { _tag: "Tripped", readings: verdict }, retryAfter)
  }

  /** "Before a call, and when one ends that doesn't count, only `inFlightAge` is judged." */
  private judgeAges(at: number): void {
    if (this.phase._tag !== "Closed" || this.override === "Disabled") return
    this.judge(at, this.phase.evidence.verdictOfAges(at))
  }

  private lengthOf(opening: number): number {
    return Math.min(this.policy.openDuration(opening), this.policy.maxOpenDuration)
  }

  private open(at: number, openings: number, reason: TransitionReason, retryAfter = 0): void {
    const duration = Math.max(this.lengthOf(openings), Math.min(retryAfter, this.policy.maxOpenDuration))
    this.enter({ _tag: "Open", openings, duration, until: at + duration }, reason, at)
  }

  private halfOpen(at: number): void {
    if (this.phase._tag !== "Open") return
    const { duration, openings } = this.phase
    const phase = { _tag: "HalfOpen" as const, openings, duration, out: [], deadline: at, successes: 0, failures: 0 }
    this.enter(phase, { _tag: "OpenElapsed" }, at)
  }

  private recover(at: number): void {
    if (this.phase._tag !== "HalfOpen") return
    const { duration, openings } = this.phase
    this.enter(this.closed(openings, at + duration), { _tag: "ProbesSucceeded" }, at)
  }

  private closed(openings: number, forgetAt: number): ModelPhase {
    return { _tag: "Closed", openings, forgetAt, evidence: new ModelEvidence(this.policy.tripRule) }
  }

  private enter(phase: ModelPhase, reason: TransitionReason, at: number): void {
    const from = this.phase._tag
    this.phase = phase
    this.generation += 1
    this.changes.push({
      from,
      to: phase._tag,
      reason,
      generation: this.generation,
      openings: this.openings(at),
      openDuration: phase._tag === "Open" ? phase.duration : 0,
      override: this.inForce
    })
  }

  private letThrough(at: number, as: { readonly probe?: boolean; readonly unmeasured?: boolean }): ModelDecision {
    const { probe = false, unmeasured = false } = as
    const call = { generation: this.generation, at, probe, unmeasured, settled: false }
    if (probe && this.phase._tag === "HalfOpen") this.phase.out.push(call)
    if (!unmeasured && this.phase._tag === "Closed") this.phase.evidence.begin(call)
    return { _tag: "Admitted", call }
  }
}

const rejected = (rejection: Rejection): ModelDecision => ({ _tag: "Rejected", rejection })
