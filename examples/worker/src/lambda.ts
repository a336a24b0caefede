/** The function: takes jobs from a queue, and one at a time from whoever calls its URL. */
import { DynamoClient, DynamoStore } from "@reclose/dynamodb"
import { HttpBreaker } from "@reclose/http"
import { DeadLetter, EmbeddedMetrics, LambdaBreaker, LambdaHandler } from "@reclose/lambda"
import * as AwsSqs from "@reclose/lambda/AwsSqs"
import type { LambdaFunctionURLEvent, SQSEvent } from "aws-lambda"
import { Effect, Layer, Logger } from "effect"
import { FetchHttpClient } from "effect/http"
import { answerRequest } from "./answerRequest.ts"
import { handleBatch } from "./handleBatch.ts"
import * as Settings from "./Settings.ts"

/** Everything that the settings decide. A mistake in them fails every invocation until they are mended. */
const Live = Layer.unwrap(Effect.map(Settings.read, (settings) => {
  const Circuits = LambdaBreaker.layer(settings.circuits).pipe(
    Layer.provide(DynamoStore.layer({ tableName: settings.circuitsTable })),
    Layer.provide(DynamoClient.layer({}))
  )
  return Layer.mergeAll(
    EmbeddedMetrics.layer({ service: settings.service }),
    HttpBreaker.layer(settings.http).pipe(Layer.provide(FetchHttpClient.layer)),
    DeadLetter.layer({ queueUrl: settings.deadLetterQueueUrl })
  ).pipe(
    Layer.provideMerge(Circuits),
    Layer.provideMerge(AwsSqs.layer({})),
    Layer.provideMerge(Layer.succeed(Settings.Settings, settings)),
    Layer.provideMerge(Logger.layer([Logger.consoleJson]))
  )
}))

export const handler = LambdaHandler.make(
  Live,
  Effect.fnUntraced(function*(event: SQSEvent | LambdaFunctionURLEvent) {
    return "Records" in event ? yield* handleBatch(event) : yield* answerRequest(event)
  })
)
