/** Random sequences of events over several circuits that share one clock. */
import type { Override } from "../../../src/machine/Circuit.ts"
import { policy, type PolicyData } from "./policies.ts"
import { Random } from "./random.ts"

/** How a call ends: in a success, a failure, one that is in no streak, or neither. */
export type End = "s" | "f" | "o" | "i"

/** Where the clock is set: so far from here, or so far from an instant that a circuit waits for. */
export type Move =
  | { readonly by: number }
  | { readonly to: "next instant" | "next bucket"; readonly of: number; readonly offset: number }

export type ScenarioEvent =
  | { readonly _tag: "Clock"; readonly move: Move }
  | { readonly _tag: "Admit"; readonly key: number }
  | {
    readonly _tag: "Settle"
    readonly key: number
    /** Which of the calls under way, counted around. Lost probes are those that are never chosen. */
    readonly call: number
    readonly end: End
    readonly duration: number
    readonly retryAfter: number | undefined
  }
  /** Which of the calls that have ended, the last first. */
  | { readonly _tag: "SettleAgain"; readonly key: number; readonly call: number; readonly end: End }
  /** Many calls, each settled before the next, to fill windows. */
  | { readonly _tag: "Calls"; readonly key: number; readonly ends: ReadonlyArray<End>; readonly duration: number }
  | { readonly _tag: "Tick" | "Isolate" | "EndIsolation" | "Reset"; readonly key: number }
  | { readonly _tag: "Override"; readonly key: number; readonly override: Override }
  | { readonly _tag: "Update"; readonly key: number; readonly policy: number }
  /** Kept as a snapshot, and restored so many milliseconds later. */
  | { readonly _tag: "Restore"; readonly key: number; readonly policy: number; readonly after: number }

export interface Scenario {
  readonly seed: number
  /** How many events there were at first. */
  readonly length: number
  readonly start: number
  readonly policies: ReadonlyArray<PolicyData>
  /** The policy that each circuit begins with. */
  readonly circuits: ReadonlyArray<number>
  readonly events: ReadonlyArray<ScenarioEvent>
}

const overrides = ["None", "ForcedOpen", "ForcedClosed", "Disabled", "MetricsOnly"] as const

/** What differs between scenarios, so that some go where an even mixture never would. */
interface Mood {
  readonly failing: number
  readonly ignoring: number
  /** How many of the failures are soft. */
  readonly soft: number
  readonly operated: number
  readonly clockBroken: number
  /** How many calls may come in a row. Long rows fill large windows, but take their time. */
  readonly longest: number
}

const end = (random: Random, mood: Mood): End =>
  random.chance(mood.ignoring) ? "i" : !random.chance(mood.failing) ? "s" : random.chance(mood.soft) ? "o" : "f"

const move = (random: Random, mood: Mood, keys: number): Move =>
  random.weighted<Move>([
    [4, () => ({ by: random.pick([0, 0.5, 1, 1.5, 5, 10]) })],
    [3, () => ({ by: random.between(1, 120) })],
    [1, () => ({ by: random.pick([400, 999, 1_000, 4_001, 20_000]) })],
    [0.3, () => ({ by: random.pick([3_600_000, 1e9]) })],
    [4, () => ({ to: "next instant", of: random.between(0, keys - 1), offset: random.pick([-0.5, 0, 0, 0, 0.5, 7]) })],
    [1, () => ({ to: "next bucket", of: random.between(0, keys - 1), offset: random.pick([-0.5, 0, 0]) })],
    [mood.clockBroken, () => ({ by: -random.pick([0.5, 1, 20, 1_000, 1e6]) })]
  ])

const event = (random: Random, mood: Mood, keys: number, policies: number): ScenarioEvent => {
  const key = random.between(0, keys - 1)
  return random.weighted<ScenarioEvent>([
    [6, () => ({ _tag: "Clock", move: move(random, mood, keys) })],
    [9, () => ({ _tag: "Admit", key })],
    [8, () => ({
      _tag: "Settle",
      key,
      call: random.between(0, 20),
      end: end(random, mood),
      duration: random.pick([0, 1, 4.5, 5, 20, 100, 1_000]),
      retryAfter: random.chance(0.2) ? random.pick([0, 1, 25, 60, 500, 1e9]) : undefined
    })],
    [1, () => ({ _tag: "SettleAgain", key, call: random.pick([0, 0, 0, 1, 2, 7, 20]), end: end(random, mood) })],
    [3, () => ({
      _tag: "Calls",
      key,
      ends: random.list(random.pick([1, 2, 3, 5, 12, mood.longest]), () => end(random, mood)),
      duration: random.pick([0, 0, 1, 5, 50])
    })],
    [1, () => ({ _tag: "Tick", key })],
    [0.8, () => ({ _tag: "Update", key, policy: random.between(0, policies - 1) })],
    [0.5, () => ({
      _tag: "Restore",
      key,
      policy: random.between(0, policies - 1),
      after: random.pick([0, 0, 1, 13, 500])
    })],
    [mood.operated, () => ({ _tag: "Override", key, override: random.pick(overrides) })],
    [mood.operated, () => ({ _tag: "Override", key, override: "None" })],
    [mood.operated / 4, () => ({ _tag: "Isolate", key })],
    [mood.operated / 3, () => ({ _tag: "EndIsolation", key })],
    [mood.operated / 4, () => ({ _tag: "Reset", key })]
  ])
}

export const scenario = (seed: number, length: number): Scenario => {
  const random = new Random(seed)
  const mood = {
    failing: random.pick([0.05, 0.15, 0.5, 0.8, 1]),
    ignoring: random.pick([0, 0.1, 0.4]),
    soft: random.pick([0, 0, 0.2, 0.6]),
    operated: random.pick([0, 0, 0.3, 1.5, 4]),
    clockBroken: random.pick([0, 0.3, 3]),
    longest: random.pick([12, 25, 25, 75])
  }
  const first = policy(random, undefined)
  const policies = [first, policy(random, first), policy(random, first)]
  const circuits = random.list(random.between(1, 3), () => random.between(0, policies.length - 1))
  return {
    seed,
    length,
    start: random.pick([0, 1_000_000, 12_345.5, -7_000]),
    policies,
    circuits,
    events: random.list(length, () => event(random, mood, circuits.length, policies.length))
  }
}

const instant = (move: Move): string => {
  if ("by" in move) return move.by < 0 ? `clock back by ${-move.by} ms` : `clock on by ${move.by} ms`
  const offset = move.offset === 0 ? "" : ` ${move.offset < 0 ? "-" : "+"} ${Math.abs(move.offset)} ms`
  return `clock on to the ${move.to} of ${name(move.of)}${offset}`
}

/** The name of a circuit. */
export const name = (key: number): string => "abc"[key] ?? String(key)

export const eventText = (event: ScenarioEvent): string => {
  switch (event._tag) {
    case "Clock":
      return instant(event.move)
    case "Settle": {
      const hint = event.retryAfter === undefined || (event.end !== "f" && event.end !== "o")
        ? ""
        : ` retryAfter ${event.retryAfter} ms`
      return `${name(event.key)}: settle call ${event.call} with ${event.end}${hint}, took ${event.duration} ms`
    }
    case "SettleAgain":
      return `${name(event.key)}: settle ended call ${event.call} again with ${event.end}`
    case "Calls":
      return `${name(event.key)}: calls ${event.ends.join("")}, each took ${event.duration} ms`
    case "Override":
      return `${name(event.key)}: override ${event.override}`
    case "Update":
      return `${name(event.key)}: update to policy ${event.policy}`
    case "Restore":
      return `${name(event.key)}: snapshot, restore ${event.after} ms later under policy ${event.policy}`
    default:
      return `${name(event.key)}: ${event._tag.toLowerCase()}`
  }
}
