/** The load that a process makes until it is told to stop, and what its calls came to. */
import type { CircuitBreaker } from "@reclose/core"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { call, wall } from "./calls.ts"
import { type LoadOrder, type LoadReport, percentiles } from "./Protocol.ts"

/** After how many calls a fiber makes one with a key that nobody has used before. */
const freshEvery = 25

export interface Load {
  /** Waits for the calls that are under way. */
  readonly stop: Effect.Effect<LoadReport>
}

export const startLoad = Effect.fnUntraced(function*(
  { fibers, keys, spell }: LoadOrder
): Effect.fn.Return<Load, never, CircuitBreaker | Scope.Scope> {
  const decided: Array<number> = []
  const ends: Record<string, number> = {}
  const strange: Array<string> = []
  let calls = 0
  let isStopped = false

  const next = (fiber: number) =>
    Effect.suspend(() => {
      const index = calls++ % keys.length
      const isBad = (Math.floor(wall() / spell) + index) % 2 === 0
      const own = calls % freshEvery === 0 ? `-${fiber}-${calls}` : ""
      return call({ key: `${keys[index]}${own}`, end: isBad ? "Failure" : "Success", takes: 2 })
    })
  const one = (fiber: number) =>
    Effect.repeat(
      Effect.tap(next(fiber), ({ decidedAfter, end, why }) => {
        decided.push(decidedAfter)
        ends[end] = (ends[end] ?? 0) + 1
        if (end === "Strange" && strange.length < 5) strange.push(String(why))
        return Effect.sleep(3)
      }),
      { while: () => !isStopped }
    )
  const running = yield* Effect.forEach(
    Array.from({ length: fibers }, (_, fiber) => fiber),
    (fiber) => Effect.forkScoped(one(fiber))
  )
  return {
    stop: Effect.suspend(() => {
      isStopped = true
      return Effect.as(Fiber.awaitAll(running), { calls, ends, strange, decided })
    }).pipe(Effect.map((report) => ({ ...report, calls, decided: percentiles(report.decided) })))
  }
})
