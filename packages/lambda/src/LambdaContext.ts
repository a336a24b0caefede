/**
 * The invocation that is being handled, and the time that is left of it.
 *
 * @since 0.1.0
 */
import type * as AwsLambda from "aws-lambda"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * The time of an invocation is nearly up.
 *
 * **Details**
 *
 * - `requestId`: the invocation.
 * - `margin`: how much of its time was left when it was given up.
 *
 * @category errors
 * @since 0.1.0
 */
export class DeadlineExceeded extends Data.TaggedError("DeadlineExceeded")<{
  readonly requestId: string
  readonly margin: Duration.Duration
}> {
  override get message(): string {
    return `Invocation ${this.requestId} was given up ${Duration.format(this.margin)} before its time was over: ` +
      "raise the function's timeout, or give it less to do"
  }
}

/**
 * The invocation that is being handled: what Lambda calls the context.
 *
 * **Details**
 *
 * `LambdaHandler.make` provides it to the effect that handles an event. In a test, provide an object of your own.
 *
 * **Example** (Work that fits into the time that is left)
 *
 * ```ts no-run
 * import { LambdaContext } from "@reclose/lambda"
 * import { Duration, Effect } from "effect"
 *
 * const chunk = Effect.gen(function*() {
 *   const { awsRequestId } = yield* LambdaContext
 *   const remaining = yield* LambdaContext.remaining
 *   return `${awsRequestId}: ${Duration.toMillis(remaining) > 10_000 ? "a large chunk" : "a small one"}`
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class LambdaContext
  extends Context.Service<LambdaContext, AwsLambda.Context>()("@reclose/lambda/LambdaContext")
{
  /**
   * The time until Lambda ends the invocation, zero once it is over.
   *
   * @since 0.1.0
   */
  static readonly remaining: Effect.Effect<Duration.Duration, never, LambdaContext> = Effect.map(
    LambdaContext,
    (context) => Duration.millis(Math.max(0, context.getRemainingTimeInMillis()))
  )

  /**
   * Interrupts an effect a margin before Lambda would end the invocation, and fails with `DeadlineExceeded`.
   *
   * **Details**
   *
   * `LambdaHandler.make` does so around the whole handler. This is for a part of it, with a larger margin, so that there is
   * time to answer in another way.
   *
   * **Gotchas**
   *
   * Waits for the finalizers of what it interrupts, however long they take.
   *
   * **Example** (Half an answer in time)
   *
   * ```ts
   * import { LambdaContext } from "@reclose/lambda"
   * import { Effect } from "effect"
   *
   * const report = Effect.never.pipe(
   *   LambdaContext.withDeadline("2 seconds"),
   *   Effect.catchTag("DeadlineExceeded", () => Effect.succeed("not all of it"))
   * )
   *
   * const nearlyOver = { getRemainingTimeInMillis: () => 2_010, awsRequestId: "1" } as LambdaContext["Service"]
   *
   * await Effect.runPromise(Effect.provideService(report, LambdaContext, nearlyOver)) // => "not all of it"
   * ```
   *
   * @since 0.1.0
   */
  static readonly withDeadline =
    (margin: Duration.Input) =>
    <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeadlineExceeded, R | LambdaContext> =>
      Effect.flatMap(LambdaContext, ({ awsRequestId, getRemainingTimeInMillis }) => {
        const left = Duration.fromInputUnsafe(margin)
        return Effect.timeoutOrElse(self, {
          duration: Math.max(0, getRemainingTimeInMillis() - Duration.toMillis(left)),
          orElse: () => Effect.fail(new DeadlineExceeded({ requestId: awsRequestId, margin: left }))
        })
      })
}
