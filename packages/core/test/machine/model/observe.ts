/** What can be seen of a circuit, the machine's and the model's in the same words. */
import { type Circuit, openingsOf, overrideOf } from "../../../src/machine/Circuit.ts"
import type { ModelCircuit } from "./ModelCircuit.ts"

export const observeMachine = (circuit: Circuit, at: number) => {
  const { phase } = circuit
  const common = {
    phase: phase._tag,
    generation: phase.generation,
    openings: openingsOf(phase, at),
    override: overrideOf(circuit)
  }
  switch (phase._tag) {
    case "Closed":
      return { ...common, readings: phase.evidence.readings(at) }
    case "Open":
      return { ...common, until: phase.until, duration: phase.duration }
    case "HalfOpen": {
      const { failures, probes, successes } = phase
      return {
        ...common,
        out: probes.length,
        successes,
        failures,
        deadline: probes.length > 0 ? phase.deadline : "none"
      }
    }
  }
}

export const observeModel = (circuit: ModelCircuit, at: number): ReturnType<typeof observeMachine> => {
  const { generation, inForce, phase } = circuit
  const common = { phase: phase._tag, generation, openings: circuit.openings(at), override: inForce }
  switch (phase._tag) {
    case "Closed":
      return { ...common, readings: phase.evidence.readings(at) }
    case "Open":
      return { ...common, until: phase.until, duration: phase.duration }
    case "HalfOpen": {
      const { failures, out, successes } = phase
      return { ...common, out: out.length, successes, failures, deadline: out.length > 0 ? phase.deadline : "none" }
    }
  }
}
