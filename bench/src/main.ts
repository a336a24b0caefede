import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { writeFileSync } from "node:fs"
import { measureAllocation } from "./allocation.ts"
import { measureBundles } from "./bundle.ts"
import { httpRows, httpSideRows, makeHttpTasks } from "./http/tasks.ts"
import { machine } from "./machine.ts"
import { measure } from "./measure.ts"
import { measureMemory } from "./memory.ts"
import { absolute, aside, promised } from "./report.ts"
import { byteResult, ratioResults, type Result, sideResults, sizeResult } from "./results.ts"
import { rows, sideRows } from "./rows.ts"
import { settings } from "./settings.ts"
import { openBackends } from "./shared/backends.ts"
import { measureShared } from "./shared/measure.ts"
import { makeSharedTasks, sharedRows } from "./shared/tasks.ts"
import { median, quantile } from "./statistics.ts"
import { makeTasks } from "./tasks.ts"
import { measureWorker } from "./worker.ts"

const progress = (line: string) => process.stderr.write(`${line}\n`)

progress(`timing: ${settings.rounds} rounds${settings.quick ? ", a quick run: its figures mean little" : ""}`)
const tasks = await makeTasks()
const own = await measure(tasks, settings)
for (const task of tasks) task.close?.()

// In rounds of their own: what talks to a server leaves no cache warm for its neighbours.
progress("timing: requests over loopback")
const http = Scope.makeUnsafe()
const httpTasks = await Effect.runPromise(Scope.provide(makeHttpTasks, http))
const httpTimings = await measure(httpTasks, settings)
await Effect.runPromise(Scope.close(http, Exit.void))

progress("timing: with a store behind the calls")
const servers = Scope.makeUnsafe()
const backends = await Effect.runPromise(Scope.provide(openBackends, servers))
for (const reason of backends.leftOut) progress(`left out: ${reason}`)
const breakers = Scope.makeUnsafe()
const sharedTasks = await Effect.runPromise(Scope.provide(makeSharedTasks(backends), breakers))
const timings = new Map([...own, ...httpTimings, ...await measure(sharedTasks, settings)])
await Effect.runPromise(Scope.close(breakers, Exit.void))

progress("shared state: commands, learning, first uses, a store that is down")
const shared = await Effect.runPromise(measureShared(backends, settings))
await Effect.runPromise(Scope.close(servers, Exit.void))

progress("a worker in Lambda's place: cold and warm containers")
const worker = await Effect.runPromise(measureWorker(settings.worker))

// Nothing is timed from here on.
progress("weighing: memory, allocation, bundles")
const memory = await measureMemory(settings)
const allocation = await measureAllocation(settings)
const { reclose: bundle, ...bundles } = await measureBundles()

const results: Record<string, Result> = {
  ...ratioResults(timings, [...rows, ...httpRows, ...sharedRows(backends)]),
  ...shared,
  "memory.perKey": byteResult(memory, "reclose", 700),
  "alloc.perCall": byteResult(allocation, "reclose.prepared", 400),
  "bundle.gzip": { ...sizeResult(bundle, 30, bundles), aim: 18 },
  ...worker
}
const information = sideResults(timings, [...sideRows, ...httpSideRows])
const facts = { ...machine(), ...backends.versions }
const command = settings.quick ? "RECLOSE_BENCH_QUICK=1 pnpm bench" : "pnpm bench"
const { batchMillis, rounds } = settings

console.log(`${facts.cpu}, ${facts.cores} cores, ${facts.platform}, Node ${facts.node}, effect ${facts.effect}`)
console.log(`${command}: one process, ${rounds} interleaved rounds of ${batchMillis} ms per subject\n`)
console.log(promised(results), "\n")
for (const reason of backends.leftOut) console.log(`Left out: ${reason}.\n`)
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
  leftOut: backends.leftOut,
  information,
  nanosPerCall: perCall
}
// Six digits say more than the spread allows already.
const rounded = (_: string, value: unknown) => typeof value === "number" ? Number(value.toPrecision(6)) : value
writeFileSync(file, `${JSON.stringify(written, rounded, 2)}\n`)

// Some libraries keep timers; there is nothing left to wait for.
process.exit(0)
