/**
 * Reads what the store holds of a key that its process doesn't know yet: once, however many calls want to know, and with
 * a bound, after which the process goes on by itself.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Seen } from "../CircuitStore.ts"
import type { CircuitStoreError, CircuitStoreReason } from "../CircuitStoreError.ts"
import type { CircuitEntry } from "../internal/CircuitEntry.ts"
import type { Host } from "../internal/Sharing.ts"
import type { Exchange, Fork } from "./Exchange.ts"
import { isForeignVersion, storeFailed } from "./StoreHealth.ts"

/** What is wrong with one record, and not with the store. */
const ofRecord: ReadonlySet<CircuitStoreReason> = new Set(["Corrupt", "ForeignVersion", "Oversized", "WrongType"])
/** For how many keys a failed look is published and remembered. */
const maxLookFailed = 100

interface FirstRead {
  readonly fiber: Fiber.Fiber<CircuitEntry | undefined>
  /** The latest version that was announced while the read was under way. */
  announced: number
}

export class FirstUse {
  private readonly exchange: Exchange
  private readonly host: Host
  private readonly fork: Fork
  /** Reads under way. None of its callers owns one: a caller that goes away must not take with it what others wait for. */
  private readonly reads = new Map<string, FirstRead>()
  /** Keys that a look failed for, until one is answered. */
  private readonly lookFailed = new Set<string>()

  constructor(exchange: Exchange, host: Host, fork: Fork) {
    this.exchange = exchange
    this.host = host
    this.fork = fork
  }

  acquire(key: string): Effect.Effect<CircuitEntry | undefined> {
    const fiber = this.reads.get(key)?.fiber
    // Not worth a question to the store, whose answer would have no place.
    if (fiber === undefined && !this.host.hasRoom()) return Effect.succeed(this.host.add(key, undefined))
    return Effect.map(
      Fiber.await(fiber ?? this.read(key)),
      (exit) => exit._tag === "Success" ? exit.value : this.host.add(key, undefined)
    )
  }

  /** Records that the store has announced a version of a key. The first read of it may answer an older one. */
  announce(key: string, version: number): void {
    const read = this.reads.get(key)
    if (read !== undefined) read.announced = Math.max(read.announced, version)
  }

  /** Records that announcements may have been lost: what is being read may be older than any of them. */
  missed(): void {
    for (const read of this.reads.values()) read.announced = Number.POSITIVE_INFINITY
  }

  /** Returns the latest version that was announced while the key was first read, 0 if none was. */
  announced(key: string): number {
    return this.reads.get(key)?.announced ?? 0
  }

  /** What the store holds of a key that no call uses here; undefined if it doesn't say. */
  look(key: string): Effect.Effect<Seen | undefined> {
    return Effect.catchCause(this.seek(key), () => Effect.undefined)
  }

  /** As `look`, for one of many keys: fails if the store does not answer, and leaves out a record that can't be read. */
  lookIfReadable(key: string): Effect.Effect<Seen | undefined, CircuitStoreError> {
    return Effect.catch(this.seek(key), (error) => ofRecord.has(error.reason) ? Effect.undefined : Effect.fail(error))
  }

  /** Publishes once for a key that the store doesn't say, however often an operator looks, and that it does again. */
  private seek(key: string): Effect.Effect<Seen, CircuitStoreError> {
    return Effect.onExit(this.exchange.hydrate(key), (exit) =>
      Effect.sync(() => {
        if (exit._tag === "Success") {
          if (this.lookFailed.delete(key)) this.host.publish({ _tag: "StoreRecovered", key })
          return
        }
        const { cause } = exit
        // A record of another form is told of where calls use the key.
        if (Cause.hasInterruptsOnly(cause) || isForeignVersion(Cause.squash(cause))) return
        if (this.lookFailed.has(key) || this.lookFailed.size === maxLookFailed) return
        this.lookFailed.add(key)
        this.host.publish(storeFailed(key, "read", cause))
      }))
  }

  private read(key: string): Fiber.Fiber<CircuitEntry | undefined> {
    const fiber = this.fork(Effect.matchCause(this.exchange.hydrate(key), {
      onSuccess: (seen) => this.host.add(key, seen),
      onFailure: (cause) => {
        const error = Cause.squash(cause)
        if (!isForeignVersion(error)) this.host.publish(storeFailed(key, "read", cause))
        const entry = this.host.add(key, undefined)
        if (entry !== undefined && isForeignVersion(error)) {
          this.exchange.health.unreadable(entry, this.exchange.shared(entry), error)
        }
        return entry
      }
    }))
    this.reads.set(key, { fiber, announced: 0 })
    // Runs at once for a store that answers at once.
    fiber.addObserver(() => this.reads.delete(key))
    return fiber
  }
}
