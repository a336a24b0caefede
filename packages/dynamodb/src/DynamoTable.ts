/**
 * The table that circuits are kept in.
 *
 * @since 0.1.0
 */
import {
  CreateTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  type TableDescription,
  UpdateTimeToLiveCommand
} from "@aws-sdk/client-dynamodb"
import type { CircuitStoreReason } from "@reclose/core/CircuitStore"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { DynamoClient } from "./DynamoClient.ts"
import { DynamoFailure } from "./internal/DynamoFailure.ts"
import { makeSending, type Sending } from "./internal/Sending.ts"

/**
 * A table could not be made, or is another one than circuits need. The message says what to do about it.
 *
 * @category errors
 * @since 0.1.0
 */
export class DynamoTableError extends Data.TaggedError("DynamoTableError")<{
  readonly tableName: string
  readonly reason: CircuitStoreReason
  readonly message: string
  readonly cause?: unknown
}> {}

/**
 * Makes the table that circuits are kept in, unless it is there: for tests, emulators and first steps.
 *
 * **Details**
 *
 * The table is billed by request (`PAY_PER_REQUEST`), has the partition key `key`, a string, and its time to live is
 * turned on for `expiresAt`. It waits until the table is active, for at most `timeout` (1 minute by default), and may
 * be run any number of times, by several processes at once.
 *
 * Fails with a `DynamoTableError`: with the reason `WrongType` for a table of this name that has another key or another
 * time to live, with `Timeout` for one that is not active in time. It needs `dynamodb:CreateTable`,
 * `dynamodb:DescribeTable`, `dynamodb:DescribeTimeToLive` and `dynamodb:UpdateTimeToLive`.
 *
 * **Gotchas**
 *
 * In production let your infrastructure own the table, and give programs no right to make tables.
 *
 * **Example** (A table in an emulator)
 *
 * ```ts no-run
 * import { DynamoClient, DynamoTable } from "@reclose/dynamodb"
 * import { Effect } from "effect"
 *
 * const program = DynamoTable.createTable({ tableName: "circuits" }).pipe(
 *   Effect.provide(DynamoClient.layer({ endpoint: "http://127.0.0.1:8000", region: "local" }))
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const createTable = (options: {
  readonly tableName: string
  readonly timeout?: Duration.Input | undefined
}): Effect.Effect<void, DynamoTableError, DynamoClient> => {
  const { tableName, timeout = "1 minute" } = options
  return Effect.gen(function*() {
    const sending = yield* makeSending(tableName)
    yield* create(sending, tableName)
    yield* Effect.flatMap(active(sending, tableName), (table) => checkKey(table, tableName))
    yield* expire(sending, tableName)
  }).pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () =>
        Effect.fail(
          new DynamoFailure({
            reason: "Timeout",
            message:
              `table "${tableName}" is not active after ${Duration.format(Duration.fromInputUnsafe(timeout))}: ` +
              "look at it in the console, or wait longer"
          })
        )
    }),
    Effect.mapError(({ cause, message, reason }) =>
      new DynamoTableError({ tableName, reason, message, ...(cause === undefined ? {} : { cause }) })
    )
  )
}

const hasName = (error: unknown, name: string) => error instanceof Error && error.name === name

const create = ({ send }: Sending, tableName: string) =>
  send(
    "CreateTable",
    new CreateTableCommand({
      TableName: tableName,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [{ AttributeName: "key", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "key", KeyType: "HASH" }]
    }),
    (error) => hasName(error, "ResourceInUseException") ? "exists" : undefined
  )

const active = ({ send }: Sending, tableName: string): Effect.Effect<TableDescription, DynamoFailure> =>
  Effect.flatMap(
    // A table that was just made may not be known everywhere.
    send(
      "DescribeTable",
      new DescribeTableCommand({ TableName: tableName }),
      (error) => hasName(error, "ResourceNotFoundException") ? { Table: undefined } : undefined
    ),
    ({ output: { Table } }) =>
      Table?.TableStatus === "ACTIVE"
        ? Effect.succeed(Table)
        : Effect.delay(Effect.suspend(() => active({ send }, tableName)), "500 millis")
  )

const wrong = (message: string) => Effect.fail(new DynamoFailure({ reason: "WrongType", message }))

const checkKey = ({ AttributeDefinitions = [], KeySchema = [] }: TableDescription, tableName: string) =>
  KeySchema.length === 1 && KeySchema[0]?.AttributeName === "key" &&
    AttributeDefinitions.some((one) => one.AttributeName === "key" && one.AttributeType === "S")
    ? Effect.void
    : wrong(`table "${tableName}" has another key than one string named "key": use another name`)

const expire = Effect.fnUntraced(function*({ send }: Sending, tableName: string) {
  const { output } = yield* send("DescribeTimeToLive", new DescribeTimeToLiveCommand({ TableName: tableName }))
  const { AttributeName, TimeToLiveStatus } = output.TimeToLiveDescription ?? {}
  if (TimeToLiveStatus === "ENABLED" || TimeToLiveStatus === "ENABLING") {
    return AttributeName === "expiresAt" ? undefined : yield* wrong(
      `table "${tableName}" drops items by the attribute "${AttributeName}" and not by "expiresAt": use another name`
    )
  }
  yield* send(
    "UpdateTimeToLive",
    new UpdateTimeToLiveCommand({
      TableName: tableName,
      TimeToLiveSpecification: { Enabled: true, AttributeName: "expiresAt" }
    }),
    // Somebody else was faster.
    (error) => error instanceof Error && /already enabled/i.test(error.message) ? "enabled" : undefined
  )
})
