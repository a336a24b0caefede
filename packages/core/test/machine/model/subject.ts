/** What the property drives: the machine as it is, or a broken one. */
import { makeCircuit } from "../../../src/machine/Circuit.ts"
import { CircuitTime } from "../../../src/machine/CircuitTime.ts"
import { restoreSnapshot, takeSnapshot } from "../../../src/machine/Snapshot.ts"
import { step } from "../../../src/machine/Step.ts"

export interface Subject {
  readonly time: () => CircuitTime
  readonly make: typeof makeCircuit
  readonly step: typeof step
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
