/**
 * Reads what the store holds of a key that its process doesn't know yet: once, however many calls want to know, and with
 * a bound, after which the process goes on by itself.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Seen } from "../CircuitStore.ts"
import type { CircuitEntry } from "../internal/CircuitEntry.ts"
import type { Host } from "../internal/Sharing.ts"
import { type Exchange, type Fork, storeFailed } from "./Exchange.ts"

export class FirstUse {
  private readonly exchange: Exchange
  private readonly host: Host
  private readonly fork: Fork
  /** Reads under way. None of its callers owns one: a caller that goes away must not take with it what others wait for. */
  private readonly reads = new Map<string, Fiber.Fiber<CircuitEntry | undefined>>()
  private lookFailed = false

  constructor(exchange: Exchange, host: Host, fork: Fork) {
    this.exchange = exchange
    this.host = host
    this.fork = fork
  }

  acquire(key: string): Effect.Effect<CircuitEntry | undefined> {
    const fiber = this.reads.get(key)
    // Not worth a question to the store, whose answer would have no place.
    if (fiber === undefined && !this.host.hasRoom()) return Effect.succeed(this.host.add(key, undefined))
    return Effect.map(
      Fiber.await(fiber ?? this.read(key)),
      (exit) => exit._tag === "Success" ? exit.value : this.host.add(key, undefined)
    )
  }

  /** Tells once that the store doesn't say, however often somebody looks. */
  look(key: string): Effect.Effect<Seen | undefined> {
    return Effect.matchCause(this.exchange.hydrate(key), {
      onSuccess: (seen) => {
        this.lookFailed = false
        return seen
      },
      onFailure: (cause) => {
        if (!this.lookFailed) this.host.publish(storeFailed(key, "read", cause))
        this.lookFailed = true
        return undefined
      }
    })
  }

  private read(key: string): Fiber.Fiber<CircuitEntry | undefined> {
    const seen = Effect.catchCause(this.exchange.hydrate(key), (cause) =>
      Effect.sync(() => {
        this.host.publish(storeFailed(key, "read", cause))
        return undefined
      }))
    const fiber = this.fork(Effect.map(seen, (seen) => this.host.add(key, seen)))
    this.reads.set(key, fiber)
    // Runs at once for a store that answers at once.
    fiber.addObserver(() => this.reads.delete(key))
    return fiber
  }
}
