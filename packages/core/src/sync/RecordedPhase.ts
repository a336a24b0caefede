/** Circuits as records have them, and back: durations on one side, the circuit's own time on the other. */
import type { RecordPhase } from "../CircuitRecord.ts"
import { type Circuit, closed, openingsOf, type Phase } from "../machine/Circuit.ts"
import type { MachinePolicy } from "../machine/Rule.ts"

/** Whole milliseconds: fractions of them would only make records longer. */
const left = (until: number, at: number): number => Math.max(0, Math.ceil(until - at))

/** The phase for a record that is written at `at`. */
export const toRecorded = ({ phase }: Circuit, at: number): RecordPhase => {
  switch (phase._tag) {
    case "Closed":
      return { _tag: "Closed", openings: openingsOf(phase, at), remaining: left(phase.recovery?.until ?? at, at) }
    case "Open":
      return { _tag: "Open", openings: phase.openings, duration: phase.duration, remaining: left(phase.until, at) }
    case "HalfOpen": {
      const { deadline, failures, nextProbe, openDuration, openings, probes, successes } = phase
      const remaining = left(deadline, at)
      return { _tag: "HalfOpen", openings, openDuration, probes, nextProbe, successes, failures, remaining }
    }
  }
}

/** The most that a recorded count is taken for. Counts go on from there, and what a breaker writes must be readable. */
const maxCount = 2 ** 40

const counted = (count: number): number => Math.min(count, maxCount)

/** The phase of a record that was written `age` milliseconds before `at`. No duration exceeds what the policy allows. */
export const fromRecorded = (
  policy: MachinePolicy,
  recorded: RecordPhase,
  generation: number,
  age: number,
  at: number
): Phase => {
  switch (recorded._tag) {
    case "Closed": {
      const until = at + Math.min(recorded.remaining, policy.maxOpenDuration) - age
      const recovery = recorded.openings > 0 && until > at ? { openings: counted(recorded.openings), until } : undefined
      return closed(policy, generation, at, recovery === undefined ? {} : { recovery })
    }
    case "Open": {
      const until = at + Math.min(recorded.remaining, policy.maxOpenDuration) - age
      const duration = Math.min(recorded.duration, policy.maxOpenDuration)
      return { _tag: "Open", generation, openings: counted(recorded.openings), duration, until }
    }
    case "HalfOpen": {
      const { _tag, probes } = recorded
      const [failures, successes] = [counted(recorded.failures), counted(recorded.successes)]
      const [nextProbe, openings] = [counted(recorded.nextProbe), counted(recorded.openings)]
      const openDuration = Math.min(recorded.openDuration, policy.maxOpenDuration)
      const deadline = at + Math.min(recorded.remaining, policy.halfOpen.maxDuration) - age
      return { _tag, generation, openings, openDuration, probes, nextProbe, successes, failures, deadline }
    }
  }
}
