/** What a process comes to whose store holds, or says, what it can make nothing of. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { type Corner, fail, heldAs, join, type StoreRecord, succeed, trip } from "./Place.ts"
import type { Process } from "./Process.ts"

export interface Complaint {
  readonly reason: string
  readonly message: RegExp
}

/** Whether a record has so many failures in a row. */
const hasCounted = (failures: number) => ({ evidence: [count] }: StoreRecord): boolean =>
  count?._tag === "Consecutive" && count.failures === failures

/** Calls of this key go on by local judgement, and an event says why nothing is shared. */
export const goesOnAlone = (process: Process, key: string, { message, reason }: Complaint) =>
  Effect.gen(function*() {
    assert.strictEqual((yield* succeed(process, key)).end, "Success", key)
    const expected = reason === "ForeignVersion" ? "RecordMismatch" : "StoreFailed"
    const { cause } = yield* process.waitFor(
      `a failure of ${key}`,
      (told) => told.event === expected && told.key === key
    )
    assert.deepStrictEqual({ ...cause, message: undefined }, {
      tag: "CircuitStoreError",
      key,
      operation: "read",
      reason,
      message: undefined
    })
    assert.match(cause?.message ?? "", message)
    assert.strictEqual((yield* trip(process, key)).end, "Failure")
    const rejected = yield* succeed(process, key)
    assert.deepStrictEqual([rejected.began, rejected.why], [false, "Tripped"])
    yield* process.ask("flush", null)
  })

/** What was counted under another rule is reported and stays as it is. Answers the process that found it. */
export const leavesOtherRuleAlone = (corner: Corner) =>
  Effect.gen(function*() {
    const other = yield* join(corner, { tripRule: { _tag: "Consecutive", failures: 7 } })
    yield* trip(other, "quotes")
    const before = yield* heldAs(corner, "quotes", "of the other rule", hasCounted(3))
    yield* other.kill
    const process = yield* join(corner)
    yield* succeed(process, "quotes")
    const { cause } = yield* process.waitFor("another rule", ({ event }) => event === "RecordMismatch")
    assert.deepStrictEqual([cause?.key, cause?.operation, cause?.reason], ["quotes", "read", "ForeignPolicy"])
    assert.match(cause?.message ?? "", /counted under another trip rule/)
    yield* fail(process, "quotes")
    yield* process.ask("flush", null)
    assert.deepStrictEqual(yield* corner.held("quotes"), before)
    return process
  })
