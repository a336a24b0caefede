/**
 * Circuit breakers in AWS Lambda.
 *
 * @since 0.1.0
 */
export { BeforeResponse } from "./BeforeResponse.ts"
export { DeadLetter } from "./DeadLetter.ts"
export * as EmbeddedMetrics from "./EmbeddedMetrics.ts"
export { LambdaBreaker } from "./LambdaBreaker.ts"
export { DeadlineExceeded, LambdaContext } from "./LambdaContext.ts"
export * as LambdaHandler from "./LambdaHandler.ts"
export { MalformedMessage } from "./MalformedMessage.ts"
export * as SqsBatch from "./SqsBatch.ts"
export { SqsError, SqsQueue } from "./SqsQueue.ts"
