/**
 * Words for what the breaker reports, and the little there is to typesetting in a terminal.
 */
import type { CircuitPhase, Reading, Transition, TransitionReason } from "@reclose/core"
import { Duration } from "effect"

export type Colour = "red" | "green" | "yellow" | "dim" | "bold"

const codes: Readonly<Record<Colour, number>> = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 }

export type Paint = (colour: Colour, text: string) => string

export const painter = (colours: boolean): Paint => (colour, text) =>
  colours && text !== "" ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text

export const seconds = (millis: number): string => `${(millis / 1_000).toFixed(1)} s`

export const percent = (share: number): string => `${Math.round(share * 100)} %`

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
export const reading = (reading: Reading): string => {
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

export const reason = (reason: TransitionReason): string => {
  switch (reason._tag) {
    case "Tripped":
      return reason.readings.map(reading).join(" and ")
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
  // oxlint-disable-next-line no-control-regex -- colours are control characters
  return line.replace(
    /\u001b\[\d+m|./gu,
    (part) => part.length > 1 && part.startsWith("\u001b") || room-- > 0 ? part : ""
  )
}
