/**
 * The circuit of Effect's own breaker, as a value: what its stores do to one, without a store. Times are milliseconds of
 * one clock.
 */
import type { TripPolicy } from "effect/persistence/CircuitBreaker"

interface Common {
  /** Fences late outcomes: larger with each opening, probe and closing, and never used again for a key. */
  readonly generation: number
  /** The openings in a row, for the next opening's length. */
  readonly openings: number
  /** From when on the circuit counts as never seen. */
  readonly forgetAt: number
}

export type EffectCircuit =
  | Common & {
    readonly _tag: "Closed"
    readonly streak: number
    /** The latest outcomes under a rate policy, oldest first: 1 for a failure, 0 for a success. */
    readonly ring: string
    /** From when on the openings in a row count no more. */
    readonly resetAt: number
  }
  | Common & { readonly _tag: "Open"; readonly openUntil: number; readonly lastOpenFor: number }
  | Common & {
    readonly _tag: "HalfOpen"
    readonly lastOpenFor: number
    /** Until when the probe has the circuit to itself; 0 without one. */
    readonly leaseUntil: number
  }

export interface Timing {
  readonly lease: number
  readonly idle: number
}

/** What becomes of a circuit, and what the one who asked is told. The same circuit: there is nothing to write. */
export interface Step<A> {
  readonly next: EffectCircuit | undefined
  readonly answer: A
}

export type Operation<A> = (held: EffectCircuit | undefined, now: number) => Step<A>

export type Admitted =
  | { readonly _tag: "Admitted"; readonly circuit: EffectCircuit; readonly from: "Closed" | "Open" | "HalfOpen" }
  | { readonly _tag: "Open"; readonly remaining: number }
  | { readonly _tag: "HalfOpen" }

export type Outcome = "Success" | "Failure" | "Ignored"

export interface Settlement {
  readonly generation: number
  readonly outcome: Outcome
  readonly tripPolicy: TripPolicy
  readonly openFor: number
}

export type Moved =
  | { readonly from: "Closed" | "HalfOpen"; readonly to: "Open"; readonly openings: number }
  | { readonly from: "HalfOpen"; readonly to: "Closed" }

/** A circuit that is still remembered. */
export const remembered = (held: EffectCircuit | undefined, now: number): EffectCircuit | undefined =>
  held === undefined || now >= held.forgetAt ? undefined : held

/** The time in microseconds, so that a circuit that was forgotten never gets a generation that it had before. */
const nextGeneration = (held: EffectCircuit | undefined, now: number): number =>
  Math.max((held?.generation ?? 0) + 1, Math.floor(now * 1000))

/** A tenth longer than asked for, so that a healthy circuit is written only now and then to be remembered. */
const keep = <C extends EffectCircuit>(circuit: C, until: number, { idle }: Timing): C =>
  circuit.forgetAt >= until ? circuit : { ...circuit, forgetAt: until + idle / 10 }

const isReset = (circuit: EffectCircuit & { readonly _tag: "Closed" }, now: number) =>
  circuit.openings > 0 && now >= circuit.resetAt

export const admit = (timing: Timing): Operation<Admitted> => (held, now) => {
  const circuit = remembered(held, now) ?? {
    _tag: "Closed",
    generation: nextGeneration(held, now),
    openings: 0,
    forgetAt: 0,
    streak: 0,
    ring: "",
    resetAt: 0
  }
  if (circuit._tag === "Closed") {
    const next = keep(isReset(circuit, now) ? { ...circuit, openings: 0 } : circuit, now + timing.idle, timing)
    return { next, answer: { _tag: "Admitted", circuit: next, from: "Closed" } }
  }
  if (circuit._tag === "Open" && now < circuit.openUntil) {
    return { next: held, answer: { _tag: "Open", remaining: circuit.openUntil - now } }
  }
  if (circuit._tag === "HalfOpen" && now < circuit.leaseUntil) return { next: held, answer: { _tag: "HalfOpen" } }
  const { lastOpenFor, openings } = circuit
  const next = keep(
    {
      _tag: "HalfOpen",
      // A new one for each probe: the one whose lease lapsed has no say any more.
      generation: nextGeneration(circuit, now),
      openings,
      forgetAt: 0,
      lastOpenFor,
      leaseUntil: now + timing.lease
    },
    now + timing.lease + timing.idle,
    timing
  )
  return { next, answer: { _tag: "Admitted", circuit: next, from: circuit._tag } }
}

export const record = (timing: Timing, settlement: Settlement): Operation<Moved | undefined> => (held, now) => {
  const circuit = remembered(held, now)
  const { generation, outcome, tripPolicy } = settlement
  if (circuit?.generation !== generation || circuit._tag === "Open") return { next: held, answer: undefined }
  if (circuit._tag === "HalfOpen") {
    switch (outcome) {
      case "Ignored":
        // A new generation, so that a renewal on its way doesn't take the slot that is free now.
        return {
          next: keep(
            { ...circuit, generation: nextGeneration(circuit, now), leaseUntil: 0 },
            now + timing.idle,
            timing
          ),
          answer: undefined
        }
      case "Failure":
        return open(circuit, now, timing, settlement)
      case "Success":
        return close(circuit, now, timing)
    }
  }
  if (outcome === "Ignored") return { next: keep(circuit, now + timing.idle, timing), answer: undefined }
  const counted = count(circuit, outcome === "Failure", tripPolicy)
  return trips(counted, tripPolicy)
    ? open(counted, now, timing, settlement)
    : { next: keep(counted, now + timing.idle, timing), answer: undefined }
}

/** Makes the lease of a probe last from now on. Answers whether it still has one. */
export const renew = (timing: Timing, generation: number): Operation<boolean> => (held, now) => {
  const circuit = remembered(held, now)
  if (circuit?._tag !== "HalfOpen" || circuit.generation !== generation) return { next: held, answer: false }
  const renewed = { ...circuit, leaseUntil: now + timing.lease }
  return { next: keep(renewed, now + timing.lease + timing.idle, timing), answer: true }
}

type Closed = EffectCircuit & { readonly _tag: "Closed" }

const count = (circuit: Closed, failed: boolean, policy: TripPolicy): Closed => {
  const streak = failed ? circuit.streak + 1 : 0
  if (policy._tag === "Rate") {
    return { ...circuit, streak, ring: `${circuit.ring}${failed ? 1 : 0}`.slice(-policy.size) }
  }
  return streak === circuit.streak ? circuit : { ...circuit, streak }
}

const trips = ({ ring, streak }: Closed, policy: TripPolicy): boolean => {
  if (policy._tag === "Consecutive") return streak >= policy.failures
  const failures = ring.replaceAll("0", "").length
  return ring.length >= policy.minimumCalls && failures > 0 && failures / ring.length >= policy.threshold
}

const open = (
  circuit: EffectCircuit & { readonly _tag: "Closed" | "HalfOpen" },
  now: number,
  timing: Timing,
  { openFor }: Settlement
): Step<Moved> => {
  const openings = circuit.openings + 1
  return {
    next: keep(
      {
        _tag: "Open",
        generation: nextGeneration(circuit, now),
        openings,
        forgetAt: 0,
        openUntil: now + openFor,
        lastOpenFor: openFor
      },
      now + openFor + timing.idle,
      timing
    ),
    answer: { from: circuit._tag, to: "Open", openings }
  }
}

const close = (circuit: EffectCircuit & { readonly _tag: "HalfOpen" }, now: number, timing: Timing): Step<Moved> => ({
  next: keep(
    {
      _tag: "Closed",
      generation: nextGeneration(circuit, now),
      openings: circuit.openings,
      forgetAt: 0,
      streak: 0,
      ring: "",
      resetAt: now + circuit.lastOpenFor
    },
    now + timing.idle,
    timing
  ),
  answer: { from: "HalfOpen", to: "Closed" }
})
