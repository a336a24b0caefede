/** What a process plans in a situation, of which a test names only what matters. */
import type { CircuitRecord } from "@reclose/core"
import type { Circuit } from "../../src/machine/Circuit.ts"
import type { MachinePolicy } from "../../src/machine/Rule.ts"
import { fingerprint } from "../../src/sync/Fingerprint.ts"
import { plan, type Standing } from "../../src/sync/Plan.ts"
import type { Report } from "../../src/sync/SharedEvidence.ts"
import { circuitOf, open, policyOf, recordOf, standingOf, three } from "./pure.ts"

export const policy = policyOf(three)
export const hour = 3_600_000

/** How long it takes until all who have something to say have said it. */
export const hearing = 4_000

/** The store's clock is ahead by so much. */
export const ahead = 1_000_000

export interface Situation {
  readonly policy?: MachinePolicy
  readonly circuit?: Circuit
  readonly standing?: Partial<Standing>
  readonly record?: Partial<CircuitRecord.CircuitRecord> | undefined
  readonly now?: number
  readonly probe?: boolean
}

export const planned = ({ circuit, now = 0, policy: own = policy, probe = false, record, standing }: Situation) => {
  const answer = plan(
    own,
    { rule: fingerprint(own.tripRule), idleTimeToLive: hour, hearing },
    standingOf(circuit ?? circuitOf(own), standing),
    record === undefined ? undefined : recordOf(own, { time: now + ahead, ...record }),
    { now, at: now, storeNow: now + ahead },
    probe
  )
  return { ...answer, take: answer.isTaken ? answer.circuit : undefined }
}

export const opened = circuitOf(policy, { phase: open(10_000) })
export const recordedOpen = { _tag: "Open", openings: 1, duration: 10_000, remaining: 10_000 } as const
export const recordedTrial = {
  _tag: "HalfOpen",
  openings: 1,
  openDuration: 10_000,
  probes: [0],
  nextProbe: 1,
  successes: 0,
  failures: 0,
  remaining: 5_000
} as const

export const failures = (failures: number, succeeded = false): Report => ({ _tag: "Consecutive", succeeded, failures })
export const counted = (
  failures: number
): CircuitRecord.CircuitRecord["evidence"] => [{ _tag: "Consecutive", failures }]
export const others: CircuitRecord.CircuitRecord["writers"] = [["other", 1]]
/** Somebody else has failed for so long that all have been heard. */
export const heard = { failing: [["other", ahead]], failingSince: ahead - hearing, writers: others } as const
