/** A process of a fleet that keeps its circuits in DynamoDB. */
import { DynamoClient } from "@reclose/dynamodb/DynamoClient"
import * as DynamoStore from "@reclose/dynamodb/DynamoStore"
import * as Layer from "effect/Layer"
import { serve } from "../../../core/test/processes/program.ts"

/** Where DynamoDB is, and what part of it to use. */
export interface Where {
  readonly endpoint: string
  readonly tableName: string
  readonly prefix: string
}

serve(({ endpoint, prefix, tableName }: Where) =>
  DynamoStore.layer({ tableName, prefix }).pipe(Layer.provide(DynamoClient.layer({
    endpoint,
    region: "local",
    credentials: { accessKeyId: "test", secretAccessKey: "test" }
  })))
)
