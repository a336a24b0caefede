/** The same with circuits in DynamoDB. */
import { withBreaker } from "@reclose/core"
import { DynamoClient } from "@reclose/dynamodb/DynamoClient"
import * as DynamoStore from "@reclose/dynamodb/DynamoStore"
import * as EmbeddedMetrics from "@reclose/lambda/EmbeddedMetrics"
import { LambdaBreaker } from "@reclose/lambda/LambdaBreaker"
import * as LambdaHandler from "@reclose/lambda/LambdaHandler"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const variable = (name: string): string => process.env[name] ?? ""

const Live = EmbeddedMetrics.layer({ service: "worker" }).pipe(
  Layer.provideMerge(LambdaBreaker.layer({ hydrateTimeout: "10 seconds", refreshEvery: "1 hour" })),
  Layer.provide(DynamoStore.layer({ tableName: variable("TABLE") })),
  Layer.provide(DynamoClient.layer({ endpoint: variable("ENDPOINT"), region: "local" }))
)

export const handler = LambdaHandler.make(Live, () => Effect.succeed("42").pipe(withBreaker("quotes")))
