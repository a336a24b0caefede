/**
 * Circuits as JSON: kept in a file, moved to another process, restored there.
 *
 * @since 0.1.0
 */
import type { CircuitSnapshot } from "./machine/Snapshot.ts"

export interface BreakerSnapshot {
  readonly version: 1
  readonly circuits: ReadonlyArray<{ readonly key: string } & CircuitSnapshot>
}
