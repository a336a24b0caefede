/** Stores that are no compare-and-set register. */
import type { CircuitRecord } from "@reclose/core/CircuitRecord"
import { type Replaced } from "@reclose/core/CircuitStore"
import { Effect } from "effect"
import {
  additions,
  anyVersion,
  byVersion,
  evidence,
  fractions,
  large,
  largest,
  lazy,
  loses,
  losesBlind,
  losesGone,
  names,
  numbers,
  oneWins,
  overrides,
  phases,
  zero
} from "./cases.ts"
import { failed, type Flaw, rewritten, rounded } from "./World.ts"

export const registerFlaws: ReadonlyArray<Flaw> = [
  {
    name: "ignores the version",
    make: ({ held }, right) => ({ replace: (key, _, next) => right.replace(key, held.get(key), next) }),
    found: [loses, losesBlind, losesGone, zero, large, oneWins, additions]
  },
  {
    name: "answers success on conflict",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        Effect.map(
          right.replace(key, seen, next),
          (answer) => answer._tag === "Conflict" ? { ...answer.seen, _tag: "Replaced" } : answer
        )
    }),
    found: [loses, losesBlind, losesGone, oneWins, additions, names]
  },
  {
    name: "writes also on conflict",
    make: ({ held }, right) => ({
      replace: (key, seen, next) =>
        Effect.tap(right.replace(key, seen, next), () => Effect.sync(() => held.set(key, next)))
    }),
    found: [loses, losesBlind, losesGone, oneWins]
  },
  {
    name: "creates for whoever has seen what is gone",
    make: ({ held }, right) => ({
      replace: (key, seen, next) => right.replace(key, held.has(key) ? seen : undefined, next)
    }),
    found: [losesGone]
  },
  {
    name: "overwrites for whoever has seen nothing",
    make: ({ held }, right) => ({ replace: (key, seen, next) => right.replace(key, seen ?? held.get(key), next) }),
    found: [losesBlind, oneWins]
  },
  {
    name: "lets a version win that is ahead",
    make: ({ held }, right) => ({
      replace: (key, seen, next) => {
        const current = held.get(key)
        return right.replace(key, current && seen && seen.version > current.version ? current : seen, next)
      }
    }),
    found: [loses]
  },
  {
    name: "answers a stale record on conflict",
    make: ({ before }, right) => ({
      replace: (key, seen, next) =>
        Effect.map(
          right.replace(key, seen, next),
          (answer) =>
            answer._tag === "Conflict" && before.get(key) !== undefined
              ? { _tag: "Conflict", seen: { ...answer.seen, record: before.get(key) } }
              : answer
        )
    }),
    found: [loses, oneWins]
  },
  {
    name: "answers a stale record on conflict where many write",
    make: ({ before }, right) => ({
      replace: (key, seen, next) =>
        Effect.tap(
          Effect.map(right.replace(key, seen, next), (answer): Replaced =>
            answer._tag === "Conflict"
              ? { _tag: "Conflict", seen: { ...answer.seen, record: before.get(key) } }
              : answer),
          () => Effect.yieldNow
        )
    }),
    found: [additions]
  },
  {
    name: "answers no record on conflict",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        Effect.map(
          right.replace(key, seen, next),
          (answer) =>
            answer._tag === "Conflict" ? { _tag: "Conflict", seen: { ...answer.seen, record: undefined } } : answer
        )
    }),
    found: [loses, losesBlind, zero, large, oneWins, lazy, phases, overrides, evidence, numbers, largest]
  },
  {
    name: "reads and then writes, and is not alone",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        Effect.flatMap(right.read(key), (current) =>
          Effect.andThen(
            Effect.yieldNow,
            current.record?.version === seen?.version
              ? Effect.flatMap(
                right.read(key),
                (late) => right.replace(key, late.record, next)
              )
              : Effect.succeed<Replaced>({ _tag: "Conflict", seen: current })
          ))
    }),
    found: [oneWins, additions]
  },
  {
    name: "compares whole records",
    make: ({ held }, right) => ({
      replace: (key, seen, next) =>
        right.replace(
          key,
          JSON.stringify(seen) === JSON.stringify(held.get(key)) ? seen : { ...next, version: -1 },
          next
        )
    }),
    found: [byVersion]
  },
  {
    name: "insists on the next version",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        seen && next.version !== seen.version + 1
          ? Effect.fail(failed(key, "replace"))
          : right.replace(key, seen, next)
    }),
    found: [anyVersion]
  },
  {
    name: "takes version 0 for nothing",
    make: ({ held }, right) => ({
      replace: (key, seen, next) =>
        right.replace(key, seen ?? (held.get(key)?.version === 0 ? held.get(key) : seen), next)
    }),
    found: [zero]
  },
  {
    name: "compares versions as numbers of single precision",
    make: ({ held }, right) => ({
      replace: (key, seen, next) => {
        const current = held.get(key)
        const same = current && seen && Math.fround(current.version) === Math.fround(seen.version)
        return right.replace(key, same ? current : seen, next)
      }
    }),
    found: [large]
  },
  {
    name: "writes numbers with 14 digits",
    make: (_, right) => ({
      replace: (key, seen, next) => right.replace(key, seen, rounded(next, 14) as CircuitRecord)
    }),
    found: [large, numbers, largest]
  },
  {
    name: "writes whole milliseconds",
    make: rewritten((record) => ({ ...record, time: Math.floor(record.time) })),
    found: [fractions]
  },
  {
    name: "writes when the operation is made",
    make: (_, right) => ({
      replace: (key, seen, next) => Effect.exit(right.replace(key, seen, next)).pipe(Effect.runSync)
    }),
    found: [lazy]
  },
  {
    name: "reads once per operation that is made",
    make: (_, right) => ({ read: (key) => Effect.runSync(Effect.cached(right.read(key))) }),
    found: [lazy]
  }
]
