/** What a fleet costs its store, and how soon it notices that its dependency is down. */
import { type Policy, TripRule } from "@reclose/core"
import { Fleet } from "./Fleet.ts"
import type { Faults } from "./FleetStore.ts"

const minute = 60_000

const link: Faults = { lostRequests: 0, lostAnswers: 0, repeated: 0, failed: 0, latency: 10, missedEvery: 30_000 }

export interface Measured {
  readonly processes: number
  /** Calls a second of each process. */
  readonly rate: number
  readonly store: "push" | "poll" | "poll, frozen"
  readonly rule: string
}

const rules: Readonly<Record<string, TripRule.TripRule>> = {
  "consecutive(5)": TripRule.consecutive(5),
  "failureRate(50 % of 20 or more in 30 seconds)": TripRule.failureRate({
    threshold: 0.5,
    window: "30 seconds",
    minimumCalls: 20
  })
}

export const ruleNames = Object.keys(rules)

const fleetOf = ({ processes, rate, rule, store }: Measured, seed: number, policy: Policy.Policy = {}): Fleet => {
  const tripRule = rules[rule]
  const options = { ...policy, ...(tripRule === undefined ? {} : { tripRule }), background: store !== "poll, frozen" }
  const fleet = new Fleet({ seed, policy: options, faults: link, pushes: store === "push" })
  for (let i = 0; i < processes; i++) fleet.load(fleet.start(), 1000 / rate, store === "poll, frozen")
  return fleet
}

/** How long after the dependency went down the circuit was open in the store, and in half of the processes and nearly all. */
export interface Detection {
  readonly opened: number
  readonly half: number
  readonly nearlyAll: number
  /** Calls that were made on the dependency while it was down, until nearly all processes rejected them. */
  readonly wasted: number
}

const limit = 180_000

export const detect = (measured: Measured, seed: number): Detection => {
  const fleet = fleetOf(measured, seed, { openDuration: "1 hour" })
  const { world } = fleet
  world.pass(Math.max(5_000, 2_000 / measured.rate))
  fleet.isUp = false
  fleet.wasted = 0
  const down = world.now()
  const share = (): number =>
    fleet.processes.filter(({ breaker }) => fleet.phaseOf(breaker) === "Open").length / fleet.processes.length
  let opened = 0
  let half = 0
  while (world.now() - down < limit) {
    world.pass(10)
    const since = world.now() - down
    if (opened === 0 && fleet.store.record?.phase._tag === "Open") opened = since
    if (opened === 0) continue
    const open = share()
    if (half === 0 && open >= 0.5) half = since
    if (open >= 0.99) {
      const { wasted } = fleet
      fleet.end()
      return { opened, half, nearlyAll: since, wasted }
    }
  }
  fleet.end()
  const never = Number.POSITIVE_INFINITY
  return {
    opened: opened === 0 ? never : opened,
    half: half === 0 ? never : half,
    nearlyAll: never,
    wasted: fleet.wasted
  }
}

export type Weather = "healthy" | "flapping" | "down"

export interface Cost {
  readonly reads: number
  readonly writes: number
}

/** Whether a fleet stays closed for a minute in which a share of its calls fails that is no reason to open. */
export const staysClosed = (measured: Measured, failing: number, seed: number): boolean => {
  const fleet = fleetOf(measured, seed)
  fleet.failing = failing
  fleet.world.pass(minute)
  const isClosed = fleet.store.history.every(({ record }) => record.phase._tag === "Closed")
  fleet.end()
  return isClosed
}

/** Whether one process of ten, all of whose calls fail, opens the circuit of the others. */
export const isPoisoned = (quorum: number, seed: number): boolean => {
  const fleet = fleetOf({ processes: 9, rate: 5, store: "push", rule: "consecutive(5)" }, seed, { quorum })
  fleet.load(fleet.start(true), 200, false)
  fleet.world.pass(5 * minute)
  const isOpened = fleet.store.history.some(({ record }) => record.phase._tag === "Open")
  fleet.end()
  return isOpened
}

/** Reads and writes of an hour, taken from ten minutes of it, once every process has used the key. */
export const cost = (measured: Measured, weather: Weather, seed: number): Cost => {
  const fleet = fleetOf(measured, seed)
  const { store, world } = fleet
  world.pass(10_000)
  const before = { reads: store.reads, writes: store.writes }
  fleet.isUp = weather !== "down"
  for (let i = 0; i < 10; i++) {
    if (weather === "flapping") fleet.isUp = i % 2 === 1
    world.pass(minute)
  }
  const spent = { reads: 6 * (store.reads - before.reads), writes: 6 * (store.writes - before.writes) }
  fleet.end()
  return spent
}
