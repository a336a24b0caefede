/** What the property drives: the machine as it is, or a broken one. */
import {
  type Circuit,
  type Event,
  makeCircuit,
  type Override,
  overrideOf,
  type Permit,
  type Phase,
  step,
  type Step
} from "../../../src/machine/Circuit.ts"
import { CircuitTime } from "../../../src/machine/CircuitTime.ts"
import type { MachinePolicy } from "../../../src/machine/Rule.ts"
import { restoreSnapshot, takeSnapshot } from "../../../src/machine/Snapshot.ts"

export interface Subject {
  readonly time: () => CircuitTime
  readonly make: (policy: MachinePolicy, time: CircuitTime, now: number) => Circuit
  readonly step: (policy: MachinePolicy, circuit: Circuit, event: Event, now: number) => Step
  readonly take: typeof takeSnapshot
  readonly restore: typeof restoreSnapshot
}

export const machine: Subject = {
  time: () => new CircuitTime(),
  make: makeCircuit,
  step,
  take: takeSnapshot,
  restore: restoreSnapshot
}

export type { Circuit, Event, MachinePolicy, Override, Permit, Phase, Step }
export { overrideOf }
