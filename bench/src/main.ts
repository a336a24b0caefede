import { writeFileSync } from "node:fs"
import { measureAllocation } from "./allocation.ts"
import { measureBundles } from "./bundle.ts"
import { machine } from "./machine.ts"
import { measure } from "./measure.ts"
import { measureMemory } from "./memory.ts"
import { absolute, aside, promised } from "./report.ts"
import { bundleResult, byteResult, ratioResults, type Result, sideResults } from "./results.ts"
import { settings } from "./settings.ts"
import { median, quantile } from "./statistics.ts"
import { makeTasks } from "./tasks.ts"

const progress = (line: string) => process.stderr.write(`${line}\n`)

progress(`timing: ${settings.rounds} rounds${settings.quick ? ", a quick run: its figures mean little" : ""}`)
const tasks = await makeTasks()
const timings = await measure(tasks, settings)
for (const task of tasks) task.close?.()

// Nothing is timed from here on.
progress("weighing: memory, allocation, bundles")
const memory = await measureMemory(settings)
const allocation = await measureAllocation(settings)
const bundles = await measureBundles()

const results: Record<string, Result> = {
  ...ratioResults(timings),
  "memory.perKey": byteResult(memory, "reclose", 700),
  "alloc.perCall": byteResult(allocation, "reclose.prepared", 400),
  "bundle.gzip": bundleResult(bundles)
}
const information = sideResults(timings)
const facts = machine()
const command = settings.quick ? "RECLOSE_BENCH_QUICK=1 pnpm bench" : "pnpm bench"
const { batchMillis, rounds } = settings

console.log(`${facts.cpu}, ${facts.cores} cores, ${facts.platform}, Node ${facts.node}, effect ${facts.effect}`)
console.log(`${command}: one process, ${rounds} interleaved rounds of ${batchMillis} ms per subject\n`)
console.log(promised(results), "\n")
console.log(aside(information), "\n")
console.log(absolute(timings))

// A quick run must not overwrite what a full one found.
const file = new URL(settings.quick ? "../results.quick.json" : "../results.json", import.meta.url)
const perCall = Object.fromEntries(
  [...timings].map(([name, samples]) => [name, {
    median: median(samples),
    p10: quantile(samples, 0.1),
    p90: quantile(samples, 0.9)
  }])
)
const written = {
  command,
  machine: facts,
  method: { rounds, batchMillis },
  results,
  information,
  nanosPerCall: perCall
}
// Six digits say more than the spread allows already.
const rounded = (_: string, value: unknown) => typeof value === "number" ? Number(value.toPrecision(6)) : value
writeFileSync(file, `${JSON.stringify(written, rounded, 2)}\n`)

// Some libraries keep timers; there is nothing left to wait for.
process.exit(0)
