/**
 * What a breaker and whoever shares its circuits with other processes ask of each other.
 *
 * Types alone: sharing comes with a store, so that a program whose circuits are its own carries nothing of it.
 */
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import type * as Stream from "effect/Stream"
import type { CircuitEvent } from "../CircuitEvent.ts"
import type { CircuitRegister, Seen } from "../CircuitStore.ts"
import type { CircuitStoreError } from "../CircuitStoreError.ts"
import type { Circuit } from "../machine/Circuit.ts"
import type { Event, Permit, PhaseChange, Rejection } from "../machine/Step.ts"
import type { Outcome } from "../Outcome.ts"
import type { CircuitEntry } from "./CircuitEntry.ts"
import type { SyncPolicy } from "./PolicyReader.ts"

/** The breaker whose circuits are shared. */
export interface Host {
  readonly get: (key: string) => CircuitEntry | undefined
  readonly entries: () => Iterable<CircuitEntry>
  /** The wall clock, in milliseconds. */
  readonly wall: () => number
  /** The clock of the process, in milliseconds. */
  readonly now: () => number
  /** The time of the circuits, which never goes back, in milliseconds. */
  readonly at: () => number
  /** Whether a new key would find a place. */
  readonly hasRoom: () => boolean
  /** Makes the circuit of a key, as the store knows it. Undefined where there is no room for it. */
  readonly add: (key: string, seen: Seen | undefined) => CircuitEntry | undefined
  /** Puts the shared circuit in the place of the process's own. */
  readonly take: (entry: CircuitEntry, circuit: Circuit, changes: ReadonlyArray<PhaseChange>) => void
  /** Gives back a probe that nobody will make. */
  readonly release: (entry: CircuitEntry, permit: Permit) => void
  readonly publish: (event: CircuitEvent) => void
}

/** The right to probe; or why there is none to be had; or that the process has to judge by itself. */
export type Lease = Permit | Rejection | undefined

/** Makes an effect interruptible again, where its surroundings were. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Shares the circuits of one breaker. */
export interface Sharing {
  policy: SyncPolicy
  /** The circuit of a key that is used for the first time, as the store knows it. Undefined where there is no room for it. */
  readonly acquire: (key: string) => Effect.Effect<CircuitEntry | undefined>
  /** What the store holds of a key that only somebody looks at. Undefined if it doesn't say so in time. */
  readonly look: (key: string) => Effect.Effect<Seen | undefined>
  /** What `toState` makes of each circuit that the store holds, but for records that have expired or can't be read. */
  readonly list: <A>(
    prefix: string,
    toState: (key: string, seen: Seen) => A
  ) => Stream.Stream<A, CircuitStoreError>
  /** Begins to share a circuit as the store knows it. */
  readonly begin: (entry: CircuitEntry, seen: Seen | undefined) => void
  /** Rests a circuit on a record that was just read. */
  readonly learn: (entry: CircuitEntry, seen: Seen | undefined) => void
  /** Asks the store for the right to probe, in a region that nothing interrupts but where it is restored. */
  readonly lease: (entry: CircuitEntry, restore: Restore) => Effect.Effect<Lease>
  /** Notes that a circuit changed its phase. */
  readonly changed: (entry: CircuitEntry, before: Circuit, changes: ReadonlyArray<PhaseChange>) => void
  /** Notes how a probe ended that left the circuit on trial. */
  readonly settled: (entry: CircuitEntry, probe: number, outcome: Outcome, duration: number) => void
  /** Notes an operator's act. */
  readonly steered: (entry: CircuitEntry, act: Extract<Event, { readonly _tag: "Override" | "Reset" }>) => void
  /** Notes that an operator put another circuit in the place of one, which it takes over from. */
  readonly overruled: (entry: CircuitEntry, before: CircuitEntry | undefined) => void
  /** Notes that nobody's calls come to a circuit any more. */
  readonly forgotten: (entry: CircuitEntry) => void
  /** Notes that a failure is about to be counted, the first since the last exchange. */
  readonly failing: (entry: CircuitEntry) => void
  /** Notes that a circuit counts in another way from here on, though nothing has happened to it. */
  readonly recounted: (entry: CircuitEntry, before: Circuit) => void
  /** Looks whether something is due, for processes without background work. */
  readonly touched: (entry: CircuitEntry) => void
  /** For a circuit of which a frozen process has not heard for long, what its next call has to wait for. */
  readonly relearn: (entry: CircuitEntry) => Effect.Effect<unknown> | undefined
  /** Tells the store whatever waits to be told. */
  readonly flush: Effect.Effect<void>
  /** Learns of changes for as long as it runs. */
  readonly listen: Effect.Effect<never>
  /** Ends all background work. */
  readonly end: Effect.Effect<void>
}

/** Begins to share the circuits of a breaker through a store. */
export type Share = (
  store: CircuitRegister,
  options: {
    readonly host: Host
    readonly policy: SyncPolicy
    readonly context: Context.Context<never>
    readonly random: Random.Random
  }
) => Sharing
