/** The operator's latest act on a circuit: which override is in force, and a stamp that says which of two is newer. */
import type { CircuitRecord, OverrideAct } from "../CircuitRecord.ts"

/** The act of a circuit that no operator has touched. */
export const untouched: OverrideAct = { kind: "None", stamp: 0, by: "" }

/** Whether `one` is newer than `other`. Two instances may issue the same stamp, so their names decide then. */
export const isNewer = (one: OverrideAct, other: OverrideAct): boolean =>
  one.stamp > other.stamp || (one.stamp === other.stamp && one.by > other.by)

/** Returns the newer of two acts. */
export const newest = (one: OverrideAct, other: OverrideAct): OverrideAct => isNewer(other, one) ? other : one

/**
 * Returns the act of a record. An instance of an earlier release writes no act, only the override. If that is the one that is
 * known, it has preserved it; otherwise it has changed it, at the time of the record.
 */
export const actOf = (record: CircuitRecord | undefined, known: OverrideAct): OverrideAct => {
  if (record === undefined) return untouched
  const { act, override, time } = record
  if (act?.kind === override) return act
  return override === known.kind ? known : { kind: override, stamp: Math.max(1, Math.floor(time)), by: "" }
}

/** Returns the revision of a record: larger with each change of phase and with each act, and the same otherwise. */
export const revisionOf = (record: CircuitRecord | undefined): number =>
  Math.max(record?.generation ?? 0, record?.act?.stamp ?? 0)
