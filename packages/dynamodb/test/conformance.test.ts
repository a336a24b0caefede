/** What holds of every store, of this one on real servers. */
import { storeConformance } from "@reclose/core/testing"
import { DynamoStore } from "@reclose/dynamodb"
import { Context, Effect, Layer } from "effect"
import { clientOf, forEachServer, makeTable, Server, serverClient } from "./support.ts"

/** One table of one server, that every connection uses. */
class Table extends Context.Service<Table, { readonly endpoint: string; readonly tableName: string }>()("test/Table") {}

const table = Layer.effect(
  Table,
  Effect.gen(function*() {
    const { endpoint } = yield* Server
    return { endpoint, tableName: yield* Effect.provide(makeTable, serverClient) }
  })
)

const connection = Layer.unwrap(
  Effect.map(
    Table,
    ({ endpoint, tableName }) => DynamoStore.layer({ tableName }).pipe(Layer.provide(clientOf(endpoint)))
  )
)

forEachServer(
  "the DynamoDB store conforms",
  (name, server) => storeConformance(name, connection, { server: Layer.provide(table, server) })
)
