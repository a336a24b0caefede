/** The keys that Redis holds something for. */
import type { CircuitStore } from "@reclose/core/CircuitStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redis from "effect/persistence/Redis"
import * as Stream from "effect/Stream"
import { failureOf } from "./Failure.ts"

const pageSize = "1000"

const begin = "0"

/** A pattern for what begins like this, whatever it consists of. */
const beginningWith = (text: string): string => `${text.replace(/[\\*?[\]]/g, "\\$&")}*`

export const list = (redis: Redis.Redis["Service"], storePrefix: string): CircuitStore["Service"]["list"] => (prefix) =>
  Stream.suspend(() => {
    // Redis may tell of a key twice while it resizes its table.
    const told = new Set<string>()
    const pattern = beginningWith(storePrefix + prefix)
    return Stream.paginate(begin, (cursor) =>
      redis.send<readonly [cursor: string, keys: ReadonlyArray<string>]>(
        "SCAN",
        cursor,
        "MATCH",
        pattern,
        "COUNT",
        pageSize
      ).pipe(
        Effect.mapError(failureOf("list", prefix)),
        Effect.map(([next, page]) => {
          const keys = [...new Set(page)].filter((key) => !told.has(key))
          for (const key of keys) told.add(key)
          return [
            keys.map((key) => key.slice(storePrefix.length)),
            next === begin ? Option.none() : Option.some(next)
          ]
        })
      ))
  })
