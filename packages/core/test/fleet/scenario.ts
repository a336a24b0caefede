/** What a seed stands for: the fleet, its policy, and what may go wrong. */
import { type Policy, TripRule } from "@reclose/core"
import { Duration } from "effect"
import { Random } from "../machine/model/random.ts"
import { type Disaster, disastersOf } from "./disasters.ts"
import type { Faults } from "./FleetStore.ts"

export interface Scenario {
  readonly seed: number
  readonly processes: number
  readonly events: number
  readonly pushes: boolean
  readonly faults: Faults
  /** Whether links may be cut, processes crash and clocks be wrong, besides what `faults` says. */
  readonly isFaulty: boolean
  readonly policy: Policy.Policy
  /** How many processes are bad: their calls fail though the dependency is up. */
  readonly bad: number
  /** What strikes beside faults: nothing in half of the scenarios. */
  readonly disasters: ReadonlySet<Disaster>
}

export const noFaults: Faults = {
  lostRequests: 0,
  lostAnswers: 0,
  repeated: 0,
  failed: 0,
  latency: 20,
  missedEvery: 10_000
}

/** The scenario of a seed, with the disasters of the seed if none are given. */
export const scenarioOf = (seed: number, disasters = disastersOf(seed)): Scenario => {
  const random = new Random(seed ^ 0x5bd1e995)
  const processes = random.chance(0.005) ? random.between(40, 120) : random.between(2, 8)
  const isFaulty = random.chance(0.7)
  const share = () => isFaulty && random.chance(0.6) ? random.next() * 0.15 : 0
  const permits = random.between(1, 3)
  return {
    seed,
    processes,
    events: processes > 20 ? 60 : 120,
    pushes: random.chance(0.5),
    isFaulty,
    faults: isFaulty
      ? {
        lostRequests: share(),
        lostAnswers: share(),
        repeated: share(),
        failed: share(),
        latency: disasters.has("fractions") ? 0 : random.pick([0, 5, 40]),
        missedEvery: 10_000
      }
      : { ...noFaults, latency: disasters.has("fractions") ? 0 : noFaults.latency },
    policy: {
      tripRule: random.pick([
        TripRule.consecutive(random.between(1, 5)),
        TripRule.failures({ failures: random.between(2, 6), window: "20 seconds" }),
        TripRule.failureRate({ threshold: 0.5, window: "10 seconds", minimumCalls: random.between(2, 10) }),
        TripRule.failureRate({ threshold: 0.5, window: random.between(4, 20), minimumCalls: 4 })
      ]),
      // A trial is over before the next one begins, so that probes of two can't be under way at once.
      openDuration: disasters.has("fractions") ? Duration.micros(10_000_300n) : "10 seconds",
      ...(disasters.has("jitters") ? { jitter: 0.5 } : {}),
      halfOpen: { permits, successThreshold: random.between(1, 2), failureThreshold: 1, maxDuration: "5 seconds" }
    },
    bad: 0,
    disasters
  }
}

/** Returns a scenario as text. */
export const describeScenario = ({ disasters, ...scenario }: Scenario): string =>
  JSON.stringify({ ...scenario, disasters: [...disasters] }, undefined, 2)
