import { figuresOf } from "./child.ts"
import type { Settings } from "./settings.ts"
import { median, type Spread, spread } from "./statistics.ts"

/** Bytes that a key costs once it has seen its calls, or that a call costs. */
export interface Bytes {
  readonly bytes: number
  readonly spread: Spread
}

const callsPerKey = 100

// The heaviest peer keeps most of a gigabyte.
const flags = ["--expose-gc", "--max-old-space-size=4096"]

/** Each subject fills a heap of its own, two at a time: nothing here is timed. */
export const measureMemory = async ({ memory }: Settings): Promise<ReadonlyMap<string, Bytes>> => {
  const results = new Map<string, Bytes>()
  // The slowest first, so that the two ends meet.
  const jobs = ["effect", "opossum", "cockatiel", "recloseTime", "reclose"]
  const worker = async () => {
    for (let subject = jobs.shift(); subject !== undefined; subject = jobs.shift()) {
      const samples: Array<number> = []
      for (let run = 0; run < (subject === "reclose" ? memory.runs : 1); run++) {
        samples.push(...await figuresOf("memoryChild.ts", flags, [subject, `${memory.keys}`, `${callsPerKey}`]))
      }
      results.set(subject, { bytes: median(samples), spread: spread(samples) })
    }
  }
  await Promise.all([worker(), worker()])
  return results
}
