import { figuresOf } from "./child.ts"
import type { Bytes } from "./memory.ts"
import type { Settings } from "./settings.ts"
import { median, spread } from "./statistics.ts"

/**
 * Allocation is read off the heap's growth over some thousand calls. That is exact as long as nothing is collected in
 * between, so the child gets a young generation of half a gigabyte, which takes many samples to fill, and throws away
 * the sample during which it was full.
 */
const flags = ["--min-semi-space-size=512", "--max-semi-space-size=512"]

const subjects = [
  ["reclose", "prepared"],
  ["reclose", "anew"],
  ["recloseTime", "prepared"],
  ["effect", "prepared"],
  ["cockatiel", "prepared"],
  ["opossum", "prepared"]
] as const

/** What the guard adds to the bare loop; `anew` also counts putting the guard around the effect, call by call. */
export const measureAllocation = async ({ allocation }: Settings): Promise<ReadonlyMap<string, Bytes>> => {
  const results = new Map<string, Bytes>()
  for (const [subject, way] of subjects) {
    const args = [subject, way, `${allocation.warmUpCalls}`, `${allocation.samples}`]
    const samples = await figuresOf("allocationChild.ts", flags, args)
    results.set(`${subject}.${way}`, { bytes: median(samples), spread: spread(samples) })
  }
  return results
}
