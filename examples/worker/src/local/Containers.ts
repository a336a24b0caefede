/**
 * Containers of one function: an event goes to one that is free, or else to a new one, as in Lambda. Each is a process
 * that runs the bundle, frozen between its invocations.
 */
import { Effect, Exit, PubSub, Scope, Semaphore } from "effect"
import {
  type Container,
  type ContainerError,
  type ContainerOptions,
  type Invocation,
  startContainer
} from "../../../../packages/lambda/test/runtime/RuntimeApi.ts"

interface Held {
  readonly container: Container
  readonly scope: Scope.Closeable
}

export interface Containers {
  readonly invoke: (event: unknown) => Effect.Effect<Invocation, ContainerError>
  /** Ends all of them at once, whatever they do. Answers how many there were. */
  readonly kill: Effect.Effect<number>
  /** How many have been started so far. */
  readonly started: () => number
  /** The lines that functions print, from the moment of the subscription on. */
  readonly logs: PubSub.PubSub<string>
}

/** What an invocation ends with whose container is gone. */
const endings = new Set(["Sandbox.Timedout", "Runtime.ExitError"])

/** As many at once as there may be. An event that finds all of them busy waits. */
export const make = Effect.fnUntraced(function*(options: ContainerOptions & { readonly most: number }) {
  const parent = yield* Effect.scope
  const places = yield* Semaphore.make(options.most)
  const logs = yield* PubSub.sliding<string>(10_000)
  const held = new Set<Held>()
  const idle: Array<Held> = []
  let started = 0

  const start = Effect.gen(function*() {
    const scope = yield* Scope.fork(parent)
    const container = yield* startContainer(options).pipe(
      Scope.provide(scope),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
    started++
    yield* PubSub.publishAll(logs, container.initLogs)
    const one: Held = { container, scope }
    held.add(one)
    return one
  })

  const end = (one: Held) =>
    Effect.suspend(() => {
      held.delete(one)
      return Scope.close(one.scope, Exit.void)
    })

  const invoke = (event: unknown) =>
    places.withPermits(1)(Effect.gen(function*() {
      const one = idle.pop() ?? (yield* start)
      const invocation = yield* one.container.invoke(event).pipe(Effect.onError(() => end(one)))
      yield* PubSub.publishAll(logs, invocation.logs)
      const isGone = invocation.end._tag === "Failed" && endings.has(invocation.end.error.errorType)
      if (isGone) yield* end(one)
      else if (held.has(one)) idle.push(one)
      return invocation
    }))

  const containers: Containers = {
    invoke,
    kill: Effect.gen(function*() {
      const all = [...held]
      idle.length = 0
      held.clear()
      for (const one of all) yield* Effect.andThen(one.container.kill, Scope.close(one.scope, Exit.void))
      return all.length
    }),
    started: () => started,
    logs
  }
  return containers
})
