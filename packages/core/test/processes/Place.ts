/** Where the processes of a fleet keep their circuits, and what tests do with them. */
import type { CircuitRecord } from "@reclose/core"
import { Context, Effect, type Scope } from "effect"
import { eventually, type Process, type ProcessError, start } from "./Process.ts"
import type { Called } from "./Protocol.ts"

export type StoreRecord = CircuitRecord.CircuitRecord

/** A part of a store that no other test uses. */
export interface Corner {
  /** The file that a process runs, and what it has to know to find its store. */
  readonly program: string
  readonly where: object
  /** What the store holds for a key. */
  readonly held: (key: string) => Effect.Effect<StoreRecord | undefined>
}

/** A real store that processes share. */
export class Place extends Context.Service<Place, {
  readonly name: string
  /** How exactly the store tells the time, in milliseconds: by so much processes may differ in when an opening is over. */
  readonly precision: number
  readonly corner: Effect.Effect<Corner, never, Scope.Scope>
}>()("test/Place") {}

/** Three failures in a row open a circuit for a second, or for a minute if its key begins with `long/`. */
const policy = {
  tripRule: { _tag: "Consecutive", failures: 3 },
  openDuration: "1 second",
  halfOpen: { maxDuration: "2 seconds" },
  keys: { "long/*": { openDuration: "1 minute" } },
  flushEvery: "100 millis",
  refreshEvery: "200 millis",
  // A machine with other work takes its time: what is tested is that it is right, and the figures are told.
  hydrateTimeout: "10 seconds",
  storeTimeout: "5 seconds"
}

export const join = (corner: Corner, changes: object = {}) =>
  start(corner.program, { where: corner.where, policy: { ...policy, ...changes } })

export const succeed = (process: Process, key: string) => process.ask("call", { key, end: "Success", takes: 0 })

export const fail = (process: Process, key: string) => process.ask("call", { key, end: "Failure", takes: 0 })

/** Opens a circuit by failing calls. Answers the one that did. */
export const trip = (process: Process, key: string): Effect.Effect<Called, ProcessError> =>
  Effect.gen(function*() {
    yield* fail(process, key)
    yield* fail(process, key)
    return yield* fail(process, key)
  })

/** Waits until the store holds a record like this. */
export const heldAs = (corner: Corner, key: string, what: string, like: (record: StoreRecord) => boolean) =>
  eventually(
    `a record of "${key}" that is ${what}`,
    Effect.map(corner.held(key), (record) => record !== undefined && like(record) ? record : undefined)
  )

export const heldOpen = (corner: Corner, key: string) =>
  heldAs(corner, key, "open", ({ phase }) => phase._tag === "Open")

/** Says what was measured, for people: nothing depends on it. */
export const say = (text: string): Effect.Effect<void> => Effect.sync(() => console.log(`      ${text}`))
