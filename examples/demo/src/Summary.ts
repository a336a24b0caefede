/**
 * What a run amounts to, with and without a breaker: plain arithmetic over the calls.
 */
import * as Text from "./Text.ts"
import type { Call } from "./Traffic.ts"
import type { Script } from "./Upstream.ts"

/** The calls of one side in numbers. Times are in milliseconds. */
export interface Totals {
  readonly answered: number
  /** Answered with a 4xx. */
  readonly refused: number
  readonly failed: number
  readonly rejected: number
  /** What all callers together have waited. */
  readonly waited: number
  /** What they waited for calls that failed. */
  readonly wasted: number
  /** How many calls failed in which way, the most frequent first. */
  readonly failures: ReadonlyArray<readonly [why: string, calls: number]>
}

export const totals = (calls: Iterable<Call>): Totals => {
  const ends = { Answered: 0, Refused: 0, Failed: 0, Rejected: 0 }
  const failures = new Map<string, number>()
  let waited = 0
  let wasted = 0
  for (const { end, from, to } of calls) {
    ends[end._tag]++
    waited += to - from
    if (end._tag !== "Failed") continue
    wasted += to - from
    failures.set(end.why, (failures.get(end.why) ?? 0) + 1)
  }
  return {
    answered: ends.Answered,
    refused: ends.Refused,
    failed: ends.Failed,
    rejected: ends.Rejected,
    waited,
    wasted,
    failures: [...failures].sort((one, other) => other[1] - one[1])
  }
}

/** A recovery of an upstream and how long its callers had to wait for their own, in milliseconds. */
export interface Recovery {
  /** When the upstream was well again, from the start of the run. */
  readonly at: number
  readonly took: number
}

/**
 * The recoveries of an upstream that the run saw; `until` is when it ended. Each took until the end of the last call that
 * was made after it and failed or was rejected, before the upstream fell ill once more.
 */
export const recoveries = (calls: ReadonlyArray<Call>, script: Script, until: number): ReadonlyArray<Recovery> =>
  script.flatMap(({ from: well, health, to: ill }, index) => {
    const before = script[index - 1]
    if (health !== "healthy" || before === undefined || before.health === "healthy" || until < well) return []
    const wrong = calls.filter(({ end, from }) =>
      (end._tag === "Failed" || end._tag === "Rejected") && from >= well && from < ill
    )
    return [{ at: well, took: wrong.reduce((last, { to }) => Math.max(last, to - well), 0) }]
  })

/** One side of the comparison. */
export interface Side {
  readonly calls: ReadonlyArray<Call>
  /** How many requests the upstreams received while they were sick, if that is known. */
  readonly receivedWhileSick: number | undefined
}

export interface Comparison {
  readonly guarded: Side
  readonly unguarded: Side | undefined
  readonly scripts: Readonly<Record<string, Script>>
  /** When the run ended, in milliseconds. */
  readonly until: number
}

type Row = readonly [label: string, guarded: string, unguarded: string]

const numberWidth = 14
const labelWidth = 48

/** The rows in so many columns. A label that needs more room goes on in the next line, which has the numbers. */
const table = (rows: ReadonlyArray<Row>, compared: boolean, columns: number): ReadonlyArray<string> => {
  const room = columns - 1 - numberWidth * (compared ? 2 : 1)
  const width = Math.min(labelWidth, Math.max(numberWidth, room))
  return rows.flatMap(([label, guarded, unguarded]) => {
    const lines = wrap(label, width)
    const numbers = guarded.padStart(numberWidth) + (compared ? unguarded.padStart(numberWidth) : "")
    return lines.map((line, i) => ` ${i === lines.length - 1 ? line.padEnd(width) + numbers : line}`)
  })
}

/** Breaks a label between words; each further line is indented. */
const wrap = (label: string, width: number): ReadonlyArray<string> => {
  const indent = /^ */.exec(label)?.[0] ?? ""
  return label.trimStart().split(" ").reduce<Array<string>>((lines, word) => {
    const line = lines.at(-1)
    if (line === undefined) return [indent + word]
    const longer = `${line} ${word}`
    return longer.length > width ? [...lines, `${indent}  ${word}`] : [...lines.slice(0, -1), longer]
  }, [])
}

const row = (label: string, sides: ReadonlyArray<string | number | undefined>): ReadonlyArray<Row> =>
  sides[0] === undefined ? [] : [[label, `${sides[0]}`, `${sides[1] ?? ""}`]]

/** The few numbers that are worth watching while a run is on. */
export const standing = (
  guarded: Totals,
  unguarded: Totals | undefined,
  columns: number
): ReadonlyArray<string> => {
  const sides = unguarded === undefined ? [guarded] : [guarded, unguarded]
  return table(
    [
      ["so far", unguarded === undefined ? "" : "with Reclose", "without"],
      ...row("answered", sides.map(({ answered, refused }) => answered + refused)),
      ...row("failed", sides.map(({ failed }) => failed)),
      ...row("rejected at once", sides.map(({ rejected }) => rejected)),
      ...row("callers waited for calls that failed", sides.map(({ wasted }) => Text.seconds(wasted)))
    ],
    unguarded !== undefined,
    columns
  )
}

const failureRows = (sides: ReadonlyArray<Totals>): ReadonlyArray<Row> =>
  [...new Set(sides.flatMap(({ failures }) => failures.map(([why]) => why)))].flatMap((why) =>
    row(`  ${why}`, sides.map(({ failures }) => failures.find(([other]) => other === why)?.[1] ?? 0))
  )

/** The end of a run: one table, and what it says. */
export const summary = (
  { guarded, scripts, unguarded, until }: Comparison,
  columns: number
): ReadonlyArray<string> => {
  const sides = unguarded === undefined ? [guarded] : [guarded, unguarded]
  const all = sides.map(({ calls }) => totals(calls))
  const recovered = Object.entries(scripts).flatMap(([key, script]) => {
    const perSide = sides.map(({ calls }) => recoveries(calls.filter((call) => call.key === key), script, until))
    return (perSide[0] ?? []).flatMap(({ at }, nth) =>
      row(
        `${key} was well at ${Text.seconds(at)}: served again after`,
        perSide.map((recoveries) => Text.seconds(recoveries[nth]?.took ?? 0))
      )
    )
  })
  const refused = all.some(({ refused }) => refused > 0)
  const [ours, theirs] = all
  return [
    ...table(
      [
        ...(unguarded === undefined ? [] : row("", ["with Reclose", "without"])),
        ...row("calls", sides.map(({ calls }) => calls.length)),
        ...row("answered", all.map(({ answered }) => answered)),
        ...(refused ? row("answered that the request is wrong (4xx)", all.map(({ refused }) => refused)) : []),
        ...row("failed", all.map(({ failed }) => failed)),
        ...failureRows(all),
        ...row("rejected at once", all.map(({ rejected }) => rejected)),
        ...row("requests that a sick upstream had to bear", sides.map(({ receivedWhileSick }) => receivedWhileSick)),
        ...row("callers waited, all together", all.map(({ waited }) => Text.seconds(waited))),
        ...row("  of that for calls that failed", all.map(({ wasted }) => Text.seconds(wasted))),
        ...recovered
      ],
      unguarded !== undefined,
      columns
    ),
    ...(ours === undefined || theirs === undefined ? [] : ["", ...verdict(ours, theirs)])
  ]
}

/** Says what the breaker was good for, and what it cost. */
const verdict = (ours: Totals, theirs: Totals): ReadonlyArray<string> => {
  const spared = theirs.failed - ours.failed
  const saved = Text.seconds(theirs.wasted - ours.wasted)
  const lost = theirs.answered - ours.answered
  return [
    spared > 0
      ? ` The breaker spared its callers ${spared} failures and ${saved} of waiting for them.`
      : " The breaker spared its callers nothing: too little failed.",
    ...(lost > 0
      ? [
        ` It cost them ${lost} answers: a sick upstream still gives a few, and one that is`,
        " well again gives none until a probe finds out."
      ]
      : [])
  ]
}
