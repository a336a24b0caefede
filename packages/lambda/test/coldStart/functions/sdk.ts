/** Nothing but a client of DynamoDB, and a read with it: what the SDK costs by itself. */
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb"

const variable = (name: string): string => process.env[name] ?? ""

const client = new DynamoDBClient({ endpoint: variable("ENDPOINT"), region: "local" })
let isCold = true

export const handler = async (): Promise<string> => {
  // As many reads as the function with circuits makes: one, for its first call.
  if (isCold) await client.send(new GetItemCommand({ TableName: variable("TABLE"), Key: { key: { S: "quotes" } } }))
  isCold = false
  return "42"
}
