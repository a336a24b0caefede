/** A versioned text for each key of a table, which whoever has seen its latest version may replace. */
import { type AttributeValue, GetItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb"
import * as Effect from "effect/Effect"
import type { DynamoClient } from "../DynamoClient.ts"
import { DynamoFailure } from "./DynamoFailure.ts"
import { type Answer, makeSending, type Sending, timeOf } from "./Sending.ts"

/** What is held for a key, and DynamoDB's clock when it said so, in milliseconds since 1970, to the second. */
export interface Look {
  readonly held: Held | undefined
  readonly time: number
}

/** `Foreign` is an item that some other program wrote. */
export type Held =
  | { readonly _tag: "Text"; readonly version: number; readonly text: string }
  | { readonly _tag: "Foreign" }

export interface Next {
  readonly version: number
  readonly text: string
  /** For people who look at the table. */
  readonly phase: string
  /** From when on DynamoDB may drop the item, in milliseconds since 1970. */
  readonly expiresAt: number | undefined
}

export type Written = { readonly _tag: "Replaced"; readonly time: number } | {
  readonly _tag: "Conflict"
  readonly look: Look
}

export type Item = Record<string, AttributeValue>

export interface Register {
  readonly sending: Sending
  readonly itemKey: (key: string) => { readonly key: { readonly S: string } }
  readonly toHeld: (item: Item | undefined) => Held | undefined
  readonly read: (key: string) => Effect.Effect<Look, DynamoFailure>
  readonly replace: (key: string, seen: number | undefined, next: Next) => Effect.Effect<Written, DynamoFailure>
  /** Fails for a key that DynamoDB takes no request for. */
  readonly checkKey: (key: string) => Effect.Effect<void, DynamoFailure>
}

export interface RegisterOptions {
  readonly tableName: string
  readonly prefix: string
  /** The attribute that holds the text, so that registers of one table know their own items. */
  readonly attribute: string
}

const maxKeyBytes = 2048

export const makeRegister = Effect.fnUntraced(function*(
  { attribute, prefix, tableName }: RegisterOptions
): Effect.fn.Return<Register, never, DynamoClient> {
  const sending = yield* makeSending(tableName)
  const itemKey = (key: string) => ({ key: { S: `${prefix}${key}` } })

  const toHeld = (item: Item | undefined): Held | undefined => {
    if (item === undefined) return undefined
    const version = Number(item["version"]?.N ?? NaN)
    const text = item[attribute]?.S
    return text !== undefined && Number.isSafeInteger(version) ? { _tag: "Text", version, text } : { _tag: "Foreign" }
  }

  const lookAt = (answer: Answer<unknown>, item: Item | undefined): Effect.Effect<Look, DynamoFailure> =>
    Effect.map(timeOf(answer, tableName), (time) => ({ held: toHeld(item), time }))

  const checkKey = (key: string): Effect.Effect<void, DynamoFailure> => {
    const bytes = utf8Length(`${prefix}${key}`)
    return bytes >= 1 && bytes <= maxKeyBytes ? Effect.void : Effect.fail(
      new DynamoFailure({
        reason: "Oversized",
        message: `the key has ${bytes} bytes with its prefix, and DynamoDB takes 1 to ${maxKeyBytes}: use another key`
      })
    )
  }

  return {
    sending,
    itemKey,
    toHeld,
    checkKey,
    read: (key) =>
      checkKey(key).pipe(
        Effect.andThen(() =>
          sending.send("GetItem", new GetItemCommand({ TableName: tableName, Key: itemKey(key), ConsistentRead: true }))
        ),
        Effect.flatMap((answer) => lookAt(answer, answer.output.Item))
      ),
    replace: (key, seen, next) => {
      const update = () =>
        new UpdateItemCommand({
          TableName: tableName,
          Key: itemKey(key),
          ...toUpdate(attribute, seen, next),
          ReturnValuesOnConditionCheckFailure: "ALL_OLD"
        })
      return checkKey(key).pipe(
        Effect.andThen(() => sending.send("UpdateItem", update(), toConflict)),
        Effect.flatMap((answer): Effect.Effect<Written, DynamoFailure> =>
          "_tag" in answer.output
            ? Effect.map(lookAt(answer, answer.output.item), (look) => ({ _tag: "Conflict", look }))
            : Effect.map(timeOf(answer, tableName), (time) => ({ _tag: "Replaced", time }))
        )
      )
    }
  }
})

const toUpdate = (attribute: string, seen: number | undefined, { expiresAt, phase, text, version }: Next) => ({
  UpdateExpression: "SET #version = :version, #text = :text, #phase = :phase" +
    (expiresAt === undefined ? " REMOVE #expiresAt" : ", #expiresAt = :expiresAt"),
  // The type, too: an item that is none of ours may have a version of its own.
  ConditionExpression: seen === undefined
    ? "attribute_not_exists(#key)"
    : "#version = :seen AND attribute_type(#text, :string)",
  ExpressionAttributeNames: {
    "#version": "version",
    "#text": attribute,
    "#phase": "phase",
    "#expiresAt": "expiresAt",
    ...(seen === undefined ? { "#key": "key" } : {})
  },
  ExpressionAttributeValues: {
    ":version": { N: String(version) },
    ":text": { S: text },
    ":phase": { S: phase },
    ...(expiresAt === undefined ? {} : { ":expiresAt": { N: String(Math.ceil(expiresAt / 1000)) } }),
    ...(seen === undefined ? {} : { ":seen": { N: String(seen) }, ":string": { S: "S" } })
  }
})

const toConflict = (error: unknown) =>
  error instanceof Error && error.name === "ConditionalCheckFailedException"
    // As declared for this exception; without the item, nothing is held.
    ? { _tag: "Conflict" as const, item: "Item" in error ? error.Item as Item | undefined : undefined }
    : undefined

const utf8Length = (text: string): number => {
  let bytes = 0
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
  }
  return bytes
}
