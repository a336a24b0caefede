/** A process with what it has to tell, and a store of which it knows what a test lets it see. */
import { assert } from "@effect/vitest"
import type { CircuitRecord } from "@reclose/core"
import type { Circuit } from "../../src/machine/Circuit.ts"
import { makeEvidence } from "../../src/machine/Evidence.ts"
import { fingerprint } from "../../src/sync/Fingerprint.ts"
import { plan } from "../../src/sync/Plan.ts"
import { SharedCircuit } from "../../src/sync/SharedCircuit.ts"
import { type Count, countOf } from "../../src/sync/SharedEvidence.ts"
import { circuitOf, policyOf } from "./pure.ts"

export type Record = CircuitRecord.CircuitRecord

export const policy = policyOf({ _tag: "Consecutive", failures: 1_000 })

const terms = { rule: fingerprint(policy.tripRule), idleTimeToLive: 60_000, hearing: 4_000 }

/** A process that sees nothing but failures of a closed circuit. */
export class Failing {
  readonly shared = new SharedCircuit("me")
  private readonly evidence = makeEvidence(policy.tripRule, undefined, [], 0)
  private readonly circuit = circuitOf(policy)

  private get count(): Count {
    return countOf(this.evidence, 0, 0)
  }

  fail(times = 1): void {
    for (let i = 0; i < times; i++) {
      this.shared.beginCounting(this.count, 0)
      this.evidence.record(true, 0, 0, false)
    }
  }

  see(record: Record | undefined): void {
    this.shared.see(record, this.circuit)
  }

  /** What it would write next, knowing this record. */
  attempt(): Record | undefined {
    const { shared } = this
    const standing = shared.standing(this.circuit, this.count)
    const record = shared.seen
    const planned = plan(policy, terms, standing, record, { now: 0, at: 0, storeNow: 0 }, false)
    return planned.next === undefined ? undefined : shared.attempt(planned, planned.next, standing, this.count)
  }
}

export const failuresOf = (record: Record | undefined): number => {
  const [count] = record?.evidence ?? []
  return count?._tag === "Consecutive" ? count.failures : 0
}

/** So many failures in a row, as a circuit counts them and as they are reported. */
export const failed = (failures: number): Count => ({ at: 0, succeeded: 0, parts: [{ _tag: "Consecutive", failures }] })
export const reported = (failures: number) => [{ _tag: "Consecutive" as const, succeeded: false, failures }]

/** What a process plans in its standing, about the record that it has seen. */
export const planned = (shared: SharedCircuit, circuit: Circuit, count?: Count, storeNow = 0) => {
  const standing = shared.standing(circuit, count)
  const moment = { now: 0, at: 0, storeNow }
  return { standing, plan: plan(policy, terms, standing, shared.seen, moment, false) }
}

/** The same, of a process that has nothing to write, which rests on its plan. */
export const rest = (shared: SharedCircuit, circuit: Circuit, count?: Count) => {
  const { plan, standing } = planned(shared, circuit, count)
  assert.isUndefined(plan.next)
  return shared.rest(plan, standing, count)
}

/** The same, of one that has something to write, which attempts it. */
export const write = (shared: SharedCircuit, circuit: Circuit, count?: Count, storeNow = 0): Record => {
  const { plan, standing } = planned(shared, circuit, count, storeNow)
  if (plan.next === undefined) throw new Error("there is something to tell")
  return shared.attempt(plan, plan.next, standing, count)
}

/** The record as somebody else wrote it, so many times. */
export const writtenByOthers = (record: Record, times: number): Record => {
  const writers = Array.from({ length: times }, (_, i) => ["other", i + 1] as const)
  return { ...record, version: record.version + times, writers: [...record.writers, ...writers].slice(-32) }
}
