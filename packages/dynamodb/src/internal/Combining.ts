/** Lets operations on the same key take turns, all that wait at once. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"

interface Waiting<Operation, A, E> {
  readonly operation: Operation
  readonly resume: (exit: Exit.Exit<A, E>) => void
}

/**
 * What `run` does for a key is done for all operations that came while it was busy, so that however many calls a process
 * makes at a time, it does one thing at a time to the item of a key, and never conflicts with itself.
 *
 * `run` answers in order, and has to end by itself: an interrupted caller leaves, and the operation may be done.
 */
export const makeCombining = Effect.fnUntraced(function*<Operation, A, E>(
  run: (key: string, operations: ReadonlyArray<Operation>) => Effect.Effect<ReadonlyArray<A>, E>
): Effect.fn.Return<(key: string, operation: Operation) => Effect.Effect<A, E>, never, Scope.Scope> {
  const fork = yield* FiberSet.makeRuntime<never, void>()
  const lines = new Map<string, Set<Waiting<Operation, A, E>>>()

  const serve = (key: string, line: Set<Waiting<Operation, A, E>>): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (line.size === 0) {
        lines.delete(key)
        return Effect.void
      }
      const served = [...line]
      line.clear()
      return run(key, served.map(({ operation }) => operation)).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() =>
            // As many answers as operations.
            served.forEach(({ resume }, index) => resume(Exit.map(exit, (answers) => answers[index] as A)))
          )
        ),
        // Told to whoever waited; those who came since are next.
        Effect.exit,
        Effect.andThen(serve(key, line))
      )
    })

  return (key, operation) =>
    Effect.callback((resume) => {
      const waiting = { operation, resume }
      const line = lines.get(key)
      if (line !== undefined) {
        line.add(waiting)
      } else {
        const begun = new Set([waiting])
        lines.set(key, begun)
        // A turn later, so that all who come at once are served at once.
        fork(Effect.andThen(Effect.yieldNow, serve(key, begun))).addObserver((exit) => {
          if (Exit.isSuccess(exit)) return
          // Its scope is closed.
          lines.delete(key)
          for (const { resume } of begun) resume(Exit.failCause(exit.cause))
        })
      }
      return Effect.sync(() => lines.get(key)?.delete(waiting))
    })
})
