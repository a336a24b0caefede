/** Reads circuits from a store on their first use and writes them back after they changed, beside the calls. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { CircuitEvent } from "../CircuitEvent.ts"
import { type CircuitStore, CircuitStoreError } from "../CircuitStore.ts"
import { type CircuitSnapshot, takeSnapshot } from "../machine/Snapshot.ts"
import type { CircuitEntry } from "./CircuitEntry.ts"

/** How long the first calls of a key wait for the store. */
const readTimeout = 100
/** How long one write may take, and how long those of a closing breaker may take together. */
const writeTimeout = 1000

export interface Persistence {
  /** What the store holds of a key. Nothing, if it can't say: then the circuit begins by local judgement. */
  readonly read: (key: string) => Effect.Effect<CircuitSnapshot | undefined>
  /** Notes that a circuit changed. Its latest state is written soon, however often it changes before. */
  readonly changed: (entry: CircuitEntry) => void
}

export const makePersistence = Effect.fnUntraced(function*(
  store: CircuitStore["Service"],
  now: () => number,
  publish: (event: CircuitEvent) => void
): Effect.fn.Return<Persistence, never, Scope.Scope> {
  const changed = new Set<CircuitEntry>()
  // The versions last seen, from the first write on. A missing one costs a refused write, which tells it.
  const versions = new WeakMap<CircuitEntry, number>()
  const wake = yield* Queue.sliding<void>(1)

  // Defects, too: a store that dies is as little of a call's business as one that fails.
  const failed = (operation: "read" | "replace", key: string) => (cause: Cause.Cause<CircuitStoreError>) =>
    Effect.sync(() => publish({ _tag: "StoreFailed", key, operation, cause: Cause.squash(cause) }))

  const bounded = <A>(
    operation: CircuitStoreError["operation"],
    key: string,
    millis: number,
    ask: () => Effect.Effect<A, CircuitStoreError>
  ): Effect.Effect<A, CircuitStoreError> =>
    Effect.raceFirst(
      // Suspended, since a store may throw before there is an effect.
      Effect.suspend(ask),
      Effect.flatMap(Effect.sleep(millis), () =>
        Effect.fail(new CircuitStoreError({ key, operation, message: `no answer within ${millis} millis` })))
    )

  const write = (entry: CircuitEntry): Effect.Effect<void> =>
    Effect.suspend(() => {
      // Before the snapshot, so that a change during the write is another one to be written.
      changed.delete(entry)
      const circuit = takeSnapshot(entry.circuit, now())
      const replace = (version: number) => store.replace(entry.key, { version, circuit: undefined }, circuit)
      return bounded("replace", entry.key, writeTimeout, () =>
        Effect.flatMap(replace(versions.get(entry) ?? 0), (replaced) => {
          if (replaced._tag === "Replaced") {
            return Effect.succeed(replaced.version)
          }
          // Whoever is further on is right. What lies behind may be replaced, now that it has been seen.
          const { circuit: winner, version } = replaced.seen
          return winner !== undefined && winner.generation >= circuit.generation
            ? Effect.succeed(version)
            : Effect.map(replace(version), (again) =>
              again._tag === "Replaced" ? again.version : again.seen.version)
        })).pipe(
          Effect.map((version) => {
            versions.set(entry, version)
          }),
          Effect.catchCause(failed("replace", entry.key)),
          // Interrupted: the breaker closes, and its last write makes up for this one.
          (write) =>
            Effect.onExitPrimitive(write, (exit) => {
              if (exit._tag === "Failure") {
                changed.add(entry)
              }
              return undefined
            })
        )
    })

  const writeAll = Effect.suspend(() => Effect.forEach([...changed], write, { discard: true }))

  yield* Effect.addFinalizer(() => Effect.raceFirst(writeAll, Effect.sleep(writeTimeout)))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Queue.take(wake), writeAll)))

  return {
    read: (key) =>
      bounded("read", key, readTimeout, () => store.read(key)).pipe(
        Effect.map((seen) => seen.circuit),
        Effect.catchCause((cause) => Effect.as(failed("read", key)(cause), undefined))
      ),
    changed: (entry) => {
      changed.add(entry)
      Queue.offerUnsafe(wake, undefined)
    }
  }
})
