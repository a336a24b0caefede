/** What happens to a fleet: a random sequence of events from a seed, with every promise checked after each. */
import { type Policy, TripRule } from "@reclose/core"
import { Random } from "../machine/model/random.ts"
import { Fleet, type Process } from "./Fleet.ts"
import type { Faults } from "./FleetStore.ts"
import { isHealed, Watch } from "./promises.ts"

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
}

const noFaults: Faults = { lostRequests: 0, lostAnswers: 0, repeated: 0, failed: 0, latency: 20, missedEvery: 10_000 }

/** The scenario of a seed. */
export const scenarioOf = (seed: number): Scenario => {
  const random = new Random(seed ^ 0x5bd1e995)
  const processes = random.chance(0.02) ? random.between(40, 200) : random.between(2, 8)
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
        latency: random.pick([0, 5, 40]),
        missedEvery: 10_000
      }
      : noFaults,
    policy: {
      tripRule: random.pick([
        TripRule.consecutive(random.between(1, 5)),
        TripRule.failures({ failures: random.between(2, 6), window: "20 seconds" }),
        TripRule.failureRate({ threshold: 0.5, window: "10 seconds", minimumCalls: random.between(2, 10) }),
        TripRule.failureRate({ threshold: 0.5, window: random.between(4, 20), minimumCalls: 4 })
      ]),
      // A trial is over before the next one begins, so that probes of two can't be under way at once.
      openDuration: "10 seconds",
      halfOpen: { permits, successThreshold: random.between(1, 2), failureThreshold: 1, maxDuration: "5 seconds" }
    },
    bad: 0
  }
}

/** Plays a scenario. Answers what was broken, if anything was. */
export const play = (scenario: Scenario): string | undefined => {
  const fleet = new Fleet(scenario)
  const watch = new Watch(fleet, scenario)
  for (let i = 0; i < scenario.processes; i++) fleet.start(i < scenario.bad)
  for (let i = 0; i < scenario.events; i++) {
    happen(fleet, scenario)
    const problem = watch.check()
    if (problem !== undefined) return `event ${i}: ${problem}`
  }
  heal(fleet)
  const problem = isHealed(fleet)
  fleet.end()
  return problem
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
  if (draw < 0.85) return world.pass(random.pick([1, 10, 100, 500, 1000, 3000, 11_000]))
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
}

/** Ends all faults, and lets the dependency answer. */
const heal = (fleet: Fleet): void => {
  fleet.isUp = true
  for (const { link } of fleet.processes) {
    link.isCut = false
    link.faults = noFaults
  }
  for (let i = 0; i < 30; i++) {
    for (const process of fleet.processes) fleet.call(process, 5)
    fleet.world.pass(3000)
  }
}
