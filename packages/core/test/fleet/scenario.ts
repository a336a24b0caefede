/** What happens to a fleet: a random sequence of events from a seed, with every promise checked after each. */
import { type Policy, TripRule } from "@reclose/core"
import { Duration } from "effect"
import { Random } from "../machine/model/random.ts"
import { type Disaster, disastersOf, strike } from "./disasters.ts"
import { Fleet, type Process } from "./Fleet.ts"
import type { Faults } from "./FleetStore.ts"
import { heal } from "./healing.ts"
import { Watch } from "./promises.ts"

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

/** Plays a scenario. Returns the promise that was broken, if one was. */
export const play = (scenario: Scenario): string | undefined => {
  const { disasters } = scenario
  const isPatient = disasters.has("fractions")
  const hears = disasters.has("readsOnly")
  const fleet = new Fleet({ ...scenario, isPatient, hears })
  fleet.world.hasFractions = disasters.has("fractions")
  // So that a clock that is set back by hours does not come to its beginning.
  fleet.store.ahead = disasters.size > 0 ? 1_000_000_000 : 0
  const watch = new Watch(fleet, scenario)
  try {
    for (let i = 0; i < scenario.processes; i++) fleet.start(i < scenario.bad)
    for (let i = 0; i < scenario.events; i++) {
      if (disasters.size > 0 && fleet.random.chance(0.12)) strike(fleet, scenario)
      happen(fleet, scenario)
      const problem = watch.check()
      if (problem !== undefined) return `event ${i}: ${problem}`
    }
    return heal(fleet, scenario, watch)
  } catch (cause) {
    return String(cause)
  } finally {
    fleet.end()
  }
}

const happen = (fleet: Fleet, scenario: Scenario): void => {
  const { random, world } = fleet
  const draw = random.next()
  const someone = (): Process => random.pick(fleet.processes)
  if (draw < 0.45) return fleet.call(someone(), random.pick([0, 20, 300, 2000]))
  if (draw < 0.55) {
    for (const process of fleet.processes) fleet.call(process, random.between(0, 100))
    return
  }
  if (draw < 0.85) {
    const millis = random.pick([1, 10, 100, 500, 1000, 3000, 11_000])
    return world.pass(world.hasFractions ? millis + random.between(1, 999) / 1000 : millis)
  }
  if (draw < 0.92) {
    fleet.isUp = random.chance(0.5)
    return
  }
  if (!scenario.isFaulty) return world.pass(random.between(0, 1000))
  if (draw < 0.95) {
    const { link } = someone()
    return link.cut(!link.isCut)
  }
  if (draw < 0.97) {
    if (fleet.processes.length > 1) fleet.crash(someone())
    fleet.start()
    return
  }
  const { clock } = someone()
  if (random.chance(0.3)) return clock.set(random.between(-100_000, 100_000))
  const millis = random.between(100, 20_000)
  // Either its machine was asleep, or somebody set a clock back that nobody should.
  if (random.chance(0.7)) world.pass(millis)
  clock.fallBehind(millis)
  fleet.stoodStillAt = world.now()
}
