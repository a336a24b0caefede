/** What strikes a fleet beside lost answers: its store, its operators, its policies and its clocks. */
import { type Policy, TripRule } from "@reclose/core"
import { Random } from "../machine/model/random.ts"
import { type Act, type Fleet, overrides, type Process } from "./Fleet.ts"
import type { Scenario } from "./scenario.ts"

const disasters = [
  /** The store loses its record. */
  "loses",
  /** The store holds an older record again, as after a restore from a backup. */
  "rollsBack",
  /** The store answers reads and denies writes, for a while. */
  "readsOnly",
  /** The store's clock is set, by up to an hour. */
  "stepsClock",
  /** Operators override the circuit, release it and reset it. */
  "operates",
  /** Operators restore processes from snapshots. */
  "restores",
  /** Processes get another policy, one by one or all at once. */
  "updates",
  /** Times are no whole milliseconds, and callers wait exactly as long as a rejection says. */
  "fractions",
  /** Each opening lasts as long as chance wants. */
  "jitters",
  /** The record is garbled for a while, and messages come that no process understands. */
  "garbles"
] as const

export type Disaster = (typeof disasters)[number]

/**
 * The disasters of a seed: none in half of the seeds, else one to three. They are drawn from random numbers of their own, so
 * that a seed without any means what it meant before there were disasters.
 */
export const disastersOf = (seed: number): ReadonlySet<Disaster> => {
  const random = new Random(seed ^ 0x2545f491)
  if (random.chance(0.5)) return new Set()
  return new Set(random.list(random.between(1, 3), () => random.pick(disasters)))
}

/** Whether records follow from one another although the disasters strike. */
export const keepsOrder = (struck: ReadonlySet<Disaster>): boolean =>
  [...struck].every((disaster) => disaster === "fractions" || disaster === "jitters")

const acts: ReadonlyArray<Act> = ["forceOpen", "forceClosed", "disable", "metricsOnly", "release", "reset"]

/** Has one of the scenario's disasters strike. */
export const strike = (fleet: Fleet, scenario: Scenario): void => {
  const { random, store } = fleet
  const someone = (): Process => random.pick(fleet.processes)
  switch (random.pick([...scenario.disasters])) {
    case "loses":
      return lose(fleet)
    case "rollsBack":
      return rollBack(fleet, random.between(0, store.history.length - 1))
    case "readsOnly":
      store.isReadOnly = !store.isReadOnly
      store.announcesDenied = random.chance(0.5)
      fleet.deniedAt = fleet.world.now()
      return
    case "stepsClock":
      store.ahead += random.pick([-3_600_000, -100_000, -5_000, -1_000, 1_000, 5_000, 100_000, 3_600_000])
      fleet.lostAt = fleet.world.now()
      return
    case "operates":
      return fleet.act(someone(), random.chance(0.5) ? random.pick(["release", "reset"]) : random.pick(acts))
    case "restores":
      if (fleet.snapshots.length === 0 || random.chance(0.5)) fleet.save(someone())
      else fleet.restore(someone(), random.pick(fleet.snapshots), overrides[random.pick(acts)])
      return
    case "updates": {
      const policy = policyAfter(random, scenario.policy)
      for (const process of random.chance(0.5) ? fleet.processes : [someone()]) fleet.update(process, policy)
      return
    }
    case "garbles":
      if (random.chance(0.7)) return store.announceMissed(100)
      store.isGarbled = !store.isGarbled
      fleet.deniedAt = fleet.world.now()
      return
    case "fractions":
      return fleet.world.pass(random.between(1, 9999) / 1000)
    case "jitters":
      return
  }
}

/** The store loses its record. It notices that in half of the cases. */
export const lose = (fleet: Fleet): void => {
  fleet.store.restoreTo(undefined, fleet.random.chance(0.5))
  fleet.lostAt = fleet.world.now()
}

/** The store holds again what was written then. */
export const rollBack = (fleet: Fleet, written: number): void => {
  const older = fleet.store.history[written]
  if (older === undefined) return
  fleet.store.restoreTo(older.record, fleet.random.chance(0.5))
  fleet.lostAt = fleet.world.now()
}

const policyAfter = (random: Random, policy: Policy.Policy): Policy.Policy => ({
  ...policy,
  openDuration: random.pick(["3 seconds", "10 seconds"]),
  tripRule: random.chance(0.5) ? policy.tripRule : random.pick([
    TripRule.consecutive(2),
    TripRule.failureRate({ threshold: 0.5, window: "10 seconds", minimumCalls: 4 })
  ])
})
