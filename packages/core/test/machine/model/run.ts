/** Runs a scenario over the machine and the model side by side, and compares them after every event. */
import { Duration } from "effect"
import { isDeepStrictEqual } from "node:util"
import type { Circuit } from "../../../src/machine/Circuit.ts"
import type { CircuitTime } from "../../../src/machine/CircuitTime.ts"
import type { Event, Permit, Step } from "../../../src/machine/Step.ts"
import { broken } from "./invariants.ts"
import { type ModelCall, ModelCircuit, ModelClock } from "./ModelCircuit.ts"
import { nextBucket } from "./ModelEvidence.ts"
import { observeMachine, observeModel } from "./observe.ts"
import { type PolicyData, toMachine } from "./policies.ts"
import { type End, eventText, type Move, type Scenario, type ScenarioEvent } from "./scenario.ts"
import type { Subject } from "./subject.ts"

type Outcome = Extract<Event, { readonly _tag: "Settle" }>["outcome"]

interface Call {
  readonly permit: Permit
  readonly model: ModelCall
}

/** One circuit, as the machine and as the model have it. */
interface Pair {
  circuit: Circuit
  readonly model: ModelCircuit
  policy: PolicyData
  underWay: Array<Call>
  readonly ended: Array<Call>
}

class Mismatch extends Error {}

const text = (value: unknown): string => JSON.stringify(value, (_, inner) => inner === undefined ? "none" : inner)

const same = (what: string, actual: unknown, expected: unknown): void => {
  if (!isDeepStrictEqual(actual, expected)) {
    throw new Mismatch(`${what}\n    machine: ${text(actual)}\n    model:   ${text(expected)}`)
  }
}

const outcomeOf = (end: End, retryAfter?: number): Outcome =>
  end === "s"
    ? { _tag: "Success" }
    : end === "i"
    ? { _tag: "Ignored" }
    : {
      _tag: "Failure",
      retryAfter: retryAfter === undefined ? undefined : Duration.millis(retryAfter),
      isSoft: end === "o"
    }

class Run {
  private readonly subject: Subject
  private readonly scenario: Scenario
  private readonly time: CircuitTime
  private readonly clock = new ModelClock()
  private readonly pairs: ReadonlyArray<Pair>
  private reading: number

  constructor(subject: Subject, scenario: Scenario) {
    this.subject = subject
    this.scenario = scenario
    this.reading = scenario.start
    this.time = subject.time()
    const at = this.clock.at(this.reading)
    this.pairs = scenario.circuits.map((index) => {
      const policy = this.policy(index)
      const machine = toMachine(policy)
      const circuit = subject.make(machine, this.time, this.reading)
      return { circuit, model: new ModelCircuit(machine, at), policy, underWay: [], ended: [] }
    })
  }

  /** One event, compared. Throws a `Mismatch`. */
  apply(event: ScenarioEvent): void {
    if (event._tag === "Clock") return this.move(this.moveBy(event.move))
    const pair = this.pairs[event.key]
    if (pair === undefined) return
    switch (event._tag) {
      case "Admit":
        return this.admit(pair)
      case "Settle": {
        const call = pair.underWay[event.call % pair.underWay.length]
        return call && this.settle(pair, call, outcomeOf(event.end, event.retryAfter), event.duration)
      }
      case "SettleAgain": {
        const call = pair.ended.at(-1 - (event.call % pair.ended.length))
        return call && this.settleAgain(pair, call, outcomeOf(event.end))
      }
      case "Calls":
        return event.ends.forEach((end) => {
          this.admit(pair)
          const call = pair.underWay.at(-1)
          if (call !== undefined) this.settle(pair, call, outcomeOf(end), event.duration)
        })
      case "Tick":
        return void this.step(pair, { _tag: "Tick" }, (at) => pair.model.tick(at))
      case "Override":
        return void this.step(pair, event, (at) => pair.model.setOverride(event.override, at))
      case "Isolate":
        return void this.step(pair, { _tag: "Isolate" }, () => pair.model.isolate())
      case "EndIsolation":
        return void this.step(pair, { _tag: "Release" }, () => pair.model.endIsolation())
      case "Reset":
        return void this.step(pair, { _tag: "Reset" }, (at) => pair.model.reset(at))
      case "Update": {
        pair.policy = this.policy(event.policy)
        return void this.step(pair, { _tag: "Update" }, (at) => pair.model.update(toMachine(pair.policy), at))
      }
      case "Restore":
        return this.restore(pair, this.policy(event.policy), event.after)
    }
  }

  /** What an event has led to, for people. */
  describe(event: ScenarioEvent): string {
    const at = `at ${this.clock.now} ms`
    const pair = event._tag === "Clock" ? undefined : this.pairs[event.key]
    return pair === undefined ? at : `${at}: ${text(observeMachine(pair.circuit, this.clock.now))}`
  }

  private policy(index: number): PolicyData {
    const { policies } = this.scenario
    return policies[index % policies.length] as PolicyData
  }

  private move(by: number): void {
    this.reading += by
    // Every move is seen by some call: of a step back between two readings nobody could know.
    same("the circuit's time", this.time.at(this.reading), this.clock.at(this.reading))
  }

  private moveBy(move: Move): number {
    if ("by" in move) return move.by
    const model = this.pairs[move.of]?.model
    if (model === undefined) return 0
    const now = this.clock.now
    const next = move.to === "next instant" ? model.nextInstant(now) : nextBucket(model.policy.tripRule, now)
    return next === undefined ? 0 : Math.max(0, next - now + move.offset)
  }

  private step(pair: Pair, event: Event, model: (at: number) => void): Step {
    const before = pair.circuit
    const policy = toMachine(pair.policy)
    const step = this.subject.step(policy, before, event, this.reading)
    pair.circuit = step.circuit
    const at = this.clock.now
    pair.model.changes = []
    model(at)
    const problem = broken(before, event, step, policy, at)
    if (problem !== undefined) throw new Mismatch(problem)
    same("the changes", step.changes, pair.model.changes)
    this.compare(pair)
    return step
  }

  private compare(pair: Pair): void {
    const at = this.clock.now
    same("the circuit", observeMachine(pair.circuit, at), observeModel(pair.model, at))
  }

  private admit(pair: Pair): void {
    let expected: ReturnType<ModelCircuit["admit"]> | undefined
    const { decision } = this.step(pair, { _tag: "Admit" }, (at) => {
      expected = pair.model.admit(at)
    })
    if (decision._tag === "Admitted" && expected?._tag === "Admitted") {
      same("the permit is a probe's", decision.permit.probe !== undefined, expected.call.probe)
      pair.underWay.push({ permit: decision.permit, model: expected.call })
    } else same("the decision", decision, expected)
  }

  private settle(pair: Pair, call: Call, outcome: Outcome, duration: number): void {
    const event: Event = { _tag: "Settle", permit: call.permit, outcome, duration }
    pair.underWay = pair.underWay.filter((other) => other !== call)
    pair.ended.push(call)
    this.step(pair, event, (at) => pair.model.settle(call.model, outcome, duration, at))
  }

  private settleAgain(pair: Pair, call: Call, outcome: Outcome): void {
    // What time alone brings has to be seen before, so that all that is left is what the second settlement does.
    this.step(pair, { _tag: "Tick" }, (at) => pair.model.tick(at))
    const { phase } = pair.circuit
    // The permit of a closed circuit is no more than its generation. That its call ends once is the runtime's promise.
    if (phase._tag === "Closed" && phase.generation === call.permit.generation) return
    const before = observeMachine(pair.circuit, this.clock.now)
    const event: Event = { _tag: "Settle", permit: call.permit, outcome, duration: 0 }
    const again = this.subject.step(toMachine(pair.policy), pair.circuit, event, this.reading)
    same("the circuit after a second settlement", observeMachine(again.circuit, this.clock.now), before)
    pair.circuit = again.circuit
    pair.model.settle(call.model, outcome, 0, this.clock.now)
    this.compare(pair)
  }

  private restore(pair: Pair, policy: PolicyData, after: number): void {
    // Whoever keeps a snapshot has looked at the circuit.
    this.step(pair, { _tag: "Tick" }, (at) => pair.model.tick(at))
    const taken = this.clock.now
    const generation = pair.circuit.phase.generation
    // By way of text, as a store keeps it.
    const snapshot = JSON.parse(JSON.stringify(this.subject.take(pair.circuit, this.reading)))
    this.move(after)
    pair.policy = policy
    pair.circuit = this.subject.restore(toMachine(policy), snapshot, this.time, this.reading)
    pair.model.restore(toMachine(policy), taken, this.clock.now)
    if (pair.circuit.phase.generation <= generation) throw new Mismatch("the generation did not grow")
    this.compare(pair)
  }
}

/** The first event after which machine and model differ, and how. */
export interface Failure {
  readonly index: number
  readonly problem: string
}

export const check = (
  subject: Subject,
  scenario: Scenario,
  seen?: (line: string) => void
): Failure | undefined => {
  let index = -1
  try {
    const run = new Run(subject, scenario)
    for (const event of scenario.events) {
      index++
      run.apply(event)
      seen?.(`${eventText(event)}\n      ${run.describe(event)}`)
    }
    return undefined
  } catch (error) {
    // A machine that throws has failed like one that errs.
    return { index, problem: error instanceof Mismatch ? error.message : String(error) }
  }
}
