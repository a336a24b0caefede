/** One circuit in a breaker's table: its state, what it counts, and the way a call takes through it. */
import type * as Exit from "effect/Exit"
import * as MutableRef from "effect/MutableRef"
import type { Transition } from "../CircuitEvent.ts"
import type { CircuitOpen } from "../CircuitOpen.ts"
import { type Circuit, isCold, openingsOf, overrideOf } from "../machine/Circuit.ts"
import type { MachinePolicy } from "../machine/Rule.ts"
import type { SharedCircuit } from "../sync/SharedCircuit.ts"

/** Runs when a call ends. */
export type OnExit = (exit: Exit.Exit<unknown, unknown>) => undefined

/** A rejection by a circuit as it stood, and the time that it named. */
export interface LastRejection {
  readonly circuit: Circuit
  readonly until: number
  readonly millis: number
  readonly exit: Exit.Exit<never, CircuitOpen>
}

export class CircuitEntry {
  // First what every call reads or writes, so that it lies together: with thousands of circuits, memory is what a call
  // waits for. Steps are synchronous, so the ref need not be an effectful one, which would be a second object for each.
  private readonly ref: MutableRef.MutableRef<Circuit>
  policy: MachinePolicy
  /**
   * The handler that all calls of this generation share while the circuit is closed and nothing but its rule has a say:
   * the short way. Undefined whenever a call has to ask the machine.
   */
  onExit: OnExit | undefined = undefined
  /** Set where the short way needs the time at which the call began, and so a handler for each call. */
  measuresDuration = false

  succeeded = 0
  /** Set by every call and cleared by the table's hand, which takes circuits nobody touched in between for idle. */
  used = true
  failed = 0
  /** Set by the first failure after an exchange with the store. */
  isFailing = false

  readonly key: string
  ignored = 0
  rejected = 0
  /** In whole seconds: a fraction would take a heap number more for each circuit. */
  idleSince = 0

  /** The last rejection, which serves every further one that would be equal: those of the same millisecond. */
  lastRejection: LastRejection | undefined = undefined
  lastTransition: Transition | undefined = undefined

  /** What is shared of this circuit with other processes, once there is something to share. */
  shared: SharedCircuit | undefined = undefined

  constructor(key: string, policy: MachinePolicy, circuit: Circuit) {
    this.ref = MutableRef.make(circuit)
    this.policy = policy
    this.key = key
  }

  get circuit(): Circuit {
    return this.ref.current
  }

  set circuit(next: Circuit) {
    this.ref.current = next
  }

  /**
   * Whether nothing is lost with this circuit but what it has measured: no phase that still matters, and no operator's act
   * that is not told yet.
   */
  isForgettable(at: number, idleTimeToLive: number): boolean {
    const { isolations, override, phase } = this.circuit
    if (override !== "None" || isolations > 0 || this.shared?.isSteered === true) return false
    return phase._tag === "Closed" ? openingsOf(phase, at) === 0 : this.isAbandoned(at, idleTimeToLive)
  }

  /** Whether the circuit waits for a probe that no call has made for long: it would wait forever. */
  isAbandoned(at: number, idleTimeToLive: number): boolean {
    const { phase } = this.circuit
    switch (phase._tag) {
      case "Closed":
        return false
      case "Open":
        return at >= phase.until + idleTimeToLive
      case "HalfOpen":
        // The deadline of a trial without probes is that of the last ones.
        return at >= phase.deadline + idleTimeToLive
    }
  }

  /** Whether the circuit was made with a warm-up, over or not. */
  get isWarming(): boolean {
    const { phase } = this.circuit
    return phase._tag === "Closed" && phase.warmUntil !== undefined
  }

  /** Whether every call may take the short way. */
  isPlain(at: number): boolean {
    const { phase } = this.circuit
    return phase._tag === "Closed" && overrideOf(this.circuit) === "None" && phase.inFlight === undefined &&
      !isCold(phase, at)
  }
}
