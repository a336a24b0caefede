/** What stores of circuits did not do, as lines of metrics say it. */
import type { CircuitEvent } from "@reclose/core/CircuitEvent"
import { CircuitStoreError } from "@reclose/core/CircuitStoreError"

/** Why a store failed: a `CircuitStoreReason`, or `Defect` for one that died. */
export interface StoreFailure {
  readonly operation: string
  readonly reason: string
  readonly message: string
}

/** Failures of one kind, as they are written: what to look for in logs, what failed and why, and for how many circuits. */
export interface WrittenFailure extends StoreFailure {
  readonly event: "StoreFailed" | "RecordMismatch"
  /** One of the circuits: missing where the store can't be listened to, which is about no circuit. */
  readonly circuit?: string
  readonly circuits: number
}

const maxFailures = 5
const maxMessage = 1_000

export const toStoreFailure = (
  { cause, operation }: Extract<CircuitEvent, { readonly _tag: "StoreFailed" }>
): StoreFailure => ({
  operation,
  reason: cause instanceof CircuitStoreError ? cause.reason : "Defect",
  message: shorten(cause instanceof CircuitStoreError ? cause.message : String(cause))
})

/** What a mismatch says: the store did what it was asked, and holds a record that this process does not use. */
export const toMismatch = (
  { cause, reason }: Extract<CircuitEvent, { readonly _tag: "RecordMismatch" }>
): StoreFailure => ({ operation: cause.operation, reason, message: shorten(cause.message) })

const shorten = (text: string): string => text.length <= maxMessage ? text : `${text.slice(0, maxMessage - 1)}…`

/** Groups events of one name by operation and reason: at most five groups, in the order in which they came. */
export const toWritten = (
  event: "StoreFailed" | "RecordMismatch",
  failures: Iterable<readonly [key: string, failure: StoreFailure]>
): ReadonlyArray<WrittenFailure> => {
  const groups = new Map<string, WrittenFailure>()
  for (const [key, failure] of failures) {
    const kind = `${failure.operation} ${failure.reason}`
    const group = groups.get(kind)
    groups.set(kind, {
      event,
      ...(group ?? { ...failure, ...(key === "" ? {} : { circuit: key }) }),
      circuits: (group?.circuits ?? 0) + (key === "" ? 0 : 1)
    })
  }
  return [...groups.values()].slice(0, maxFailures)
}
