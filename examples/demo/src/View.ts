/**
 * What a person sees: the scene of a run as text.
 */
import type { CallCounts, CircuitPhase, CircuitState, Transition } from "@reclose/core"
import { Duration } from "effect"
import * as Summary from "./Summary.ts"
import * as Text from "./Text.ts"
import { type Health, healthAt, meaning, type Script } from "./Upstream.ts"

/** Something that happened, with its time in milliseconds from the start of the run. */
export type News =
  | { readonly _tag: "Transition"; readonly at: number; readonly transition: Transition; readonly counts: CallCounts }
  | { readonly _tag: "Health"; readonly at: number; readonly key: string; readonly health: Health }

/** A moment of a run. */
export interface Scene {
  readonly elapsed: number
  /** When the last request is due. */
  readonly lasts: number
  readonly circuits: ReadonlyArray<CircuitState>
  readonly scripts: Readonly<Record<string, Script>>
  readonly news: ReadonlyArray<News>
  readonly guarded: Summary.Totals
  readonly unguarded: Summary.Totals | undefined
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

const cells = 48
const labelWidth = 10
const maxBlocks = 4

/** One line of what happened. */
export const news = (news: News, paint: Text.Paint): string => {
  const at = paint("dim", Text.seconds(news.at).padStart(7))
  if (news._tag === "Health") {
    return `${at}  ${news.key}: ${paint("dim", `the upstream is ${news.health} and ${meaning[news.health]}`)}`
  }
  const { key, to } = news.transition
  const text = Text.transition(news.transition)
  const name = Text.phaseName[to]
  return `${at}  ${key}: ${paint(Text.phaseColour[to], name)}${text.slice(name.length)}`
}

/** The same where nothing else shows how the calls fare. */
export const plainNews = (item: News, paint: Text.Paint): string =>
  item._tag === "Health" ? news(item, paint) : `${news(item, paint)}  [${counts(item.counts, Text.painter(false))}]`

const transitionsOf = (scene: Scene, key: string) =>
  scene.news.flatMap((news) => news._tag === "Transition" && news.transition.key === key ? [news] : [])

/** What a circuit does about calls right now. */
const outlook = ({ phase, probes, readings, retryAfter }: CircuitState): string => {
  switch (phase) {
    case "Closed":
      return [...new Set(readings.map(Text.gauge))].join(", ")
    case "Open": {
      const left = Duration.toMillis(retryAfter)
      return left > 0 ? `rejects every call, next probe in ${Text.seconds(left)}` : "the next call is a probe"
    }
    case "HalfOpen":
      return `${probes} ${probes === 1 ? "probe is" : "probes are"} out, rejects the rest`
  }
}

/** Why a circuit is not closed; for one that is, how often it wasn't. */
const background = (scene: Scene, { consecutiveOpenings, key, phase }: CircuitState): string => {
  const openings = transitionsOf(scene, key).filter(({ transition }) => transition.to === "Open")
  const tripped = openings.findLast(({ transition }) => transition.reason._tag === "Tripped")
  if (phase === "Closed") {
    return openings.length === 0
      ? "has never opened"
      : `has opened ${openings.length === 1 ? "once" : `${openings.length} times`}`
  }
  if (tripped === undefined) return ""
  const again = consecutiveOpenings > 1 ? `; ${Text.ordinal(consecutiveOpenings)} opening in a row` : ""
  return `${Text.reason(tripped.transition.reason)}${again}`
}

const glyphs: Readonly<Record<CircuitPhase | Health, readonly [glyph: string, colour: Text.Colour]>> = {
  Closed: ["─", "green"],
  Open: ["█", "red"],
  HalfOpen: ["▒", "yellow"],
  healthy: ["─", "green"],
  slow: ["≈", "yellow"],
  failing: ["×", "red"],
  down: ["█", "red"],
  recovering: ["÷", "yellow"]
}

/** A line of time, as much of it as has passed. */
const strip = (
  scene: Scene,
  paint: Text.Paint,
  at: (from: number, to: number) => CircuitPhase | Health
): string => {
  const span = Math.max(scene.lasts, scene.elapsed)
  const width = span / cells
  const past = Array.from({ length: Math.ceil(scene.elapsed / span * cells) }, (_, index) => {
    const [glyph, colour] = glyphs[at(index * width, (index + 1) * width)]
    return paint(colour, glyph)
  })
  return past.join("") + paint("dim", "·".repeat(Math.max(0, cells - past.length)))
}

/** A trial is often shorter than a cell, so it shows wherever it touches one. */
const phaseWithin = (changes: ReadonlyArray<{ readonly at: number; readonly transition: Transition }>) =>
(
  from: number,
  to: number
): CircuitPhase => {
  const before = changes.findLast(({ at }) => at < from)?.transition.to ?? "Closed"
  const within = changes.filter(({ at }) => at >= from && at < to).map(({ transition }) => transition.to)
  return within.includes("HalfOpen") ? "HalfOpen" : within.at(-1) ?? before
}

const counts = ({ failed, ignored, rejected, succeeded }: CallCounts, paint: Text.Paint): string =>
  `let through ${succeeded + failed + ignored}   ${paint(failed > 0 ? "red" : "dim", `failed ${failed}`)}   ${
    paint(rejected > 0 ? "yellow" : "dim", `rejected ${rejected}`)
  }`

const phase = ({ phase }: CircuitState, paint: Text.Paint): string =>
  paint(Text.phaseColour[phase], `● ${Text.phaseName[phase].padEnd(10)}`)

const block = (scene: Scene, circuit: CircuitState, paint: Text.Paint): ReadonlyArray<string> => {
  const script = scene.scripts[circuit.key]
  const label = (text: string) => paint("dim", ` ${text.padEnd(labelWidth)}`)
  const changes = transitionsOf(scene, circuit.key)
  return [
    ` ${paint("bold", `${circuit.key} `.padEnd(labelWidth))}${phase(circuit, paint)} ${outlook(circuit)}`,
    `${label("")}${background(scene, circuit)}`,
    ...(script === undefined ? [] : [
      `${label("upstream")}${strip(scene, paint, (from) => healthAt(script, from))}  ${healthAt(script, scene.elapsed)}`
    ]),
    `${label("circuit")}${strip(scene, paint, phaseWithin(changes))}  ${circuit.phase.toLowerCase()}`,
    `${label("calls")}${counts(circuit.counts, paint)}`,
    ""
  ]
}

const line = (circuit: CircuitState, paint: Text.Paint): string => {
  const fares = ` ${circuit.key.padEnd(32)}${phase(circuit, paint)} ${counts(circuit.counts, paint)}`
  return circuit.phase === "Closed" ? fares : `${fares}   ${outlook(circuit)}`
}

/** Those in trouble first: what does not fit on the screen is what needs no look. */
const byTrouble = (circuits: ReadonlyArray<CircuitState>): ReadonlyArray<CircuitState> => {
  const trouble = ({ counts, phase }: CircuitState) => phase === "Closed" ? counts.failed > 0 ? 1 : 2 : 0
  return [...circuits].sort((one, other) => trouble(one) - trouble(other))
}

const circuitLines = (scene: Scene, paint: Text.Paint, rows: number): ReadonlyArray<string> => {
  const blocks = scene.circuits.flatMap((circuit) => block(scene, circuit, paint))
  if (blocks.length <= rows) return blocks
  if (scene.circuits.length < rows) return [...circuits(scene, paint), ""]
  const shown = Math.max(0, rows - 2)
  return [
    ...byTrouble(scene.circuits).slice(0, shown).map((circuit) => line(circuit, paint)),
    paint("dim", ` and ${scene.circuits.length - shown} more`),
    ""
  ]
}

/** How each circuit stands, in a line each. */
export const circuits = (scene: Scene, paint: Text.Paint): ReadonlyArray<string> =>
  scene.circuits.map((circuit) => line(circuit, paint))

/** What is left of the screen when a run has ended: all of its news, without the numbers that its summary repeats. */
export const last = (scene: Scene, paint: Text.Paint): ReadonlyArray<string> => [
  ...scene.circuits.length > maxBlocks
    ? [...circuits(scene, paint), ""]
    : scene.circuits.flatMap((circuit) => block(scene, circuit, paint)),
  ...scene.news.map((item) => news(item, paint))
]

/** The whole screen, in at most so many rows and columns. */
export const frame = (scene: Scene, paint: Text.Paint, { columns, rows }: Size): ReadonlyArray<string> => {
  const over = scene.elapsed > scene.lasts
  const head = [
    ` ${paint("bold", "Reclose")}   ${Text.seconds(scene.elapsed)} of ${Text.seconds(scene.lasts)}${
      over ? ", waiting for the last answers" : ""
    }`,
    ""
  ]
  const standing = Summary.standing(scene.guarded, scene.unguarded, columns)
  const circuits = circuitLines(scene, paint, rows - head.length - standing.length - 3)
  const room = Math.max(0, rows - head.length - circuits.length - standing.length - 1)
  const latest = scene.news.slice(Math.max(0, scene.news.length - room)).map((item) => news(item, paint))
  return [...head, ...circuits, ...standing, "", ...latest].slice(0, rows).map((line) => Text.clip(line, columns))
}
