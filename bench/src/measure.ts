import type { Loop } from "./loops.ts"
import type { Settings } from "./settings.ts"

/** Something to time. */
export interface Task {
  readonly name: string
  readonly run: Loop
  /** How many calls ended the way this task promises; a circuit that opened by accident would look wonderfully fast. */
  readonly proofs: () => number
  /** Calls come in multiples of this. */
  readonly unit?: number
  readonly close?: () => void
}

/** Nanoseconds per call, one figure per round, by the name of the task. */
export type Timings = ReadonlyMap<string, ReadonlyArray<number>>

const time = async (task: Task, calls: number): Promise<number> => {
  const proofs = task.proofs()
  const start = process.hrtime.bigint()
  await task.run(calls)
  const nanos = Number(process.hrtime.bigint() - start)
  const proven = task.proofs() - proofs
  if (proven !== calls) throw new Error(`${task.name}: ${proven} of ${calls} calls ended as they should`)
  return nanos / calls
}

const wholeUnits = (task: Task, calls: number): number => {
  const unit = task.unit ?? 1
  return Math.max(1, Math.ceil(calls / unit)) * unit
}

// Numerical Recipes' generator: the order of a round has to vary, not to be secret, and must be the same in every run.
const shuffler = () => {
  let seed = 1
  return <A>(items: ReadonlyArray<A>): ReadonlyArray<A> =>
    items
      .map((item) => {
        seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
        return { item, rank: seed }
      })
      .toSorted((left, right) => left.rank - right.rank)
      .map(({ item }) => item)
}

/**
 * Measures every task in every round, in one process.
 *
 * What a call costs depends on how many shapes the process has seen: compiled code that met one subject only is faster
 * than the same code after it met ten. So all of them warm up in turns before anything is recorded, and none is ever
 * measured alone. The order changes from round to round, so that nobody always inherits the same neighbour's garbage.
 */
export const measure = async (tasks: ReadonlyArray<Task>, settings: Settings): Promise<Timings> => {
  const batchNanos = settings.batchMillis * 1e6
  const calls = new Map<string, number>(tasks.map((task) => [task.name, wholeUnits(task, 100)]))
  const callsOf = (task: Task) => calls.get(task.name) ?? 1
  const shuffle = shuffler()

  const warmUpEnd = process.hrtime.bigint() + BigInt(settings.warmUpMillis) * 1_000_000n
  do {
    for (const task of shuffle(tasks)) {
      const nanos = await time(task, callsOf(task))
      calls.set(task.name, wholeUnits(task, batchNanos / nanos))
    }
  } while (process.hrtime.bigint() < warmUpEnd)

  const timings = new Map<string, Array<number>>(tasks.map((task) => [task.name, []]))
  for (let round = 0; round < settings.rounds; round++) {
    for (const task of shuffle(tasks)) {
      timings.get(task.name)?.push(await time(task, callsOf(task)))
    }
  }
  return timings
}
