/** Ways of putting a fault around the real machine, so that nothing but the fault differs. */
import { type Circuit, type Closed, type HalfOpen, overrideOf } from "../../../src/machine/Circuit.ts"
import { CircuitTime } from "../../../src/machine/CircuitTime.ts"
import { type Evidence, makeEvidence } from "../../../src/machine/Evidence.ts"
import type { MachinePolicy, Rule } from "../../../src/machine/Rule.ts"
import { type Event, type Step } from "../../../src/machine/Step.ts"
import { machine, type Subject } from "./subject.ts"

type Steps = Subject["step"]
type Settle = Extract<Event, { readonly _tag: "Settle" }>

export const stepping = (step: Steps): Subject => ({ ...machine, step })

/** Changes what a step is given. */
export const before = (
  change: (policy: MachinePolicy, circuit: Circuit, event: Event, at: number) => {
    readonly policy?: MachinePolicy
    readonly circuit?: Circuit
    readonly event?: Event
  }
): Subject =>
  stepping((policy, circuit, event, now) => {
    const given = { policy, circuit, event, ...change(policy, circuit, event, circuit.time.at(now)) }
    return machine.step(given.policy, given.circuit, given.event, now)
  })

/** Changes the phase that a step leads to. */
export const after = <P extends Circuit["phase"]["_tag"]>(
  tag: P,
  change: (
    phase: Extract<Circuit["phase"], { readonly _tag: P }>,
    about: {
      readonly policy: MachinePolicy
      readonly circuit: Circuit
      readonly event: Event
      readonly at: number
      readonly step: Step
    }
  ) => Circuit["phase"]
): Subject =>
  stepping((policy, circuit, event, now) => {
    const step = machine.step(policy, circuit, event, now)
    const phase = step.circuit.phase
    if (!is(phase, tag)) return step
    const changed = change(phase, { policy, circuit, event, at: circuit.time.at(now), step })
    return { ...step, circuit: { ...step.circuit, phase: changed } }
  })

const is = <P extends Circuit["phase"]["_tag"]>(
  phase: Circuit["phase"],
  tag: P
): phase is Extract<Circuit["phase"], { readonly _tag: P }> => phase._tag === tag

/** Changes how calls settle. */
export const settling = (
  change: (event: Settle, circuit: Circuit) => { readonly circuit?: Circuit; readonly event?: Settle }
) => before((_, circuit, event) => event._tag === "Settle" ? change(event, circuit) : {})

export const probing = (circuit: Circuit, change: (phase: HalfOpen) => Partial<HalfOpen>): Circuit =>
  circuit.phase._tag === "HalfOpen" ? { ...circuit, phase: { ...circuit.phase, ...change(circuit.phase) } } : circuit

/** Forgets an override for one step. */
export const deafTo = (override: Circuit["override"]): Subject =>
  stepping((policy, circuit, event, now) => {
    if (event._tag !== "Settle" || overrideOf(circuit) !== override) return machine.step(policy, circuit, event, now)
    const step = machine.step(policy, { ...circuit, override: "None" }, event, now)
    return { ...step, circuit: { ...step.circuit, override } }
  })

export const mapRule = (rule: Rule, change: (rule: Rule) => Rule): Rule =>
  rule._tag === "Any" || rule._tag === "All"
    ? { ...rule, rules: rule.rules.map((part) => mapRule(part, change)) }
    : change(rule)

export const anotherPolicy = (change: (policy: MachinePolicy) => MachinePolicy): Subject => ({
  ...machine,
  make: (policy, time, now) => machine.make(change(policy), time, now),
  step: (policy, circuit, event, now) => machine.step(change(policy), circuit, event, now),
  restore: (policy, snapshot, time, now) => machine.restore(change(policy), snapshot, time, now)
})

/** Puts something around the evidence of every closed circuit. */
export const measuring = (wrap: (evidence: Evidence, now: number) => Evidence): Subject => {
  const wrapped = new WeakSet<Evidence>()
  const around = (circuit: Circuit, now: number): Circuit => {
    if (circuit.phase._tag !== "Closed" || wrapped.has(circuit.phase.evidence)) return circuit
    const evidence = wrap(circuit.phase.evidence, circuit.time.at(now))
    wrapped.add(evidence)
    return { ...circuit, phase: { ...circuit.phase, evidence } }
  }
  return {
    ...machine,
    make: (policy, time, now) => around(machine.make(policy, time, now), now),
    step: (policy, circuit, event, now) => {
      const step = machine.step(policy, circuit, event, now)
      return { ...step, circuit: around(step.circuit, now) }
    },
    restore: (policy, snapshot, time, now) => around(machine.restore(policy, snapshot, time, now), now)
  }
}

export const verdicts = (
  change: (verdict: ReturnType<Evidence["verdict"]>) => ReturnType<Evidence["verdict"]>
): Subject =>
  measuring((evidence) => ({
    record: (failed, duration, now, soft) => change(evidence.record(failed, duration, now, soft)),
    verdict: (now) => change(evidence.verdict(now)),
    overdue: (now) => change(evidence.overdue(now)),
    readings: (now) => evidence.readings(now),
    measured: (now) => evidence.measured(now),
    totals: () => evidence.totals()
  }))

/** A clock of another kind in place of the circuit's time. */
export const keeping = (at: (now: number, latest: number) => number): Subject => ({
  ...machine,
  time: () => {
    let latest = Number.NEGATIVE_INFINITY
    return Object.assign(new CircuitTime(), { at: (now: number) => latest = at(now, latest) })
  }
})

export const emptied = (policy: MachinePolicy, phase: Closed, at: number): Closed => ({
  ...phase,
  evidence: makeEvidence(policy.tripRule, phase.inFlight, [], at)
})
