/**
 * The function: takes jobs from a queue, and one at a time from whoever calls its URL.
 *
 * Everything that is deployed imports module by module: of `import { Schema } from "effect"` esbuild keeps all of Schema.
 */
import { DynamoClient } from "@reclose/dynamodb/DynamoClient"
import * as DynamoStore from "@reclose/dynamodb/DynamoStore"
import * as HttpBreaker from "@reclose/http/HttpBreaker"
import * as AwsSqs from "@reclose/lambda/AwsSqs"
import { DeadLetter } from "@reclose/lambda/DeadLetter"
import * as EmbeddedMetrics from "@reclose/lambda/EmbeddedMetrics"
import { LambdaBreaker } from "@reclose/lambda/LambdaBreaker"
import * as LambdaHandler from "@reclose/lambda/LambdaHandler"
import type { LambdaFunctionURLEvent, SQSEvent } from "aws-lambda"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { answerRequest } from "./answerRequest.ts"
import { handleBatch } from "./handleBatch.ts"
import * as Settings from "./Settings.ts"

/** Follows no redirect: it may lead to an origin that is not allowed. */
const Fetch = FetchHttpClient.layer.pipe(
  Layer.provideMerge(Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" }))
)

/** Everything that the settings decide. A mistake in them fails every invocation until they are mended. */
const Live = Layer.unwrap(Effect.map(Settings.read, (settings) => {
  const Circuits = LambdaBreaker.layer(settings.circuits).pipe(
    Layer.provide(DynamoStore.layer({ tableName: settings.circuitsTable })),
    Layer.provide(DynamoClient.layer({}))
  )
  return Layer.mergeAll(
    EmbeddedMetrics.layer({ service: settings.service }),
    HttpBreaker.layer(settings.http).pipe(Layer.provide(Fetch)),
    DeadLetter.layer({ queueUrl: settings.deadLetterQueueUrl })
  ).pipe(
    Layer.provideMerge(Circuits),
    Layer.provideMerge(AwsSqs.layer({})),
    Layer.provideMerge(Layer.succeed(Settings.Settings, settings)),
    Layer.provideMerge(Logger.layer([Logger.withLeveledConsole(Logger.formatJson)]))
  )
}))

export const handler = LambdaHandler.make(
  Live,
  Effect.fnUntraced(function*(event: SQSEvent | LambdaFunctionURLEvent) {
    return "Records" in event ? yield* handleBatch(event) : yield* answerRequest(event)
  })
)
