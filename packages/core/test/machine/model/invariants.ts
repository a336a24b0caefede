/** What must hold whatever a policy says, checked on the machine alone. The model plays no part in it. */
import { isDeepStrictEqual } from "node:util"
import { type Circuit, overrideOf } from "../../../src/machine/Circuit.ts"
import type { MachinePolicy } from "../../../src/machine/Rule.ts"
import { type Event, rejectionOf, type Step } from "../../../src/machine/Step.ts"

/** What a step did wrong, or nothing. */
export const broken = (
  before: Circuit,
  event: Event,
  { changes, circuit: after, decision }: Step,
  policy: MachinePolicy,
  at: number
): string | undefined => {
  const { phase } = before
  const admitted = decision._tag === "Admitted"
  if (phase._tag === "Open" && at < phase.until && admitted && overrideOf(before) === "None") {
    return `a call was let through ${phase.until - at} ms before the open time was up`
  }
  if (after.phase._tag === "HalfOpen" && admitted && decision.permit.probe !== undefined) {
    const { permits } = policy.halfOpen
    if (after.phase.probes.length > permits) return `${after.phase.probes.length} probes are out, ${permits} may be`
  }
  // A circuit that is closed anyway has changed nothing but its generation when it is reset.
  const renewed = event._tag === "Reset" && phase._tag === "Closed" ? 1 : 0
  if (after.phase.generation - phase.generation !== changes.length + renewed) {
    return `the generation went from ${phase.generation} to ${after.phase.generation} with ${changes.length} changes`
  }
  if (changes.some((change, index) => change.generation !== phase.generation + index + 1)) {
    return `the changes are of generations ${changes.map((change) => change.generation).join(", ")}`
  }
  // "Calls that are rejected by force, or let run by `disable`, don't look at the circuit."
  const forced = ["Disabled", "ForcedOpen"].includes(overrideOf(before))
  const reads = (event._tag === "Admit" && !forced) || event._tag === "Settle" || event._tag === "Tick"
  if (reads && after.phase._tag === "HalfOpen" && after.phase.probes.length > 0 && at >= after.phase.deadline) {
    return `the circuit is half-open with probes out, ${at - after.phase.deadline} ms after its deadline`
  }
  const rejection = rejectionOf(policy, before, at)
  if (
    event._tag === "Admit" && rejection !== undefined && !isDeepStrictEqual(decision, { _tag: "Rejected", rejection })
  ) {
    return `the short way rejects with ${JSON.stringify(rejection)}, the long one decides ${JSON.stringify(decision)}`
  }
  return undefined
}
