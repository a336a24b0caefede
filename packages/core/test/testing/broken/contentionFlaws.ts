/** Stores that fail where many ask at once, or somebody goes away. */
import { Effect, Fiber, Semaphore } from "effect"
import { allWin, beside, interrupted, listsAll, manyReads } from "./cases.ts"
import { failed, type Flaw } from "./World.ts"

export const contentionFlaws: ReadonlyArray<Flaw> = [
  {
    name: "has one version for all keys",
    make: (world, right) => ({
      replace: (key, seen, next) =>
        Effect.flatMap(Effect.succeed(world.writes).pipe(Effect.tap(() => Effect.yieldNow)), (writes) => {
          if (writes !== world.writes) return Effect.map(right.read(key), (seen) => ({ _tag: "Conflict", seen }))
          world.writes++
          return right.replace(key, seen, next)
        })
    }),
    found: [allWin, manyReads, listsAll]
  },
  {
    name: "answers at most 500 reads at once",
    make: (world, right) => ({
      read: (key) =>
        Effect.suspend(() => {
          world.reading++
          const answer = world.reading > 500 ? Effect.fail(failed(key, "read")) : right.read(key)
          return Effect.andThen(Effect.yieldNow, answer).pipe(
            Effect.ensuring(Effect.sync(() => {
              world.reading--
            }))
          )
        })
    }),
    found: [manyReads]
  },
  {
    name: "answers one read with another's record, where many read at once",
    make: (world, right) => {
      let last = ""
      return {
        read: (key) =>
          Effect.suspend(() => {
            world.reading++
            last = key
            return Effect.andThen(Effect.yieldNow, Effect.suspend(() => right.read(world.reading > 1 ? last : key)))
              .pipe(
                Effect.ensuring(Effect.sync(() => {
                  world.reading--
                }))
              )
          })
      }
    },
    found: [manyReads]
  },
  {
    name: "keeps its lock when it is interrupted",
    make: ({ lock }, right) => ({
      replace: (key, seen, next) =>
        Effect.gen(function*() {
          yield* Semaphore.take(lock, 1)
          yield* Effect.yieldNow
          const answer = yield* right.replace(key, seen, next)
          yield* Semaphore.release(lock, 1)
          return answer
        })
    }),
    found: [interrupted]
  },
  {
    name: "is between two records when it is interrupted",
    make: ({ held }, right) => ({
      replace: (key, seen, next) =>
        Effect.gen(function*() {
          const current = held.get(key)
          if (current?.version !== seen?.version) return yield* right.replace(key, seen, next)
          held.set(key, { ...next, version: next.version + 100 })
          yield* Effect.yieldNow
          held.set(key, current ?? next)
          return yield* right.replace(key, seen, next)
        })
    }),
    found: [interrupted]
  },
  {
    name: "fails all reads of a batch when one is interrupted",
    make: (_, right) => {
      let batch: Fiber.Fiber<void> | undefined
      return {
        read: (key) =>
          Effect.gen(function*() {
            batch ??= yield* Effect.forkDetach(Effect.andThen(Effect.yieldNow, Effect.yieldNow))
            const mine = batch
            yield* Effect.onInterrupt(Fiber.join(mine), () => Fiber.interrupt(mine))
            batch = undefined
            return yield* right.read(key)
          })
      }
    },
    found: [beside]
  }
]
