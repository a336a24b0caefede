/**
 * What a test and a process of its fleet tell each other, one line of JSON each: the test asks on stdin, the process
 * answers on stdout, and tells there of events as they happen.
 *
 * Moments are milliseconds since 1970, to the microsecond, and mean the same in all processes of a machine.
 */

/** One guarded call. */
export interface Order {
  readonly key: string
  readonly end: "Success" | "Failure"
  /** How long the call itself takes, in milliseconds. */
  readonly takes: number
  /** When to begin; at once unless set. */
  readonly at?: number
}

/** What a guarded call came to. */
export interface Called {
  readonly end: "Success" | "Failure" | "CircuitOpen" | "Strange"
  /** Whether the call itself began, or was rejected before it did. */
  readonly began: boolean
  /** Of a rejection: why. Of a strange end: what it was. */
  readonly why: string | undefined
  /** How long it took until the call began or was rejected, and when that was. */
  readonly decidedAfter: number
  readonly decidedAt: number
}

/** How a process knows a circuit. */
export interface Known {
  readonly phase: string
  readonly override: string
  /** In milliseconds. */
  readonly retryAfter: number
}

/** Many calls, one after the other, by many fibers until they are told to stop. */
export interface LoadOrder {
  readonly fibers: number
  /** Each key fails half of the time, for `spell` milliseconds in a row. Now and then a call uses a key of its own. */
  readonly keys: ReadonlyArray<string>
  readonly spell: number
}

export interface Percentiles {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface LoadReport {
  readonly calls: number
  readonly ends: Readonly<Record<string, number>>
  /** Ends that no guarded call may have, the first few. */
  readonly strange: ReadonlyArray<string>
  /** How long it took until a call began or was rejected, in milliseconds. */
  readonly decided: Percentiles
}

/** What can be asked of a process, and what it answers. */
export interface Protocol {
  readonly call: readonly [ask: Order, answer: Called]
  /** Calls again and again until one is rejected or one begins; answers that one. */
  readonly callUntil: readonly [ask: Order & { readonly until: "rejected" | "began" }, answer: Called]
  /** Calls that take no time and succeed if they are let through, one after the other; answers how many began. */
  readonly callOften: readonly [ask: { readonly key: string; readonly times: number }, answer: number]
  readonly steer: readonly [
    ask: { readonly key: string; readonly act: "forceOpen" | "disable" | "release" },
    answer: null
  ]
  readonly state: readonly [ask: { readonly key: string }, answer: Known]
  readonly flush: readonly [ask: null, answer: null]
  readonly startLoad: readonly [ask: LoadOrder, answer: null]
  readonly stopLoad: readonly [ask: null, answer: LoadReport]
}

export type Verb = keyof Protocol

/** An event of the breaker, as far as tests ask for it. */
export interface Told {
  readonly event: string
  readonly key: string
  /** Of a transition: the phase that it led to, and its reason. */
  readonly to?: string
  readonly why?: string
  /** Of a store's failure. */
  readonly operation?: string
  readonly cause?: {
    readonly tag: string
    readonly key: string
    readonly operation: string
    readonly reason: string
    readonly message: string
  }
}

/** What a process is started with: its policy, and where its store is. */
export interface Start<Where> {
  readonly policy: unknown
  readonly where: Where
}

export type Line =
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Told"; readonly told: Told }
  | { readonly _tag: "Answer"; readonly id: number; readonly answer: unknown }
  | { readonly _tag: "Defect"; readonly id: number; readonly message: string }

export const percentiles = (samples: ReadonlyArray<number>): Percentiles => {
  const sorted = [...samples].sort((one, other) => one - other)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

export const showPercentiles = ({ max, p50, p99 }: Percentiles): string =>
  `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`
