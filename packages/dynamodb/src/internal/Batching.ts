/** Collects what is asked for at the same time into few requests. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"

interface Batch<A, E> {
  readonly waiting: Map<string, Set<(exit: Exit.Exit<A, E>) => void>>
  fiber: Fiber.Fiber<void, E> | undefined
}

/**
 * Answers `ask`, whose keys are asked for together, each once and at most `limit` at a time, by whoever asks within one
 * turn of the scheduler.
 *
 * Effect's request resolvers would do, but for two things: a batch under way goes on when nobody waits for it any more,
 * and outlives the scope that it was made in. Here it is interrupted.
 */
export const makeBatching = Effect.fnUntraced(function*<A, E>(options: {
  readonly limit: number
  /** Settles each key as its answer comes. What it leaves ends as it does. */
  readonly run: (
    keys: ReadonlyArray<string>,
    settle: (key: string, exit: Exit.Exit<A, E>) => void
  ) => Effect.Effect<void, E>
}): Effect.fn.Return<(key: string) => Effect.Effect<A, E>, never, Scope.Scope> {
  const fork = yield* FiberSet.makeRuntime<never, void, E>()
  let collecting: Batch<A, E> | undefined

  const begin = (batch: Batch<A, E>) => {
    const settle = (key: string, exit: Exit.Exit<A, E>) => {
      const waiting = batch.waiting.get(key)
      batch.waiting.delete(key)
      waiting?.forEach((resume) => resume(exit))
    }
    const close = () => {
      if (collecting === batch) collecting = undefined
    }
    batch.fiber = fork(Effect.andThen(
      Effect.yieldNow,
      Effect.suspend(() => {
        close()
        return options.run([...batch.waiting.keys()], settle)
      })
    ))
    // An observer hears of a fiber that never began, too: one of a scope that is closed.
    batch.fiber.addObserver((exit) => {
      close()
      const rest = Exit.isFailure(exit) ? Exit.failCause(exit.cause) : Exit.die(new Error("a key was left unanswered"))
      for (const key of batch.waiting.keys()) settle(key, rest)
    })
  }

  return (key) =>
    Effect.callback((resume) => {
      const fits = collecting !== undefined && (collecting.waiting.size < options.limit || collecting.waiting.has(key))
      const batch: Batch<A, E> = fits && collecting ? collecting : { waiting: new Map(), fiber: undefined }
      const waiting = batch.waiting.get(key) ?? new Set()
      batch.waiting.set(key, waiting.add(resume))
      if (batch !== collecting) {
        collecting = batch
        begin(batch)
      }
      return Effect.sync(() => {
        waiting.delete(resume)
        if (waiting.size === 0) batch.waiting.delete(key)
        if (batch.waiting.size > 0) return
        if (collecting === batch) collecting = undefined
        batch.fiber?.interruptUnsafe()
      })
    })
})
