/** What a container holds between invocations: the services of a layer, built once, or again if that failed. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { BeforeResponse } from "../BeforeResponse.ts"

interface Build<R, E> {
  readonly scope: Scope.Closeable
  readonly fiber: Fiber.Fiber<Context.Context<R | BeforeResponse>, E>
  /** How many invocations wait for it: a process may be given several at once. */
  waiting: number
}

export class Container<R, E> {
  private readonly layer: Layer.Layer<R | BeforeResponse, E>
  private build: Build<R, E> | undefined

  constructor(layer: Layer.Layer<R, E, BeforeResponse>) {
    this.layer = Layer.provideMerge(layer, BeforeResponse.layer)
  }

  /** Begins to build, unless that has begun. Nobody is told how it goes until somebody asks for the services. */
  readonly begin: Effect.Effect<Build<R, E>> = Effect.suspend(() => {
    if (this.build !== undefined) return Effect.succeed(this.build)
    const scope = Scope.makeUnsafe()
    return Effect.map(
      Effect.forkDetach(Layer.buildWithScope(this.layer, scope), { startImmediately: true }),
      (fiber) => (this.build = { scope, fiber, waiting: 0 })
    )
  })

  /** The services. Who asks after a failure has them built anew; so does who asks after the last one gave up waiting. */
  readonly services: Effect.Effect<Context.Context<R | BeforeResponse>, E> = Effect.flatMap(
    this.begin,
    (build) =>
      Effect.acquireUseRelease(
        Effect.sync(() => build.waiting++),
        () => Fiber.join(build.fiber),
        (_, exit) => {
          build.waiting--
          const isOfUse = Exit.isSuccess(exit) || build.waiting > 0 && build.fiber.pollUnsafe() === undefined
          return isOfUse ? Effect.void : this.forget(build)
        }
      )
  )

  /** Runs the finalizers of what was built. */
  readonly close: Effect.Effect<void> = Effect.suspend(() =>
    this.build === undefined ? Effect.void : this.forget(this.build)
  )

  private forget(build: Build<R, E>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.build === build) this.build = undefined
      return Effect.andThen(Fiber.interrupt(build.fiber), Scope.close(build.scope, Exit.void))
    })
  }
}
