/**
 * Plays many seeds of the fleet simulation on all cores, and says which promises are broken.
 *
 * `RECLOSE_SEED` is the first seed, 1 by default; `RECLOSE_RUNS` says how many there are, 10,000 by default;
 * `RECLOSE_CORES` on how many cores they run.
 */
import { writeSync } from "node:fs"
import { availableParallelism } from "node:os"
import { isMainThread, Worker, workerData } from "node:worker_threads"

const every = 1000

const setting = (name: string, usual: number): number => Number(process.env[name] ?? usual)

interface Part {
  readonly from: number
  readonly runs: number
  /** How many seeds all threads have played, and how many of them broke a promise. */
  readonly counters: Int32Array
}

/** Plays the seeds of one thread. */
const playPart = async ({ counters, from, runs }: Part): Promise<void> => {
  // Effect captures Node's async context for each fiber, if it finds it. Nothing here reads that, and it costs a twentieth.
  Reflect.set(process, "getBuiltinModule", undefined)
  const { play } = await import("../packages/core/test/fleet/play.ts")
  const { scenarioOf } = await import("../packages/core/test/fleet/scenario.ts")
  for (let seed = from; seed < from + runs; seed++) {
    const problem = play(scenarioOf(seed))
    Atomics.add(counters, 0, 1)
    if (problem === undefined) continue
    Atomics.add(counters, 1, 1)
    // A thread that never waits would keep what it logs to itself.
    writeSync(1, `RECLOSE_SEED=${seed}: ${problem}\n`)
  }
}

const playAll = (): void => {
  const first = setting("RECLOSE_SEED", 1)
  const runs = setting("RECLOSE_RUNS", 10_000)
  const cores = Math.min(setting("RECLOSE_CORES", availableParallelism()), runs)
  const counters = new Int32Array(new SharedArrayBuffer(8))
  const began = performance.now()
  const report = (): void => {
    const [played = 0, broken = 0] = counters
    const rate = played / (performance.now() - began) * 1000
    console.log(`${played} seeds from ${first} on, ${broken} broke a promise, ${rate.toFixed(1)} a second`)
    if (broken > 0) process.exitCode = 1
  }
  let next = every
  const watching = setInterval(() => {
    if ((counters[0] ?? 0) < next) return
    next += every
    report()
  }, 1000)
  let left = cores
  for (let core = 0; core < cores; core++) {
    const from = first + Math.floor(runs * core / cores)
    const part: Part = { from, runs: first + Math.floor(runs * (core + 1) / cores) - from, counters }
    // Most of what a seed allocates is garbage soon.
    const options = { workerData: part, resourceLimits: { maxYoungGenerationSizeMb: 64 } }
    const worker = new Worker(new URL(import.meta.url), options)
    worker.on("exit", () => {
      if (--left > 0) return
      clearInterval(watching)
      report()
    })
  }
}

if (isMainThread) playAll()
// Set by `playAll` alone.
else await playPart(workerData as Part)
