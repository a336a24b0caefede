/** Machines that are broken on purpose, each in one way that a careless change could bring about. */
import type { CircuitTime } from "../../../src/machine/CircuitTime.ts"
import { makeEvidence } from "../../../src/machine/Evidence.ts"
import {
  after,
  anotherPolicy,
  before,
  deafTo,
  emptied,
  keeping,
  mapRule,
  measuring,
  probing,
  settling,
  stepping,
  verdicts
} from "./breaking.ts"
import { machine, type Subject } from "./subject.ts"

/** Machines with something put around them that does nothing: what finds the others must not be the putting. */
export const intact: ReadonlyArray<Subject> = [
  before(() => ({})),
  settling(() => ({})),
  after("Closed", (phase) => phase),
  verdicts((verdict) => verdict),
  anotherPolicy((policy) => ({ ...policy, tripRule: mapRule(policy.tripRule, (rule) => ({ ...rule })) })),
  (() => {
    const read = new WeakMap<CircuitTime, number>()
    return stepping((policy, circuit, event, now) => {
      read.set(circuit.time, now)
      return machine.step(policy, circuit, event, now)
    })
  })()
]

/** What each broken machine does, and how the property has to put it, where it isn't the model that finds it. */
export const mutants: ReadonlyArray<readonly [fault: string, subject: Subject, says?: string]> = [
  [
    "lets a result of an earlier generation count",
    settling((event, { phase }) => ({ event: { ...event, permit: { ...event.permit, generation: phase.generation } } }))
  ],
  [
    "counts an ignored call as a failure",
    settling((event) =>
      event.outcome._tag === "Ignored"
        ? { event: { ...event, outcome: { _tag: "Failure", retryAfter: undefined, isSoft: false } } }
        : {}
    )
  ],
  [
    "keeps the permit of an ignored probe",
    stepping((policy, circuit, event, now) =>
      event._tag === "Settle" && event.outcome._tag === "Ignored" && circuit.phase._tag === "HalfOpen"
        ? machine.step(policy, circuit, { _tag: "Tick" }, now)
        : machine.step(policy, circuit, event, now)
    )
  ],
  [
    "counts a probe each time that it settles",
    settling(({ permit }, circuit) => ({
      circuit: probing(
        circuit,
        ({ generation, probes }) =>
          permit.probe === undefined || permit.generation !== generation ? {} : { probes: [...probes, permit.probe] }
      )
    })),
    "after a second settlement"
  ],
  [
    "rejects a call at the very instant at which the open time is up",
    before((_, circuit, event, at) =>
      event._tag === "Admit" && circuit.phase._tag === "Open" && at === circuit.phase.until
        ? { circuit: { ...circuit, phase: { ...circuit.phase, until: at + 1e-9 } } }
        : {}
    )
  ],
  [
    "lets a call through a moment before the open time is up",
    before((_, circuit, event, at) =>
      event._tag === "Admit" && circuit.phase._tag === "Open" && circuit.phase.until - at <= 0.5
        ? { circuit: { ...circuit, phase: { ...circuit.phase, until: at } } }
        : {}
    ),
    "before the open time was up"
  ],
  [
    "lets one probe more through than there are permits",
    before((policy) => ({
      policy: { ...policy, halfOpen: { ...policy.halfOpen, permits: policy.halfOpen.permits + 1 } }
    })),
    "probes are out"
  ],
  [
    "never ends a trial at its deadline",
    stepping((policy, circuit, event, now) => {
      const { phase } = circuit
      const step = machine.step(policy, probing(circuit, () => ({ deadline: Number.MAX_VALUE })), event, now)
      // The deadline itself is as it should be, so only what it brings about can be missed.
      return phase._tag === "HalfOpen" && step.circuit.phase.generation === phase.generation
        ? {
          ...step,
          circuit: probing(
            step.circuit,
            ({ deadline }) => deadline < Number.MAX_VALUE ? {} : { deadline: phase.deadline }
          )
        }
        : step
    }),
    "after its deadline"
  ],
  [
    "takes a result at the deadline for one in time",
    settling((_, circuit) => ({ circuit: probing(circuit, ({ deadline }) => ({ deadline: deadline + 1e-9 })) }))
  ],
  [
    "lets the deadline run on while no probe is out",
    after(
      "HalfOpen",
      (phase, { circuit }) =>
        circuit.phase._tag === "HalfOpen" && circuit.phase.probes.length === 0 && phase.probes.length === 1
          ? { ...phase, deadline: circuit.phase.deadline }
          : phase
    )
  ],
  [
    "counts an opening from when the deadline is seen to have passed",
    after(
      "Open",
      (phase, { at, step }) =>
        step.changes.some(({ reason }) => reason._tag === "DeadlineExpired")
          ? { ...phase, until: at + phase.duration }
          : phase
    )
  ],
  ["takes a slow probe for a success", before((policy) => ({ policy: { ...policy, slowerThan: Number.MAX_VALUE } }))],
  ["forgets the openings as soon as it recovers", after("Closed", (phase) => ({ ...phase, recovery: undefined }))],
  [
    "never forgets the openings",
    after(
      "Closed",
      (phase) => ({ ...phase, recovery: phase.recovery && { ...phase.recovery, until: Number.MAX_VALUE } })
    )
  ],
  [
    "forgets the openings only after the instant",
    after("Closed", (phase) => ({
      ...phase,
      recovery: phase.recovery && { ...phase.recovery, until: phase.recovery.until + 1e-9 }
    }))
  ],
  [
    "opens for as long as a failure asks, beyond the cap",
    before((policy, _, event) =>
      event._tag === "Settle" ? { policy: { ...policy, maxOpenDuration: Number.MAX_VALUE } } : {}
    )
  ],
  [
    "doesn't open for as long as a failure asks",
    settling((event) => ({
      event: event.outcome._tag === "Failure"
        ? { ...event, outcome: { ...event.outcome, retryAfter: undefined } }
        : event
    }))
  ],
  [
    "remembers a failure of before the recovery",
    after(
      "Closed",
      (phase, { at, policy, step }) =>
        step.changes.some(({ reason }) => reason._tag === "ProbesSucceeded")
          ? {
            ...phase,
            evidence: makeEvidence(policy.tripRule, phase.inFlight, [{ _tag: "Consecutive", failures: 1 }], at)
          }
          : phase
    )
  ],
  [
    "keeps one call too many in a window of calls",
    anotherPolicy((policy) => ({
      ...policy,
      tripRule: mapRule(policy.tripRule, (rule) =>
        "window" in rule && rule.window._tag === "Calls"
          ? { ...rule, window: { _tag: "Calls", size: rule.window.size + 1 } }
          : rule)
    }))
  ],
  [
    "lets nothing leave a window of time",
    measuring((evidence, from) => ({
      record: (failed, duration, _, soft) => evidence.record(failed, duration, from, soft),
      verdict: () => evidence.verdict(from),
      overdue: () => evidence.overdue(from),
      readings: () => evidence.readings(from),
      measured: () => evidence.measured(from),
      totals: () => evidence.totals()
    }))
  ],
  [
    "counts a soft failure among those in a row",
    settling((event) => ({
      event: event.outcome._tag === "Failure" ? { ...event, outcome: { ...event.outcome, isSoft: false } } : event
    }))
  ],
  [
    "ends a streak with a soft failure",
    measuring((evidence) => ({
      record: (failed, duration, now, soft) => evidence.record(failed && !soft, duration, now, soft),
      verdict: (now) => evidence.verdict(now),
      overdue: (now) => evidence.overdue(now),
      readings: (now) => evidence.readings(now),
      measured: (now) => evidence.measured(now),
      totals: () => evidence.totals()
    }))
  ],
  [
    "opens above a rate and not at it",
    verdicts((verdict) =>
      verdict?.some((reading) => "rate" in reading && reading.rate === reading.threshold) ? undefined : verdict
    )
  ],
  ["measures while it warms up", anotherPolicy((policy) => ({ ...policy, warmUp: 0 }))],
  [
    "loses what it measured when its policy is updated",
    after("Closed", (phase, { at, event, policy }) => event._tag === "Update" ? emptied(policy, phase, at) : phase)
  ],
  ["goes back with the clock", keeping((now) => now)],
  ["stands still until the clock has caught up with itself", keeping((now, latest) => Math.max(now, latest))],
  [
    "loses what it measured when the clock steps back",
    (() => {
      const read = new WeakMap<CircuitTime, number>()
      return stepping((policy, circuit, event, now) => {
        const back = now < (read.get(circuit.time) ?? now)
        read.set(circuit.time, now)
        const { phase } = circuit
        const lost = back && phase._tag === "Closed"
          ? { ...circuit, phase: emptied(policy, phase, circuit.time.at(now)) }
          : circuit
        return machine.step(policy, lost, event, now)
      })
    })()
  ],
  ["counts results while it is disabled", deafTo("Disabled")],
  ["opens although it is forced closed", deafTo("ForcedClosed")],
  [
    "ends an isolation with the first of its holders",
    before((_, circuit, event) => event._tag === "Release" ? { circuit: { ...circuit, isolations: 0 } } : {})
  ],
  [
    "is restored in the generation of its snapshot",
    {
      ...machine,
      restore: (policy, snapshot, time, now) =>
        machine.restore(policy, { ...snapshot, generation: snapshot.generation - 1 }, time, now)
    },
    "the generation did not grow"
  ],
  [
    "is restored with its whole open time before it",
    {
      ...machine,
      take: (circuit, now) => {
        const snapshot = machine.take(circuit, now)
        return snapshot.phase === "Open" ? { ...snapshot, remaining: snapshot.openDuration } : snapshot
      }
    }
  ]
]
