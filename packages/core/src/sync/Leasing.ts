/** Asks the store whether a call may probe: the one call that waits for the store. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { CircuitEntry } from "../internal/CircuitEntry.ts"
import type { Host, Lease, Restore } from "../internal/Sharing.ts"
import { openingsOf, overrideOf } from "../machine/Circuit.ts"
import { type Permit, type Rejection, unmeasured } from "../machine/Step.ts"
import type { Exchange, Fork } from "./Exchange.ts"

export class Leasing {
  /** Questions under way whose calls have gone. */
  readonly abandoned = new Set<Fiber.Fiber<Lease>>()
  private readonly exchange: Exchange
  private readonly host: Host
  private readonly fork: Fork

  constructor(exchange: Exchange, host: Host, fork: Fork) {
    this.exchange = exchange
    this.host = host
    this.fork = fork
  }

  lease(entry: CircuitEntry, restore: Restore): Effect.Effect<Lease> {
    const shared = this.exchange.shared(entry)
    const { circuit: { phase }, policy: { halfOpen } } = entry
    const out = phase._tag === "HalfOpen" && this.host.at() < phase.deadline ? phase.probes.length : 0
    if (out + shared.leasing >= halfOpen.permits) {
      // As many as there may be ask already.
      return Effect.succeed(asking(entry))
    }
    shared.leasing++
    const fiber = this.fork(this.ask(entry))
    fiber.addObserver(() => shared.leasing--)
    const asked = Effect.onExitPrimitive(restore(Fiber.await(fiber)), (exit) => {
      if (exit._tag === "Failure") this.abandon(entry, fiber)
      return undefined
    })
    return Effect.map(asked, (exit) => exit._tag === "Success" ? exit.value : undefined)
  }

  private ask(entry: CircuitEntry): Effect.Effect<Lease> {
    return Effect.catchCause(
      Effect.map(
        this.exchange.run(entry, { probe: true, fresh: true }),
        (permit): Lease => permit ?? (this.exchange.shared(entry).isPrivate ? undefined : asking(entry))
      ),
      (cause) =>
        Effect.sync(() => {
          this.exchange.failed(entry, cause)
          return undefined
        })
    )
  }

  /** What the store grants to a call that was interrupted is for nobody. */
  private abandon(entry: CircuitEntry, fiber: Fiber.Fiber<Lease>): void {
    this.abandoned.add(fiber)
    fiber.addObserver((exit) => {
      this.abandoned.delete(fiber)
      this.giveBack(entry, exit)
    })
  }

  private giveBack(entry: CircuitEntry, lease: Exit.Exit<Lease>): void {
    const granted = lease._tag === "Success" ? lease.value : undefined
    if (granted !== undefined && "generation" in granted) this.host.release(entry, granted)
  }
}

/** What a call gets while others have, or ask for, all probes there may be: a rejection, where the circuit may reject. */
const asking = ({ circuit, policy }: CircuitEntry): Rejection | Permit =>
  overrideOf(circuit) === "MetricsOnly" ? unmeasured : {
    phase: "HalfOpen",
    reason: "Probing",
    retryAfter: policy.halfOpen.maxDuration,
    openings: openingsOf(circuit.phase, 0)
  }
