import { PerformanceObserver } from "node:perf_hooks"
import { setImmediate as nextTurn } from "node:timers/promises"
import { print } from "./child.ts"
import { bytesInUse } from "./heap.ts"
import { keyedSubject } from "./keyed.ts"
import type { Loop } from "./loops.ts"

const [, , name, way, warmUpCalls, sampleCount] = process.argv
const subject = await keyedSubject(name)
const guarded = way === "prepared" ? subject.prepared : subject.guarded(["key-0"])
const calls = 20_000

let collections = 0
new PerformanceObserver((list) => {
  collections += list.getEntries().length
}).observe({ entryTypes: ["gc"] })

// No collection is asked for between samples: it would throw optimized code away, and interpreted code allocates more.
const bytesPerCall = async (loop: Loop): Promise<number> => {
  for (let attempt = 0; attempt < 20; attempt++) {
    const seen = collections
    const before = bytesInUse()
    await loop(calls)
    const after = bytesInUse()
    // Collections are reported in a later turn of the event loop.
    await nextTurn()
    await nextTurn()
    if (collections === seen) return (after - before) / calls
  }
  throw new Error("garbage was collected during every sample: the young generation is too small")
}

// Code that has been optimized allocates less than code that has not.
await guarded(Number(warmUpCalls))
await subject.bare(Number(warmUpCalls))
await bytesPerCall(guarded)
await bytesPerCall(subject.bare)

const samples: Array<number> = []
for (let sample = 0; sample < Number(sampleCount); sample++) {
  samples.push(await bytesPerCall(guarded) - await bytesPerCall(subject.bare))
}
print(samples)
process.exit(0)
