/**
 * Plays many seeds of the fleet simulation on all cores, and says which promises are broken.
 *
 * `RECLOSE_SEED` is the first seed, 1 by default; `RECLOSE_RUNS` says how many there are, 10,000 by default;
 * `RECLOSE_CORES` on how many cores they run.
 */
import { availableParallelism } from "node:os"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"

const every = 500

const setting = (name: string, usual: number): number => Number(process.env[name] ?? usual)

interface Part {
  readonly from: number
  readonly runs: number
}

/** Plays the seeds of one thread, and reports each broken promise and now and then how many seeds there were. */
const playPart = async ({ from, runs }: Part): Promise<void> => {
  // Effect captures Node's async context for each fiber, if it finds it. Nothing here reads that, and it costs a twentieth.
  Reflect.set(process, "getBuiltinModule", undefined)
  const { play, scenarioOf } = await import("../packages/core/test/fleet/scenario.ts")
  let played = 0
  for (let seed = from; seed < from + runs; seed++) {
    const problem = play(scenarioOf(seed))
    if (problem !== undefined) parentPort?.postMessage({ played: 0, problem: `RECLOSE_SEED=${seed}: ${problem}` })
    if (++played % every === 0) parentPort?.postMessage({ played: every, problem: undefined })
  }
  parentPort?.postMessage({ played: played % every, problem: undefined })
}

const playAll = (): void => {
  const first = setting("RECLOSE_SEED", 1)
  const runs = setting("RECLOSE_RUNS", 10_000)
  const cores = Math.min(setting("RECLOSE_CORES", availableParallelism()), runs)
  const began = performance.now()
  let played = 0
  let broken = 0
  const report = (): void => {
    const rate = played / (performance.now() - began) * 1000
    console.log(`${played} seeds from ${first} on, ${broken} broke a promise, ${rate.toFixed(1)} a second`)
  }
  for (let core = 0; core < cores; core++) {
    const from = first + Math.floor(runs * core / cores)
    const part: Part = { from, runs: first + Math.floor(runs * (core + 1) / cores) - from }
    const worker = new Worker(new URL(import.meta.url), {
      workerData: part,
      // Most of what a seed allocates is garbage soon.
      resourceLimits: { maxYoungGenerationSizeMb: 64 }
    })
    worker.on("message", (message: { readonly played: number; readonly problem: string | undefined }) => {
      played += message.played
      if (message.problem !== undefined) {
        broken++
        process.exitCode = 1
        console.log(message.problem)
      } else report()
    })
  }
}

if (isMainThread) playAll()
// Set by `playAll` alone.
else await playPart(workerData as Part)
