/** What the tests of the pure modules share: policies, circuits and records without a breaker around them. */
import type { CircuitRecord } from "@reclose/core"
import { type Circuit, makeCircuit, type Phase } from "../../src/machine/Circuit.ts"
import { CircuitTime } from "../../src/machine/CircuitTime.ts"
import { type MachinePolicy, needs, type Rule, slowerThan } from "../../src/machine/Rule.ts"
import { fingerprint } from "../../src/sync/Fingerprint.ts"
import { untouched } from "../../src/sync/overrideAct.ts"
import type { Standing } from "../../src/sync/Plan.ts"

/** A policy that opens for ten seconds, twice as long each time, and tries for five. */
export const policyOf = (tripRule: Rule, fields: Partial<MachinePolicy> = {}): MachinePolicy => ({
  tripRule,
  halfOpen: { permits: 1, successThreshold: 1, failureThreshold: 1, maxDuration: 5_000 },
  warmUp: 0,
  maxOpenDuration: 60_000,
  openDuration: (openings) => 10_000 * 2 ** (openings - 1),
  quorum: 1,
  needs: needs(tripRule),
  slowerThan: slowerThan(tripRule),
  ...fields
})

/** Opens after three failures in a row, whoever saw them. */
export const three: Rule = { _tag: "Consecutive", failures: 3 }

/** A circuit in a phase, and the closed one that it begins as. */
export const circuitOf = (policy: MachinePolicy, fields: Partial<Circuit> = {}): Circuit => ({
  ...makeCircuit(policy, new CircuitTime(), 0),
  ...fields
})

export const open = (until: number, generation = 2, openings = 1): Phase => ({
  _tag: "Open",
  generation,
  openings,
  duration: 10_000,
  until
})

export const halfOpen = (fields: Partial<Extract<Phase, { readonly _tag: "HalfOpen" }>> = {}): Phase => ({
  _tag: "HalfOpen",
  generation: 3,
  openings: 1,
  openDuration: 10_000,
  probes: [0],
  nextProbe: 1,
  successes: 0,
  failures: 0,
  deadline: 5_000,
  ...fields
})

/** A process that has nothing to say. */
export const standingOf = (circuit: Circuit, fields: Partial<Standing> = {}): Standing => ({
  process: "me",
  circuit,
  act: untouched,
  overrules: false,
  rewrites: false,
  base: 0,
  isUnpublished: false,
  isPrivate: false,
  settlements: [],
  steering: [],
  reports: [],
  failed: false,
  ...fields
})

/** The record of a closed circuit of which nobody has anything to say. */
export const recordOf = (
  policy: MachinePolicy,
  fields: Partial<CircuitRecord.CircuitRecord> = {}
): CircuitRecord.CircuitRecord => ({
  version: 1,
  time: 0,
  timeToLive: 3_600_000,
  generation: 0,
  phase: { _tag: "Closed", openings: 0, remaining: 0 },
  override: "None",
  policy: fingerprint(policy.tripRule),
  evidence: [],
  failing: [],
  writers: [],
  ...fields
})
