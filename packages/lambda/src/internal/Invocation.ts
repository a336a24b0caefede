/** One invocation: the services, the effect, what has to be done before the response; each in its part of the time. */
import type * as AwsLambda from "aws-lambda"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { BeforeResponse, type Task } from "../BeforeResponse.ts"
import { DeadlineExceeded, LambdaContext } from "../LambdaContext.ts"
import type { Container } from "./Container.ts"
import { within } from "./within.ts"

export const invoke = <Event, Result, E, R, LE>(
  container: Container<R, LE>,
  handle: (event: Event) => Effect.Effect<Result, E, R | LambdaContext>,
  wanted: Duration.Duration
) =>
(event: Event, context: AwsLambda.Context): Effect.Effect<Result, E | LE | DeadlineExceeded> =>
  Effect.suspend(() => {
    const remaining = () => Math.max(0, context.getRemainingTimeInMillis())
    const half = () => remaining() / 2
    const margin = Math.min(Duration.toMillis(wanted), Math.floor(half()))
    const exceeded = Effect.fail(
      new DeadlineExceeded({ requestId: context.awsRequestId, margin: Duration.millis(margin) })
    )
    const untilMargin = () => remaining() - margin

    return Effect.flatMap(
      within(container.services, untilMargin(), half),
      (built): Effect.Effect<Result, E | LE | DeadlineExceeded> => {
        if (built === undefined) return exceeded
        if (Exit.isFailure(built)) return Effect.failCause(built.cause)
        const services = Context.add(built.value, LambdaContext, context)
        // A handler that throws before it has made an effect is one that dies.
        const handled = Effect.provideContext(Effect.suspend(() => handle(event)), services)
        return Effect.flatMap(within(handled, untilMargin(), half), (exit) => {
          const answer: Effect.Effect<Result, E | DeadlineExceeded> = exit ?? exceeded
          return Effect.andThen(Effect.provideContext(finish(half), services), answer)
        })
      }
    )
  })

const finish = (half: () => number): Effect.Effect<void, never, BeforeResponse> =>
  Effect.flatMap(
    Effect.flatMap(BeforeResponse, ({ tasks }) => tasks),
    Effect.forEach((task) => Effect.flatMap(within(task.run, half()), (exit) => report(task, exit)), { discard: true })
  )

const report = ({ name }: Task, exit: Exit.Exit<void> | undefined): Effect.Effect<void> =>
  exit === undefined
    ? Effect.logWarning(`There was no time to ${name} before the response`)
    : Exit.isFailure(exit)
    ? Effect.logWarning(`It was not possible to ${name} before the response`, exit.cause)
    : Effect.void
