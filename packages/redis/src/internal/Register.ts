/** The register of a key: what Redis holds for it, and the two scripts that read and replace it. */
import * as CircuitRecord from "@reclose/core/CircuitRecord"
import { type CircuitStore, CircuitStoreError, type Replaced, type Seen } from "@reclose/core/CircuitStore"
import * as Effect from "effect/Effect"
import * as Redis from "effect/persistence/Redis"
import { messageOf } from "./Changes.ts"
import { failureOf } from "./Failure.ts"

type Operation = "read" | "replace"
type Store = CircuitStore["Service"]

/** The version stands before the text, so that the script compares it without reading the text. */
const headOf = (version: number): string => `${version} `

/** Seconds, microseconds of the second, and what is held. */
type Reply = readonly [seconds: string, microseconds: string, held: string | null]

const readScript = Redis.script((...params: [key: string]) => params, {
  numberOfKeys: 1,
  lua: `
local time = redis.call('TIME')
return { time[1], time[2], redis.call('GET', KEYS[1]) }
`
}).withReturnType<Reply>()

// Versions are compared as text: a number of Lua is a double, and its text is not always its digits.
//
// An error of the script means that nothing was written and nothing published. A refused write (OOM, READONLY, NOREPLICAS,
// MISCONF) must publish nothing, or every instance would read the key for each attempt: so SET precedes PUBLISH. A user
// without the right to publish must write nothing: so the right is checked before SET, and the denied PUBLISH raises
// Redis's own error. Redis 6 can't check rights in a script: there, a denied PUBLISH fails after the record was written.
const replaceScript = Redis.script(
  (...params: [key: string, head: string, record: string, timeToLive: string, channel: string, message: string]) =>
    params,
  {
    numberOfKeys: 1,
    lua: `
local head, record, timeToLive, channel, message = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local time = redis.call('TIME')
local held = redis.call('GET', KEYS[1])
local unchanged
if held then
  unchanged = head ~= '' and string.sub(held, 1, #head) == head
else
  unchanged = head == ''
end
if not unchanged then
  return { time[1], time[2], held, 'conflict' }
end
if redis.acl_check_cmd and not redis.acl_check_cmd('PUBLISH', channel, message) then
  redis.call('PUBLISH', channel, message)
end
if timeToLive == '' then
  redis.call('SET', KEYS[1], record)
else
  redis.call('SET', KEYS[1], record, 'PX', timeToLive)
end
redis.call('PUBLISH', channel, message)
return { time[1], time[2], false, 'replaced' }
`
  }
).withReturnType<readonly [...Reply, "conflict" | "replaced"]>()

const timeOf = ([seconds, microseconds]: readonly [seconds: string, microseconds: string, ...rest: unknown[]]) => ({
  time: Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000),
  precision: 1
})

const recordOf = (operation: Operation, key: string, held: string) => {
  const [head, version] = /^(\d+) /.exec(held) ?? ["", ""]
  return CircuitRecord.fromText(key, held.slice(head.length)).pipe(
    Effect.mapError(({ cause, message, reason }) => new CircuitStoreError({ key, operation, reason, message, cause })),
    Effect.filterOrFail(
      (record) => String(record.version) === version,
      (record) =>
        new CircuitStoreError({
          key,
          operation,
          reason: "Corrupt",
          message:
            `the record is of version ${record.version} and is held as ${version || "none"}; it is left alone: ` +
            "delete it to share the circuit again"
        })
    )
  )
}

const seenOf = (
  operation: Operation,
  key: string,
  reply: readonly [...Reply, ...rest: unknown[]]
): Effect.Effect<Seen, CircuitStoreError> => {
  const held = reply[2]
  return held === null
    ? Effect.succeed({ record: undefined, ...timeOf(reply) })
    : Effect.map(recordOf(operation, key, held), (record) => ({ record, ...timeOf(reply) }))
}

/** Redis takes whole milliseconds from 1 on. Later than it can count to is never. */
const expiryOf = (timeToLive: number | undefined): string =>
  timeToLive === undefined ? "" : String(Math.min(Math.max(Math.ceil(timeToLive), 1), Number.MAX_SAFE_INTEGER))

/**
 * Runs a script by its digest, which the client has loaded. In a cluster it may have been loaded into another node than
 * the key's: what no node takes by its digest is sent in full, to the key's node, which then knows it.
 */
const runner = <Params extends ReadonlyArray<string>, Result>(
  redis: Redis.Redis["Service"],
  script: Redis.Script<{ params: Params; result: Result }>
) => {
  const run = redis.eval(script)
  return (...params: Params): Effect.Effect<Result, Redis.RedisError> =>
    Effect.catchIf(
      run(...params),
      ({ cause }) => String(cause).includes("NOSCRIPT"),
      () => redis.send<Result>("EVAL", script.lua, String(script.numberOfKeys(...params)), ...params)
    )
}

export const read = (redis: Redis.Redis["Service"], prefix: string): Store["read"] => {
  const run = runner(redis, readScript)
  return (key) =>
    run(prefix + key).pipe(
      Effect.mapError(failureOf("read", key)),
      Effect.flatMap((reply) => seenOf("read", key, reply))
    )
}

export const replace = (redis: Redis.Redis["Service"], prefix: string, channel: string): Store["replace"] => {
  const run = runner(redis, replaceScript)
  return (key, seen, next) =>
    Effect.suspend(() =>
      run(
        prefix + key,
        seen === undefined ? "" : headOf(seen.version),
        headOf(next.version) + CircuitRecord.toText(next),
        expiryOf(next.timeToLive),
        channel,
        messageOf(key, next)
      )
    ).pipe(
      Effect.mapError(failureOf("replace", key)),
      Effect.flatMap((reply): Effect.Effect<Replaced, CircuitStoreError> =>
        reply[3] === "replaced"
          ? Effect.succeed({ _tag: "Replaced", ...timeOf(reply) })
          : Effect.map(seenOf("replace", key, reply), (seen) => ({ _tag: "Conflict", seen }))
      )
    )
}
