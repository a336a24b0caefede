/** How much to measure. A quick run proves that everything runs to its end; its numbers mean little. */
export interface Settings {
  readonly quick: boolean
  readonly rounds: number
  /** How long one subject runs in one round, in milliseconds. */
  readonly batchMillis: number
  readonly warmUpMillis: number
  readonly memory: {
    readonly keys: number
    /** How often our own figure is taken; a peer's, which decides nothing, is taken once. */
    readonly runs: number
  }
  readonly allocation: { readonly warmUpCalls: number; readonly samples: number }
}

const full: Settings = {
  quick: false,
  rounds: 400,
  batchMillis: 4,
  warmUpMillis: 15_000,
  memory: { keys: 100_000, runs: 3 },
  allocation: { warmUpCalls: 100_000, samples: 15 }
}

const short: Settings = {
  quick: true,
  rounds: 8,
  batchMillis: 1,
  warmUpMillis: 1_000,
  memory: { keys: 4_000, runs: 1 },
  allocation: { warmUpCalls: 5_000, samples: 3 }
}

export const settings: Settings = process.env["RECLOSE_BENCH_QUICK"] === "1" ? short : full
