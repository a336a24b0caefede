/** Every option of a policy: what it allows, its bounds, and mistakes of every kind. Written from the documentation. */
import { Duration } from "effect"

export interface Option {
  /** What is allowed, as the error says it. */
  readonly allowed: string
  /** The least and the most that are allowed, and other ways to write what is. */
  readonly valid: ReadonlyArray<unknown>
  /** A value that goes with any valid value of the other options. */
  readonly usual: unknown
  readonly mistakes: ReadonlyArray<unknown>
}

export type Options = Readonly<Record<string, Option>>

const notNumbers: ReadonlyArray<unknown> = ["", "3", "three", null, true, [], [1], {}, 3n, () => 3]

const whole = (least: number, most: number): Option => ({
  allowed: `a whole number from ${least.toLocaleString("en-US")} to ${most.toLocaleString("en-US")}`,
  valid: [least, most],
  usual: least,
  mistakes: [NaN, Infinity, -Infinity, -1, 0, least + 0.5, least - 1, most + 1, Number.MAX_VALUE, ...notNumbers]
})

const share = (options: { readonly zero: boolean }): Option => ({
  allowed: options.zero ? "a number from 0 to 1" : "a number above 0, at most 1",
  valid: [options.zero ? 0 : Number.MIN_VALUE, 0.5, 1],
  usual: 0.5,
  mistakes: [NaN, Infinity, -Infinity, -0.1, 1.000001, 50, ...(options.zero ? [] : [0, -0]), ...notNumbers]
})

const notDurations: ReadonlyArray<unknown> = [
  NaN,
  Infinity,
  -Infinity,
  -1,
  -1n,
  "",
  "soon",
  "5",
  "5 parsecs",
  "five seconds",
  "-5 seconds",
  "5 seconds ",
  "Infinity",
  null,
  true,
  [],
  [1],
  ["1", "2"],
  [NaN, 0],
  { seconds: NaN },
  { secnds: 5 },
  { seconds: 5, factor: 2 },
  Duration.infinity,
  () => "5 seconds"
]

const duration = (least: string, most: string, beyond: ReadonlyArray<unknown>): Option => ({
  allowed: `a duration from ${least} to ${most}, such as "30 seconds"`,
  valid: [
    least,
    most,
    "5 seconds",
    5_000,
    5_000_000_000n,
    [5, 0],
    { seconds: 5, minutes: undefined },
    Duration.seconds(5)
  ],
  usual: most,
  mistakes: [...beyond, ...notDurations]
})

const belowMilli = [0, 0.999, "0 millis", 0n, "999 micros", {}]
const aboveDay = [86_400_001, "25 hours", "86400001 millis"]

const age = duration("1 millis", "1 day", [...belowMilli, ...aboveDay])
const span = duration("10 millis", "1 day", [9.999, "9 millis", ...belowMilli, ...aboveDay])
const count = whole(1, 1_000_000)

const window: Option = {
  allowed: `${count.allowed} of calls, or ${span.allowed}`,
  valid: [1, 1_000_000, "10 millis", "1 day", { seconds: 5 }],
  usual: 1_000_000,
  mistakes: [0, 1.5, 1_000_001, "9 millis", "25 hours", 0n, {}, ...notDurations]
}

/** What a rate has, whatever it counts. */
const rate: Options = {
  threshold: share({ zero: false }),
  window,
  minimumCalls: { ...count, valid: [1, 100], usual: 1 }
}

/** The options of each rule. */
export const ruleOptions: Readonly<Record<string, Options>> = {
  Consecutive: { failures: count },
  Failures: { failures: count, window: span },
  FailureRate: rate,
  SlowCallRate: { slowerThan: age, ...rate },
  InFlightAge: { olderThan: age, calls: whole(1, 1_000) }
}

/** The options of a rule that has to have them. */
export const requiredOptions: Readonly<Record<string, ReadonlyArray<string>>> = {
  Consecutive: ["failures"],
  Failures: ["failures", "window"],
  SlowCallRate: ["slowerThan"],
  InFlightAge: ["olderThan"]
}

const probes = whole(1, 1_000)

export const halfOpenOptions: Options = {
  permits: probes,
  successThreshold: probes,
  failureThreshold: probes,
  maxDuration: age
}

/** The options of a key, but for those of its rule, its backoff and its trial. */
export const keyOptions = {
  openDuration: { ...age, allowed: `${age.allowed}, an object with initial and factor, or a Schedule` },
  maxOpenDuration: duration("1 millis", "7 days", [...belowMilli, "8 days", 604_800_001]),
  jitter: share({ zero: true }),
  warmUp: duration("0 millis", "1 day", aboveDay)
} satisfies Options

export const backoffOptions: Options = {
  initial: age,
  factor: {
    allowed: "a number of at least 1",
    valid: [1, 1.5, Number.MAX_VALUE],
    usual: 2,
    mistakes: [NaN, Infinity, -Infinity, -2, 0, 0.999, ...notNumbers]
  }
}

/** The options of a breaker as a whole. */
export const breakerOptions: Options = {
  maxKeys: whole(1, 10_000_000),
  idleTimeToLive: duration("1 second", "30 days", [0, 999, "999 millis", {}, "31 days", 2_592_000_001])
}
