/** Places for requests that are under way, by key. Whoever finds none waits in turn, for a bounded time. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Throttled } from "../Throttled.ts"
import { Deadlines, Waiting } from "./Deadlines.ts"

export interface ValidConcurrency {
  readonly limit: number
  readonly maxWait: number
  readonly maxWaiting: number
}

/** Waits for a place, in a region that nothing else interrupts, and answers how to give it back. */
export type Places = (key: string) => Effect.Effect<() => void, Throttled>

/** The places of one key; there as long as somebody has one. */
interface Pool {
  taken: number
  readonly waiting: Set<Waiter>
}

class Waiter extends Waiting<void> {
  readonly end: (granted: "granted" | "late" | "abandoned") => void

  constructor(end: Waiter["end"]) {
    super()
    this.end = end
  }

  expire(): void {
    this.end("late")
  }

  abandon(): void {
    this.end("abandoned")
  }
}

export const makePlaces = (
  { limit, maxWait, maxWaiting }: ValidConcurrency
): Effect.Effect<Places, never, Scope.Scope> =>
  Effect.gen(function*() {
    const pools = new Map<string, Pool>()
    const clock = yield* Clock.Clock
    const deadlines = yield* Effect.acquireRelease(
      Effect.sync(() => new Deadlines<void>(undefined, maxWait, clock)),
      (made) => Effect.sync(() => made.close())
    )
    const throttled = (key: string, waited: number) =>
      Effect.fail(new Throttled({ key, by: "concurrency", limit, waited: Duration.millis(waited) }))

    const take = (key: string, granted: (pool: Pool) => void): Effect.Effect<void, Throttled> =>
      Effect.callback((resume) => {
        let pool = pools.get(key)
        if (pool === undefined) pools.set(key, pool = { taken: 0, waiting: new Set() })
        const { waiting } = pool
        const grant = (pool: Pool) => {
          granted(pool)
          resume(Effect.void)
        }
        if (pool.taken < limit) {
          pool.taken++
          return grant(pool)
        }
        if (maxWait === 0 || waiting.size >= maxWaiting) return resume(throttled(key, 0))
        const awaited = pool
        const waiter = new Waiter((how) => {
          deadlines.end(waiter)
          waiting.delete(waiter)
          if (how === "granted") grant(awaited)
          else resume(how === "late" ? throttled(key, maxWait) : Effect.interrupt)
        })
        waiting.add(waiter)
        deadlines.begin(waiter)
        return Effect.sync(() => {
          deadlines.end(waiter)
          waiting.delete(waiter)
        })
      })

    const give = (key: string, pool: Pool): void => {
      const [next] = pool.waiting
      // The place goes over to who has waited longest, so nobody can come between.
      if (next !== undefined) return next.end("granted")
      pool.taken--
      if (pool.taken === 0) pools.delete(key)
    }

    return (key) =>
      Effect.suspend(() => {
        let pool: Pool | undefined
        const giveBack = () => {
          if (pool !== undefined) give(key, pool)
          pool = undefined
        }
        const taken = Effect.interruptible(take(key, (granted) => (pool = granted)))
        return Effect.onExitPrimitive(Effect.as(taken, giveBack), (exit) => {
          // Interrupted when it was granted, and nobody knew it yet.
          if (exit._tag === "Failure") giveBack()
          return undefined
        })
      })
  })
