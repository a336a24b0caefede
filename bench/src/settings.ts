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
  readonly shared: {
    /** How many keys are used for the first time. */
    readonly keys: number
    /** How many circuits open, and over how long: where changes are pushed, and where they are asked for. */
    readonly openings: number
    readonly pushedMillis: number
    readonly polledMillis: number
    readonly commands: { readonly parts: number; readonly partMillis: number }
    readonly downMillis: number
  }
  /** How many containers are started of each worker, and how often each is called. */
  readonly worker: { readonly rounds: number; readonly warmCalls: number }
}

const full: Settings = {
  quick: false,
  rounds: 400,
  batchMillis: 4,
  warmUpMillis: 15_000,
  memory: { keys: 100_000, runs: 3 },
  allocation: { warmUpCalls: 100_000, samples: 15 },
  shared: {
    keys: 2_000,
    openings: 100,
    pushedMillis: 3_000,
    polledMillis: 8_000,
    commands: { parts: 8, partMillis: 1_000 },
    downMillis: 6_000
  },
  worker: { rounds: 25, warmCalls: 30 }
}

const short: Settings = {
  quick: true,
  rounds: 8,
  batchMillis: 1,
  warmUpMillis: 1_000,
  memory: { keys: 4_000, runs: 1 },
  allocation: { warmUpCalls: 5_000, samples: 3 },
  shared: {
    keys: 100,
    openings: 20,
    pushedMillis: 300,
    polledMillis: 2_000,
    commands: { parts: 3, partMillis: 250 },
    downMillis: 800
  },
  worker: { rounds: 2, warmCalls: 5 }
}

export const settings: Settings = process.env["RECLOSE_BENCH_QUICK"] === "1" ? short : full
