/**
 * Handlers of Lambda functions from Layers and effects.
 *
 * @since 0.1.0
 */
import type { CircuitBreaker } from "@reclose/core/CircuitBreaker"
import { readDuration } from "@reclose/core/PolicyError"
import type * as AwsLambda from "aws-lambda"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { BeforeResponse } from "./BeforeResponse.ts"
import { Container } from "./internal/Container.ts"
import { invoke } from "./internal/Invocation.ts"
import { withLeveledLog } from "./internal/logging.ts"
import { ownShutdown } from "./internal/Shutdown.ts"
import { toRejection } from "./internal/toRejection.ts"
import type { LambdaBreaker } from "./LambdaBreaker.ts"
import type { LambdaContext } from "./LambdaContext.ts"

/**
 * What Lambda calls: an async function.
 *
 * @category models
 * @since 0.1.0
 */
export type LambdaHandler<Event, Result> = (event: Event, context: AwsLambda.Context) => Promise<Result>

/**
 * How a handler is bounded.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * How long before Lambda would end an invocation its effect is interrupted, so that there is time for finalizers, for
   * what has to be done before the response, and for the response. At most half of the time that the invocation has.
   * Default 500 milliseconds.
   */
  readonly deadlineMargin?: Duration.Input | undefined
  /**
   * How long finalizers may take when the container is shut down. Lambda gives 300 milliseconds where an external
   * extension is registered, and 500 where only internal ones are. Default 300 milliseconds.
   */
  readonly shutdownTimeout?: Duration.Input | undefined
}

/** What a layer that provides a breaker has to provide as well. */
type Guarded<ROut> = [CircuitBreaker] extends [ROut] ? [LambdaBreaker] extends [ROut] ? unknown
  : "Build the breaker with LambdaBreaker.layer: one of CircuitBreaker.layer works between invocations, and is not flushed"
  : unknown

/**
 * Makes the handler of a Lambda function from a layer and an effect for each event.
 *
 * **Details**
 *
 * - **Layers are built once for each container**, from the moment on that this function runs: at the top of a module that
 *   is Lambda's init phase, which has the processor at its fastest and comes before the first event. A build that needs
 *   the network may go on into the first invocation, which waits for it.
 * - **A failed build fails the invocation** with the error of the layer, such as a `PolicyError` that names every
 *   mistake, and is tried again with the next one. So is a build that is not done when the invocation's time is up.
 * - **The effect runs with what the layer provides**, and with the invocation as `LambdaContext`. If it fails, the
 *   invocation fails with its error: `errorType` is the tag or the name, `errorMessage` the message.
 * - **Time**: `deadlineMargin` before Lambda would end the invocation, the effect is interrupted, and the invocation
 *   fails with `DeadlineExceeded`. Whatever comes after, finalizers and the tasks of `BeforeResponse`, may each take half
 *   of the time that is left then; what takes longer is left alone.
 * - **Before each response**, also to a failure, a defect or a lack of time, the tasks of `BeforeResponse` are run: circuits
 *   are flushed, then metrics are written.
 * - **Log lines** are written with the console's method of their level, which is what Lambda's JSON log format filters by:
 *   a warning stays a warning. Loggers that the layer provides are used instead.
 * - **Shutdown**: with SIGTERM the layer's finalizers run, for `shutdownTimeout` at most, and the process exits. Lambda
 *   sends it where an extension is registered, such as that of Lambda Insights; else containers end without a word.
 *
 * **Gotchas**
 *
 * - With provisioned concurrency, a container may be frozen right after the init phase. Layers that wait for the network
 *   while they are built should not be surprised: bound what they wait for.
 * - SIGTERM is taken only where `AWS_LAMBDA_RUNTIME_API` is set, which is in a container.
 *
 * **Example** (A function that guards what it calls)
 *
 * ```ts
 * import { CircuitStore, withBreaker } from "@reclose/core"
 * import { LambdaBreaker, LambdaContext, LambdaHandler } from "@reclose/lambda"
 * import { Effect, Layer } from "effect"
 *
 * const Breakers = LambdaBreaker.layer({ openDuration: "10 seconds" }).pipe(
 *   Layer.provide(CircuitStore.layerMemory) // or DynamoStore
 * )
 *
 * export const handler = LambdaHandler.make(Breakers, (event: { readonly symbol: string }) =>
 *   Effect.gen(function*() {
 *     const { functionName } = yield* LambdaContext
 *     const price = yield* Effect.succeed(42).pipe(withBreaker("quotes"))
 *     return `${functionName}: ${event.symbol} is at ${price}`
 *   }))
 *
 * const context = { functionName: "quotes", awsRequestId: "1", getRemainingTimeInMillis: () => 3_000 }
 *
 * await handler({ symbol: "ACME" }, context as Parameters<typeof handler>[1]) // => "quotes: ACME is at 42"
 * ```
 *
 * Throws a `PolicyError` at once if a duration of the options is none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Event, Result, E, ROut, LE>(
  layer: Layer.Layer<ROut, LE, BeforeResponse> & Guarded<ROut>,
  handle: (event: Event) => Effect.Effect<Result, E, NoInfer<ROut> | LambdaContext>,
  options: Options = {}
): LambdaHandler<Event, Result> => {
  const container = new Container(layer)
  const margin = readDuration("deadlineMargin", options.deadlineMargin ?? "500 millis")
  const shutdownTimeout = readDuration("shutdownTimeout", options.shutdownTimeout ?? "300 millis")
  const run = invoke(container, handle, margin)
  ownShutdown(withLeveledLog(container.close), shutdownTimeout)
  Effect.runFork(withLeveledLog(container.begin))
  return async (event, context) => {
    const exit = await Effect.runPromiseExit(withLeveledLog(run(event, context)))
    if (exit._tag === "Failure") throw toRejection(exit.cause)
    return exit.value
  }
}
