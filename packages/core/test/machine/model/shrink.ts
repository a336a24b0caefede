/** Makes a failing scenario small enough to be read. */
import type { Rule } from "../../../src/machine/Rule.ts"
import { policyText } from "./policies.ts"
import { check } from "./run.ts"
import { eventText, name, type Scenario, type ScenarioEvent } from "./scenario.ts"
import type { Subject } from "./subject.ts"

/** The same event, said more simply. */
const simpler = (event: ScenarioEvent): ReadonlyArray<ScenarioEvent> => {
  switch (event._tag) {
    case "Calls":
      return event.ends.length > 1
        ? event.ends.map((_, index) => ({ ...event, ends: event.ends.toSpliced(index, 1) }))
        : []
    case "Settle":
      return [
        ...(event.call > 0 ? [{ ...event, call: 0 }, { ...event, call: event.call - 1 }] : []),
        ...(event.duration > 0 ? [{ ...event, duration: 0 }] : []),
        ...(event.retryAfter === undefined ? [] : [{ ...event, retryAfter: undefined }])
      ]
    default:
      return []
  }
}

/** The same rule with a part left out. */
const simplerRules = (rule: Rule): ReadonlyArray<Rule> => {
  if (rule._tag !== "Any" && rule._tag !== "All") return []
  return rule.rules.flatMap((part, index) => [
    part,
    ...(rule.rules.length > 1 ? [{ ...rule, rules: rule.rules.toSpliced(index, 1) }] : []),
    ...simplerRules(part).map((simpler) => ({ ...rule, rules: rule.rules.with(index, simpler) }))
  ])
}

/** Every scenario with some of the events left out, longest omission first, then with a part of it made simpler. */
function* candidates(scenario: Scenario): Generator<Scenario> {
  const { circuits, events, policies } = scenario
  for (let size = Math.floor(events.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = events.length - size; from >= 0; from -= size) {
      yield { ...scenario, events: events.toSpliced(from, size) }
    }
  }
  if (circuits.length > 1) yield { ...scenario, circuits: circuits.slice(0, -1) }
  for (const [index, policy] of policies.entries()) {
    for (const tripRule of simplerRules(policy.tripRule)) {
      yield { ...scenario, policies: policies.with(index, { ...policy, tripRule }) }
    }
  }
  for (const [index, event] of events.entries()) {
    for (const replacement of simpler(event)) yield { ...scenario, events: events.with(index, replacement) }
  }
}

/** The scenario with all events left out that the failure, or another one, does without. */
export const shrink = (subject: Subject, scenario: Scenario): Scenario => {
  let smallest = scenario
  let tries = 5_000
  const truncate = (candidate: Scenario): boolean => {
    tries--
    const failure = check(subject, candidate)
    if (failure === undefined) return false
    smallest = { ...candidate, events: candidate.events.slice(0, failure.index + 1) }
    return true
  }
  truncate(scenario)
  while (tries > 0) {
    const before = smallest
    for (const candidate of candidates(before)) {
      if (tries <= 0 || truncate(candidate)) break
    }
    if (smallest === before) break
  }
  return smallest
}

/** A failing scenario as text: what to run again, the policies, every event with what it led to, and the failure. */
export const report = (subject: Subject, scenario: Scenario): string => {
  const lines: Array<string> = []
  const failure = check(subject, scenario, (line) => lines.push(line))
  const last = failure === undefined ? undefined : scenario.events[failure.index]
  return [
    `Replay: RECLOSE_SEED=${scenario.seed} RECLOSE_STEPS=${scenario.length}`,
    `The clock begins at ${scenario.start} ms.`,
    ...scenario.policies.map((policy, index) => `Policy ${index}: ${policyText(policy)}`),
    ...scenario.circuits.map((policy, key) => `Circuit ${name(key)} is made under policy ${policy}.`),
    ...lines.map((line, index) => `${index + 1}. ${line}`),
    `${lines.length + 1}. ${last === undefined ? "" : eventText(last)}`,
    `  ${failure?.problem ?? "does not fail"}`
  ].join("\n")
}
