/**
 * Whether a store works for a circuit, and when it is asked again if it does not.
 *
 * Reads and writes are judged apart: a store may grant one and refuse the other. See decision 0038.
 */
import * as Cause from "effect/Cause"
import type * as Random from "effect/Random"
import type { CircuitEvent } from "../CircuitEvent.ts"
import type { CircuitRecord } from "../CircuitRecord.ts"
import { CircuitStoreError } from "../CircuitStoreError.ts"
import type { CircuitEntry } from "../internal/CircuitEntry.ts"
import type { Host } from "../internal/Sharing.ts"
import type { SharedCircuit } from "./SharedCircuit.ts"

/** Returns the event for an operation that failed. */
export const storeFailed = (
  key: string,
  operation: "read" | "replace" | "changes",
  cause: Cause.Cause<unknown>
): CircuitEvent => ({ _tag: "StoreFailed", key, operation, cause: Cause.squash(cause) })

/** Whether an error tells of a record of another release's form. The store works, then. */
export const isForeignVersion = (error: unknown): error is CircuitStoreError =>
  error instanceof CircuitStoreError && error.reason === "ForeignVersion"

/** What keeps a record from being used in full, though the store has answered. */
type Mismatch = Extract<CircuitStoreError["reason"], "ForeignPolicy" | "ForeignVersion">

export class StoreHealth {
  private readonly host: Host
  private readonly random: Random.Random
  private readonly flushEvery: () => number

  constructor(host: Host, random: Random.Random, flushEvery: () => number) {
    this.host = host
    this.random = random
    this.flushEvery = flushEvery
  }

  /** Notes an answer. The store has recovered once each operation that had failed has been answered. */
  answered({ key }: CircuitEntry, shared: SharedCircuit, operation: "read" | "replace"): void {
    const wasFailing = shared.isFailing
    // A store that answers reads again may write again, too: it is asked once, at once.
    if (operation === "read" && shared.readFailed) shared.retryAt = Number.NEGATIVE_INFINITY
    if (operation === "read") shared.readFailed = false
    else shared.writeFailed = false
    if (!wasFailing || shared.isFailing) return
    shared.delays = 0
    shared.retryAt = Number.NEGATIVE_INFINITY
    this.host.publish({ _tag: "StoreRecovered", key })
  }

  /** Notes a failure, and publishes it once until the store works again. A store may fail by a defect as well. */
  failed(entry: CircuitEntry, shared: SharedCircuit, cause: Cause.Cause<unknown>): void {
    const { operation } = shared
    const error = Cause.squash(cause)
    const isMismatch = isForeignVersion(error)
    if (isMismatch) this.answered(entry, shared, operation)
    shared.delays++
    shared.retryAt = this.host.at() + this.delay(shared)
    if (isMismatch) return this.mismatches(entry, shared, error.reason, "ForeignVersion", error)
    const wasFailing = shared.isFailing
    if (operation === "read") shared.readFailed = true
    else shared.writeFailed = true
    if (!wasFailing) this.host.publish(storeFailed(entry.key, operation, cause))
  }

  /** Returns how long a circuit waits before it asks the store again, in milliseconds: longer each time, give or take half. */
  delay({ delays }: SharedCircuit): number {
    const times = Math.min(2 ** Math.max(0, delays - 1), 16)
    return this.flushEvery() * times * (0.5 + this.random.nextDoubleUnsafe())
  }

  /** Notes that the first read of a key has found a record that this release can't read. */
  unreadable(entry: CircuitEntry, shared: SharedCircuit, error: CircuitStoreError): void {
    shared.readFailed = false
    this.mismatches(entry, shared, error.reason, "ForeignVersion", error)
  }

  /** Compares the trip rule of a record with the circuit's own, and publishes the first difference and its end. */
  compare(entry: CircuitEntry, shared: SharedCircuit, record: CircuitRecord | undefined, rule: string): void {
    const { key } = entry
    if (record === undefined || record.policy === rule) {
      if (shared.mismatch === undefined) return
      shared.mismatch = undefined
      return this.host.publish({ _tag: "RecordMatched", key })
    }
    const cause = new CircuitStoreError({
      key,
      operation: "read",
      reason: "ForeignPolicy",
      message:
        "the record was counted under another trip rule, so its counts are left alone and only its phase holds: " +
        "give all processes that use the key one rule, or a store prefix each"
    })
    this.mismatches(entry, shared, record.policy, "ForeignPolicy", cause)
  }

  private mismatches(
    { key }: CircuitEntry,
    shared: SharedCircuit,
    mismatch: string,
    reason: Mismatch,
    cause: CircuitStoreError
  ): void {
    // A key that no call uses is in no table: not each look at it is worth an event.
    if (shared.mismatch === mismatch || this.host.get(key)?.shared !== shared) return
    shared.mismatch = mismatch
    this.host.publish({ _tag: "RecordMismatch", key, reason, cause })
  }
}
