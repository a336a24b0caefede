/** Ways to break the sync, one at a time, to see that the simulation finds out. */
import { Effect } from "effect"
import { Exchange } from "../../src/sync/Exchange.ts"
import { Leasing } from "../../src/sync/Leasing.ts"
import { SharedCircuit } from "../../src/sync/SharedCircuit.ts"
import { StoreHealth } from "../../src/sync/StoreHealth.ts"
import { Sync } from "../../src/sync/Sync.ts"
import type { Disaster } from "./disasters.ts"
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

/** Has what a method returns changed before its caller gets it. */
const returning = (of: object, name: string, change: (returned: object, self: object) => unknown) =>
  replaced(of, name, (right) =>
    function(...args) {
      return change(Object(right(this, ...args)), Object(this))
    })

/** Writes another opening than the one that there is. */
const writing = (change: (phase: { readonly duration: number; readonly remaining: number }) => object) =>
  returning(SharedCircuit.prototype, "attempt", (record) => {
    const phase = Object(Reflect.get(record, "phase"))
    return phase._tag === "Open" ? { ...record, phase: { ...phase, ...change(phase) } } : record
  })

/** Each breaks something and returns how to mend it. They are found without any disaster. */
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

/** Each is found by the disasters that it names: some only by one seed in a hundred, and so from a seed near that on. */
export const disasterMutants: ReadonlyArray<
  readonly [fault: string, disasters: ReadonlyArray<Disaster>, breaking: () => () => void, from?: number]
> = [
  [
    "does not write again what the store has lost",
    ["loses"],
    returning(SharedCircuit.prototype, "standing", (standing, self) => {
      const seen = Object(Reflect.get(self, "seen"))
      return { ...standing, base: Math.min(Number(Reflect.get(standing, "base")), Number(seen.generation ?? 0)) }
    })
  ],
  [
    "believes an older override that the store holds again",
    ["rollsBack", "operates"],
    replaced(SharedCircuit.prototype, "see", (right) =>
      function(...args) {
        const [record] = args
        const act: unknown = Reflect.get(Object(record), "act")
        const result = right(this, ...args)
        if (act !== undefined) Reflect.set(Object(this), "act", act)
        return result
      })
  ],
  [
    "keeps an operator's act to itself",
    ["operates"],
    replaced(SharedCircuit.prototype, "steered", () => () => undefined)
  ],
  [
    "writes counts before it takes over an override",
    ["operates"],
    replaced(Exchange.prototype, "adoptOverride", () => () => undefined),
    395
  ],
  [
    "keeps a restored circuit to itself",
    ["restores"],
    returning(SharedCircuit.prototype, "successor", (next) => {
      Reflect.set(next, "overrules", false)
      Reflect.set(next, "isUnpublished", false)
      return next
    })
  ],
  [
    "counts again after an update what it had counted before",
    ["updates"],
    replaced(SharedCircuit.prototype, "recount", (right) =>
      function(before) {
        return right(this, before, Object.fromEntries(Object.entries(Object(before)).map(([name]) => [name, 0])))
      }),
    90
  ],
  [
    "begins an opening anew when the store's clock was set back",
    ["stepsClock"],
    returning(SharedCircuit.prototype, "standing", (standing) => {
      const circuit = Object(Reflect.get(standing, "circuit"))
      const { phase } = circuit
      return phase._tag === "Open"
        ? { ...standing, circuit: { ...circuit, phase: { ...phase, until: Number.POSITIVE_INFINITY } } }
        : standing
    })
  ],
  [
    "takes an answered read for a recovery",
    ["readsOnly"],
    replaced(Exchange.prototype, "answered", (right) =>
      function(entry, shared, _operation, ...args) {
        Reflect.set(Object(shared), "readFailed", false)
        return right(this, entry, shared, "replace", ...args)
      })
  ],
  [
    "writes again as soon as it has read",
    ["readsOnly"],
    replaced(StoreHealth.prototype, "delay", () => () => 1)
  ],
  [
    "reads anew for each message that it does not understand",
    ["garbles"],
    replaced(Sync.prototype, "missed", (right) =>
      function(...args) {
        Reflect.set(Object(this), "isRefreshDue", false)
        Reflect.set(Object(this), "missedAt", Number.NEGATIVE_INFINITY)
        return right(this, ...args)
      })
  ],
  [
    "rounds the end of an opening up to a second",
    ["fractions"],
    writing(({ remaining }) => ({ remaining: 1000 * Math.ceil(remaining / 1000) }))
  ],
  [
    "has every opening last as long as the policy allows",
    ["jitters"],
    writing(() => ({ duration: 10_000, remaining: 10_000 }))
  ]
]
