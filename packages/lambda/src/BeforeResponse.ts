/**
 * What a function has to do before each response, since its container may be frozen or gone right after.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

/**
 * Something to do before each response.
 *
 * @category models
 * @since 0.1.0
 */
export interface Task {
  /** What it does, for the log line that says it could not: "flush the circuits". */
  readonly name: string
  readonly run: Effect.Effect<void>
}

/**
 * What a function has to do before each response.
 *
 * **Details**
 *
 * `LambdaHandler.make` provides it to its layer and runs the tasks of each invocation, however it ended, one after the
 * other in the order in which they were added. A task may take half of the time that is left of the invocation; one that
 * takes longer is interrupted, one that dies is left at that, and either is logged as a warning. Neither changes the
 * response.
 *
 * `LambdaBreaker` and `EmbeddedMetrics` add theirs by themselves.
 *
 * **Example** (Telling something else in time)
 *
 * ```ts
 * import { BeforeResponse } from "@reclose/lambda"
 * import { Effect, Layer } from "effect"
 *
 * const told: Array<string> = []
 *
 * const Audit = Layer.effectDiscard(Effect.flatMap(
 *   BeforeResponse,
 *   ({ add }) => add({ name: "tell the audit", run: Effect.sync(() => void told.push("an invocation")) })
 * ))
 *
 * // What a handler does, by hand.
 * const program = Effect.gen(function*() {
 *   const { tasks } = yield* BeforeResponse
 *   for (const task of yield* tasks) yield* task.run
 *   return told.length
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(Layer.provideMerge(Audit, BeforeResponse.layer)))) // => 1
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class BeforeResponse extends Context.Service<BeforeResponse, {
  /** Adds a task until the scope closes. */
  readonly add: (task: Task) => Effect.Effect<void, never, Scope.Scope>
  /** The tasks as of now, in the order in which they were added. */
  readonly tasks: Effect.Effect<ReadonlyArray<Task>>
}>()("@reclose/lambda/BeforeResponse") {
  /**
   * Provides it without a handler: for tests of layers that add tasks.
   *
   * @since 0.1.0
   */
  static readonly layer: Layer.Layer<BeforeResponse> = Layer.sync(this, () => {
    const tasks = new Set<Task>()
    return this.of({
      add: (task) =>
        Effect.acquireRelease(
          Effect.sync(() => void tasks.add(task)),
          () => Effect.sync(() => tasks.delete(task))
        ),
      tasks: Effect.sync(() => [...tasks])
    })
  })
}
