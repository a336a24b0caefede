/** Ways to break the sync, one at a time, to see that the simulation finds out. */
import { Effect } from "effect"
import { Leasing } from "../../src/sync/Leasing.ts"
import { SharedCircuit } from "../../src/sync/SharedCircuit.ts"
import { Sync } from "../../src/sync/Sync.ts"
import { FleetStore } from "./FleetStore.ts"

type Method = (this: unknown, ...args: ReadonlyArray<unknown>) => unknown

/** Replaces a method, private or not, by one that knows the right one. Answers how to undo it. */
const replaced = (of: object, name: string, broken: (right: Method) => Method) => () => {
  const right: unknown = Reflect.get(of, name)
  if (typeof right !== "function") throw new Error(`there is no ${name} to break`)
  Reflect.set(of, name, broken((...args) => Reflect.apply(right, args[0], args.slice(1))))
  return () => {
    Reflect.set(of, name, right)
  }
}

/** Each breaks something and answers how to mend it. */
export const mutants: ReadonlyArray<readonly [fault: string, breaking: () => () => void]> = [
  [
    "takes no notice of a later generation",
    replaced(SharedCircuit.prototype, "standing", (right) =>
      function(...args) {
        const standing = Object(right(this, ...args))
        const seen: unknown = Reflect.get(Object(this), "seen")
        const generation = Number(Reflect.get(Object(seen), "generation") ?? 0)
        return { ...standing, base: Math.max(standing.base, generation) }
      })
  ],
  [
    "does not look for its own writes whose answers were lost",
    replaced(SharedCircuit.prototype, "see", (right) =>
      function(...args) {
        const [record] = args
        const attempts: unknown = Reflect.get(Object(this), "attempts")
        const latest = Array.isArray(attempts) ? attempts.at(-1) : undefined
        const writers: unknown = Reflect.get(Object(record), "writers")
        const wrote = Array.isArray(writers) ? writers.at(-1) : undefined
        // Only an answer that came in time tells.
        Reflect.set(Object(this), "attempts", wrote?.[1] === latest?.write && latest !== undefined ? [latest] : [])
        return right(this, ...args)
      })
  ],
  [
    "tells again what it has told",
    replaced(SharedCircuit.prototype, "told", () => () => undefined)
  ],
  [
    "probes without asking",
    replaced(Leasing.prototype, "lease", () => () => Effect.succeed(undefined))
  ],
  [
    "does not tell of changes of phase",
    replaced(SharedCircuit.prototype, "changedPhase", () => () => undefined)
  ],
  [
    "never asks again",
    replaced(Sync.prototype, "askAnew", () => () => undefined)
  ],
  [
    "writes over whatever the store holds",
    replaced(FleetStore.prototype, "replace", (right) =>
      function(_seen, ...args) {
        return right(this, Reflect.get(Object(this), "record"), ...args)
      })
  ]
]
