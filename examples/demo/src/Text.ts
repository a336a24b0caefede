/**
 * Words for what the breaker reports, and the little there is to typesetting in a terminal.
 */
import type { CircuitPhase, Reading, Transition, TransitionReason } from "@reclose/core"
import { Duration } from "effect"

export type Colour = "red" | "green" | "yellow" | "dim" | "bold"

const escape = "\u001b"

const codes: Readonly<Record<Colour, number>> = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 }

export type Paint = (colour: Colour, text: string) => string

export const painter = (colours: boolean): Paint => (colour, text) =>
  colours && text !== "" ? `${escape}[${codes[colour]}m${text}\u001b[0m` : text

export const seconds = (millis: number): string => `${(millis / 1_000).toFixed(1)} s`

const percent = (share: number): string => `${Math.round(share * 100)} %`

export const ordinal = (n: number): string => {
  const teen = n % 100 > 10 && n % 100 < 14
  return `${n}${(teen ? undefined : ["th", "st", "nd", "rd"][n % 10]) ?? "th"}`
}

export const phaseName: Readonly<Record<CircuitPhase, string>> = {
  Closed: "CLOSED",
  Open: "OPEN",
  HalfOpen: "HALF-OPEN"
}

export const phaseColour: Readonly<Record<CircuitPhase, Colour>> = { Closed: "green", Open: "red", HalfOpen: "yellow" }

/** What a rule measures, beside what it opens at. */
const reading = (reading: Reading): string => {
  switch (reading._tag) {
    case "Consecutive":
      return `${reading.failures} failures in a row (opens at ${reading.threshold})`
    case "Failures":
      return `${reading.failures} failures within ${seconds(reading.window)} (opens at ${reading.threshold})`
    case "FailureRate":
    case "SlowCallRate": {
      const how = reading._tag === "FailureRate" ? "failed" : "were slow"
      return `${reading.hits} of ${reading.calls} calls ${how} (${percent(reading.rate)}, opens at ${
        percent(reading.threshold)
      })`
    }
    case "InFlightAge":
      return `${reading.calls} calls in flight for ${
        seconds(reading.olderThan)
      } or more (opens at ${reading.threshold})`
  }
}

/** The same for the corner of an eye: how far a rule is from opening. */
export const gauge = (reading: Reading): string => {
  switch (reading._tag) {
    case "Consecutive":
      return `${reading.failures} of ${reading.threshold} failures in a row`
    case "Failures":
      return `${reading.failures} of ${reading.threshold} failures`
    case "FailureRate":
    case "SlowCallRate": {
      if (reading.calls < reading.minimumCalls) {
        return `too few calls to judge (${reading.calls} of ${reading.minimumCalls})`
      }
      const how = reading._tag === "FailureRate" ? "failed" : "slow"
      return `${percent(reading.rate)} ${how} (opens at ${percent(reading.threshold)})`
    }
    case "InFlightAge":
      return `${reading.calls} of ${reading.threshold} calls hang`
  }
}

export const reason = (reason: TransitionReason): string => {
  switch (reason._tag) {
    case "Tripped":
      return reason.readings.map(reading).join(" and ")
    case "Learned":
      return "another process says so"
    case "OpenElapsed":
      return "its time is up, so a few calls go out as probes"
    case "ProbesSucceeded":
      return "its probes succeeded"
    case "ProbeFailed":
      return "a probe failed"
    case "DeadlineExpired":
      return "its probes had no answer in time"
    case "ForcedClosed":
      return "an operator forced it closed"
    case "Restored":
      return "it was restored from a snapshot"
    case "Reset":
      return "an operator reset it"
  }
}

export const transition = ({ consecutiveOpenings, openDuration, reason: why, to }: Transition): string => {
  const times = consecutiveOpenings > 1 ? `, the ${ordinal(consecutiveOpenings)} time in a row` : ""
  const how = to === "Open" ? ` for ${seconds(Duration.toMillis(openDuration))}${times}` : ""
  return `${phaseName[to]}${how}: ${reason(why)}`
}

/** Cuts a line to a width, leaving escape sequences whole. */
export const clip = (line: string, width: number): string => {
  let room = width
  return line
    .split(escapes)
    .map((part) => {
      if (part.startsWith(escape)) return part
      const kept = [...part].slice(0, room)
      room -= kept.length
      return kept.join("")
    })
    .join("")
}

const escapes = new RegExp(`(${escape}\\[\\d+m)`)
