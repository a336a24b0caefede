/** How a fleet comes to rest once all faults are over, and what has to hold by then. */
import type { CircuitState } from "@reclose/core"
import { lose, rollBack } from "./disasters.ts"
import { type Act, type Fleet, overrides, type Process } from "./Fleet.ts"
import { excused, type Watch } from "./promises.ts"
import { noFaults, type Scenario } from "./scenario.ts"

/** How long one round of calls takes, in milliseconds. */
const round = 3000
/** Within how many rounds the circuit has closed everywhere: an opening, a trial, and the longest pause between two tries. */
const closesWithin = 30
/** Within how many rounds all agree on an override: after an act, where some have to wait for the others, and after a loss. */
const agreesWithin = (fleet: Fleet): number => fleet.processes.length > 20 ? 4 : 2
const repairsWithin = 12
/** For how many rounds a fleet has to stay as it is. */
const stays = 3

/** Ends all faults and has the dependency answer. Returns the promise that is broken then, if one is. */
export const heal = (fleet: Fleet, scenario: Scenario, watch: Watch): string | undefined => {
  fleet.isUp = true
  if (fleet.store.isDenying) fleet.deniedAt = fleet.world.now()
  fleet.store.isReadOnly = false
  fleet.store.isGarbled = false
  for (const { link } of fleet.processes) {
    link.isCut = false
    link.faults = noFaults
  }
  return new Healing(fleet, scenario, watch).problem()
}

class Healing {
  private readonly fleet: Fleet
  private readonly scenario: Scenario
  private readonly watch: Watch

  constructor(fleet: Fleet, scenario: Scenario, watch: Watch) {
    this.fleet = fleet
    this.scenario = scenario
    this.watch = watch
  }

  problem(): string | undefined {
    return this.agrees() ?? this.obeys() ?? this.closes() ?? this.remembers()
  }

  /** After an update all processes have the policy that they began with. */
  private agrees(): string | undefined {
    const { disasters, policy } = this.scenario
    if (disasters.has("updates")) { for (const process of this.fleet.processes) this.fleet.update(process, policy) }
    if (this.fleet.acts.length === 0) return undefined
    const problem = this.until(closesWithin, () => this.disagreement(undefined))
    if (problem !== undefined) return problem
    const expected = lastAct(this.fleet)
    return expected === undefined ? undefined : this.disagreement(expected)
  }

  /** While all is well operators are obeyed by all, also after the store has lost what it held. */
  private obeys(): string | undefined {
    const { disasters } = this.scenario
    if (!disasters.has("operates") && !disasters.has("restores")) return undefined
    // What could not be told for long is told after the longest pause between two tries.
    const hasToWait = this.scenario.isFaulty || this.fleet.deniedAt > Number.NEGATIVE_INFINITY
    for (let i = 0; i < 10 && hasToWait; i++) {
      const problem = this.round(round)
      if (problem !== undefined) return problem
    }
    return this.orders()
  }

  private orders(): string | undefined {
    const { random, store } = this.fleet
    const { disasters } = this.scenario
    const act = random.pick<Act>(["forceOpen", "forceClosed", "disable", "metricsOnly"])
    const override = overrides[act]
    const steps: Array<() => string | undefined> = [() => this.order(act)]
    if (disasters.has("loses")) steps.push(() => this.survives(() => lose(this.fleet), override))
    let overridden = -1
    steps.push(() => {
      overridden = store.history.length - 1
      return this.order(random.pick<Act>(["release", "reset"]))
    })
    if (disasters.has("rollsBack")) {
      let released = -1
      steps.push(
        () => this.survives(() => rollBack(this.fleet, overridden), "None"),
        () => {
          released = store.history.length - 1
          return this.order(act)
        },
        () => this.survives(() => rollBack(this.fleet, released), override),
        () => this.order("release")
      )
    }
    for (const step of steps) {
      const problem = step()
      if (problem !== undefined) return problem
    }
    return undefined
  }

  /** An operator acts through a process, or restores it. */
  private order(act: Act): string | undefined {
    const { fleet } = this
    const process = this.someone()
    if (this.scenario.disasters.has("restores") && fleet.random.chance(0.5)) {
      fleet.restore(process, fleet.save(process), overrides[act])
    } else fleet.act(process, act)
    return this.until(agreesWithin(fleet), () => this.disagreement(overrides[act]))
  }

  private survives(disaster: () => void, override: CircuitState["override"]): string | undefined {
    disaster()
    return this.until(repairsWithin, () => this.disagreement(override) ?? this.forgetfulness(override))
  }

  private closes(): string | undefined {
    return this.until(closesWithin, () => notClosed(this.fleet))
  }

  /** An opening that the store has lost is soon in the store again. */
  private remembers(): string | undefined {
    const { disasters } = this.scenario
    if (!disasters.has("loses") && !disasters.has("rollsBack")) return undefined
    const { fleet } = this
    fleet.isUp = false
    for (let i = 0; i < 20 && fleet.store.record?.phase._tag !== "Open"; i++) this.round(1000)
    const opened = fleet.store.record
    this.round(1000)
    if (opened?.phase._tag !== "Open" || opened.generation !== fleet.store.record?.generation) return undefined
    fleet.store.restoreTo(disasters.has("loses") ? undefined : fleet.store.history[0]?.record, true)
    fleet.lostAt = fleet.world.now()
    const broken = this.round(5000)
    fleet.isUp = true
    const held = fleet.store.record?.phase._tag ?? "Closed"
    return broken ?? (held === "Closed" ? "the store has lost an opening for good" : this.closes())
  }

  private round(millis: number): string | undefined {
    for (const process of this.fleet.processes) this.fleet.call(process, 5)
    this.fleet.world.pass(millis)
    const problem = this.watch.check()
    return problem === undefined ? undefined : `healing: ${problem}`
  }

  /** Makes rounds of calls until nothing has been wrong for some of them. Returns what is wrong if that does not happen. */
  private until(rounds: number, wrong: () => string | undefined): string | undefined {
    let well = 0
    let problem: string | undefined
    for (let i = 0; i < rounds + stays && well < stays; i++) {
      const broken = this.round(round)
      if (broken !== undefined) return broken
      problem = wrong()
      well = problem === undefined ? well + 1 : 0
    }
    return well < stays ? `${problem ?? "not for long enough"}, ${rounds} rounds after all faults are over` : undefined
  }

  private disagreement(expected: CircuitState["override"] | undefined): string | undefined {
    const found = new Set(this.fleet.states.map(({ override }) => override))
    return found.size === 1 && (expected === undefined || found.has(expected))
      ? undefined
      : `the processes have the overrides ${[...found].join(", ")}${
        expected === undefined ? "" : ` and not ${expected}`
      }`
  }

  private forgetfulness(override: CircuitState["override"]): string | undefined {
    const held = this.fleet.store.record?.override ?? "None"
    return held === override ? undefined : `the store holds the override ${held} and not ${override}`
  }

  private someone(): Process {
    return this.fleet.random.pick(this.fleet.processes)
  }
}

/** The override of the last act, if no fault and no other act came near it. */
const lastAct = ({ acts, deniedAt, lostAt, stoodStillAt }: Fleet): CircuitState["override"] | undefined => {
  const last = acts.at(-1)
  if (last === undefined || Math.max(deniedAt, lostAt, stoodStillAt) > Number.NEGATIVE_INFINITY) return undefined
  const isClear = acts.every((act) =>
    act.process.link.faultedAt === Number.NEGATIVE_INFINITY && (act === last || act.at < last.at - excused)
  )
  return isClear ? last.override : undefined
}

/** What keeps the processes and the store from having come to one state, if anything does. */
const notClosed = (fleet: Fleet): string | undefined => {
  const phases = new Set(fleet.states.map(({ phase }) => phase))
  const held = fleet.store.record?.phase._tag ?? "Closed"
  return phases.size === 1 && phases.has("Closed") && held === "Closed"
    ? undefined
    : `the store holds ${held}, and the processes ${[...phases].join(", ")}`
}
