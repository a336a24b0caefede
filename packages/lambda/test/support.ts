/** What the tests of this package share: an invocation's context whose time passes with the test's clock. */
import type { Context as AwsContext } from "aws-lambda"
import { Clock, Effect } from "effect"

/** The context of an invocation that has so many milliseconds from now on. */
export const contextOf = (millis: number, requestId = "request-1"): Effect.Effect<AwsContext> =>
  Effect.map(Clock.Clock, (clock) => {
    const deadline = clock.currentTimeMillisUnsafe() + millis
    return {
      callbackWaitsForEmptyEventLoop: true,
      functionName: "worker",
      functionVersion: "$LATEST",
      invokedFunctionArn: "arn:aws:lambda:eu-central-1:123456789012:function:worker",
      memoryLimitInMB: "128",
      awsRequestId: requestId,
      logGroupName: "/aws/lambda/worker",
      logStreamName: "stream",
      getRemainingTimeInMillis: () => deadline - clock.currentTimeMillisUnsafe(),
      done: () => {},
      fail: () => {},
      succeed: () => {}
    }
  })
