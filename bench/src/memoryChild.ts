import { print } from "./child.ts"
import { bytesInUse, collectGarbage } from "./heap.ts"
import { keyedSubject } from "./keyed.ts"

const [, , name, keyCount, callsPerKey] = process.argv
const subject = await keyedSubject(name)

// The keys belong to the program, not to the breaker; and code compiled for the first calls is no cost per key.
const keys = Array.from({ length: Number(keyCount) }, (_, index) => `key-${index}`)
await subject.guarded(["warm-up"])(5_000)
const calls = subject.guarded(keys)

collectGarbage()
const before = bytesInUse()
await calls(keys.length * Number(callsPerKey))
collectGarbage()
const after = bytesInUse()

// One more round of calls, so that nothing above could have been collected as unused.
await calls(keys.length)
print([(after - before) / keys.length])
process.exit(0)
