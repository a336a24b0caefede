/** What happens to a fleet: a random sequence of events from a seed, with every promise checked after each. */
import { strike } from "./disasters.ts"
import { Fleet, type Process } from "./Fleet.ts"
import { heal } from "./healing.ts"
import { Watch } from "./promises.ts"
import type { Scenario } from "./scenario.ts"

/** Plays a scenario. Returns the promise that was broken, if one was. */
export const play = (scenario: Scenario): string | undefined => {
  const { disasters } = scenario
  const isPatient = disasters.has("fractions")
  const hears = disasters.has("readsOnly")
  const fleet = new Fleet({ ...scenario, isPatient, hears })
  fleet.world.hasFractions = disasters.has("fractions")
  // So that a clock that is set back by hours does not come to its beginning.
  fleet.store.ahead = 1_000_000_000
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
  // Either its machine was asleep, or a clock was set back that must never be.
  if (random.chance(0.7)) world.pass(millis)
  clock.fallBehind(millis)
  fleet.stoodStillAt = world.now()
}
