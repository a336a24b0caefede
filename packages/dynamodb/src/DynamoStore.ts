/**
 * Keeps circuits in a DynamoDB table, shared by every process that uses it.
 *
 * @since 0.1.0
 */
import { BatchGetItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb"
import * as CircuitRecord from "@reclose/core/CircuitRecord"
import { CircuitStore, CircuitStoreError, type Replaced, type Seen } from "@reclose/core/CircuitStore"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DynamoClient } from "./DynamoClient.ts"
import { makeBatching } from "./internal/Batching.ts"
import { DynamoFailure } from "./internal/DynamoFailure.ts"
import { type Look, makeRegister, type Register } from "./internal/Register.ts"
import { retries, timeOf } from "./internal/Sending.ts"

/** What one BatchGetItem takes. */
const batchSize = 100

const attribute = "record"

/** What the `Date` header of an answer tells the time to, in milliseconds. */
const precision = 1000

/**
 * Where circuits are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The name of the table, or its ARN. */
  readonly tableName: string
  /** Stands before each key, for a table that several programs share: empty unless set. */
  readonly prefix?: string | undefined
}

/**
 * Keeps circuits in a DynamoDB table, shared by every process that uses it.
 *
 * **Details**
 *
 * - The table has one partition key named `key`, a string. Each circuit is one item: `version` and `record` are what
 *   breakers read, `phase` is for people, `expiresAt` is when DynamoDB may drop the item, in seconds since 1970. Turn on
 *   the table's time to live for `expiresAt`; nothing breaks without it. `DynamoTable.createTable` makes such a table.
 * - Reads are strongly consistent. What is read at the same time goes out together, up to 100 keys in one
 *   `BatchGetItem`; one key alone is a `GetItem`.
 * - A write is one conditional `UpdateItem`. Whoever loses gets the winner's record in the same answer.
 * - The time is that of the `Date` header of DynamoDB's answers, to the second. An answer without one is an error with
 *   the reason `Unavailable`, even if what was asked for has been done.
 * - Throttled and failed requests are retried up to 3 times, within 200 milliseconds of waiting; see `DynamoClient`
 *   for clients that do so themselves. Nothing here has a time limit of its own: breakers interrupt what takes too
 *   long, which closes the request.
 * - A table tells nobody of its changes: `changes` is undefined, and breakers ask every `refreshEvery`.
 * - `list` reads the whole table, for people: it costs what a `Scan` costs.
 *
 * It needs `dynamodb:GetItem`, `dynamodb:BatchGetItem` and `dynamodb:UpdateItem`, and `dynamodb:Scan` for `list` alone.
 *
 * **Gotchas**
 *
 * - A write whose answer was lost is sent anew, and then conflicts with itself: it answers `Conflict` with the record
 *   that it wrote. Breakers know their own writes.
 * - An item that is none of ours, or none that this release reads, is reported and never overwritten.
 * - Not for a global table: its replicas take writes that conflict.
 *
 * **Example** (Breakers of a fleet)
 *
 * ```ts no-run
 * import { CircuitBreaker, TripRule } from "@reclose/core"
 * import { DynamoClient, DynamoStore } from "@reclose/dynamodb"
 * import { Layer } from "effect"
 *
 * const Breakers = CircuitBreaker.layer({ tripRule: TripRule.consecutive(5) }).pipe(
 *   Layer.provide(DynamoStore.layer({ tableName: "circuits" })),
 *   Layer.provide(DynamoClient.layer({ region: "eu-central-1" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<CircuitStore, never, DynamoClient> =>
  Layer.effect(CircuitStore, make(options))

/**
 * The same, with the options of `layer` from configuration.
 *
 * **Example** (The table's name from the environment)
 *
 * ```ts no-run
 * import { DynamoStore } from "@reclose/dynamodb"
 * import { Config } from "effect"
 *
 * const Store = DynamoStore.layerConfig({ tableName: Config.String("CIRCUITS_TABLE") })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<CircuitStore, Config.ConfigError, DynamoClient> =>
  Layer.effect(CircuitStore, Effect.flatMap(Config.unwrap(options), make))

const make = Effect.fnUntraced(function*(
  { prefix = "", tableName }: Options
): Effect.fn.Return<CircuitStore["Service"], never, DynamoClient | Scope.Scope> {
  const register = yield* makeRegister({ tableName, prefix, attribute })
  const look = yield* makeLook(register, tableName)

  return CircuitStore.make({
    read: (key) =>
      register.checkKey(key).pipe(
        Effect.andThen(look(key)),
        asStoreError(key, "read"),
        Effect.flatMap((look) => toSeen(key, "read", look))
      ),
    replace: (key, seen, next) =>
      register.replace(key, seen?.version, {
        version: next.version,
        text: CircuitRecord.toText(next),
        phase: next.phase._tag,
        expiresAt: next.timeToLive === undefined ? undefined : next.time + next.timeToLive
      }).pipe(
        asStoreError(key, "replace"),
        Effect.flatMap((written): Effect.Effect<Replaced, CircuitStoreError> =>
          written._tag === "Conflict"
            ? Effect.map(toSeen(key, "replace", written.look), (seen) => ({ _tag: "Conflict", seen }))
            : Effect.succeed({ _tag: "Replaced", time: written.time, precision })
        )
      ),
    changes: undefined,
    list: (wanted) => Stream.mapError(scan(register, tableName, prefix, wanted), toStoreError(wanted, "list"))
  })
})

/** Reads one key alone by itself and many together. */
const makeLook = (register: Register, tableName: string) =>
  makeBatching<Look, DynamoFailure>({
    limit: batchSize,
    run: (keys, settle) => {
      const [first] = keys
      if (keys.length === 1 && first !== undefined) {
        return Effect.map(register.read(first), (look) => settle(first, Exit.succeed(look)))
      }
      const left = new Map(keys.map((key) => [register.itemKey(key).key.S, key]))
      const command = () =>
        new BatchGetItemCommand({
          RequestItems: {
            [tableName]: { Keys: [...left.keys()].map((S) => ({ key: { S } })), ConsistentRead: true }
          }
        })
      return Effect.suspend(() => register.sending.send("BatchGetItem", command())).pipe(
        Effect.flatMap((answer) => Effect.map(timeOf(answer, tableName), (time) => ({ ...answer.output, time }))),
        Effect.flatMap(({ Responses, UnprocessedKeys, time }) => {
          const items = new Map(Object.values(Responses ?? {}).flat().map((item) => [item["key"]?.S, item]))
          const unprocessed = new Set(
            Object.values(UnprocessedKeys ?? {}).flatMap(({ Keys = [] }) => Keys.map((item) => item["key"]?.S))
          )
          for (const [itemKey, key] of left) {
            if (unprocessed.has(itemKey)) continue
            left.delete(itemKey)
            settle(key, Exit.succeed({ held: register.toHeld(items.get(itemKey)), time }))
          }
          return left.size === 0 ? Effect.void : Effect.fail(unanswered(tableName))
        }),
        Effect.retry({ schedule: retries, while: (failure) => failure.cause === unprocessed })
      )
    }
  })

const unprocessed = Symbol("UnprocessedKeys")

const unanswered = (tableName: string) =>
  new DynamoFailure({
    reason: "Throttled",
    message: `table "${tableName}" left keys of a batch unprocessed: give it more capacity, or on-demand billing, ` +
      "or let breakers refresh less often",
    cause: unprocessed
  })

const scan = (register: Register, tableName: string, prefix: string, wanted: string) => {
  const start = `${prefix}${wanted}`
  const command = (from: ScanCommand["input"]["ExclusiveStartKey"]) =>
    new ScanCommand({
      TableName: tableName,
      ConsistentRead: true,
      ProjectionExpression: "#key",
      FilterExpression: "attribute_type(#text, :string)" + (start === "" ? "" : " AND begins_with(#key, :start)"),
      ExpressionAttributeNames: { "#key": "key", "#text": attribute },
      ExpressionAttributeValues: { ":string": { S: "S" }, ...(start === "" ? {} : { ":start": { S: start } }) },
      ...(from === undefined ? {} : { ExclusiveStartKey: from })
    })
  return Stream.paginate(
    undefined as ScanCommand["input"]["ExclusiveStartKey"],
    (from) =>
      Effect.map(register.sending.send("Scan", command(from)), ({ output }) =>
        [
          (output.Items ?? []).flatMap((item) => item["key"]?.S?.slice(prefix.length) ?? []),
          output.LastEvaluatedKey === undefined ? Option.none() : Option.some(output.LastEvaluatedKey)
        ] as const)
  )
}

type Operation = CircuitStoreError["operation"]

const toStoreError = (key: string, operation: Operation) => ({ cause, message, reason }: DynamoFailure) =>
  new CircuitStoreError({ key, operation, reason, message, ...(cause === undefined ? {} : { cause }) })

const asStoreError = (key: string, operation: Operation) => Effect.mapError(toStoreError(key, operation))

const toSeen = (
  key: string,
  operation: Operation,
  { held, time }: Look
): Effect.Effect<Seen, CircuitStoreError> => {
  const fail = (reason: "WrongType" | "Corrupt", message: string) =>
    Effect.fail(new CircuitStoreError({ key, operation, reason, message }))
  if (held === undefined) return Effect.succeed({ record: undefined, time, precision })
  if (held._tag === "Foreign") {
    return fail(
      "WrongType",
      "the item of this key is none of ours; it is left alone: give circuits a table or a prefix of their own"
    )
  }
  return CircuitRecord.fromText(key, held.text).pipe(
    Effect.mapError(({ cause, message, reason }) => new CircuitStoreError({ key, operation, reason, message, cause })),
    Effect.flatMap((record) =>
      record.version === held.version
        ? Effect.succeed({ record, time, precision })
        : fail(
          "Corrupt",
          "the item's version is not that of its record; it is left alone: delete it to share the circuit again"
        )
    )
  )
}
