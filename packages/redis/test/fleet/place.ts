/** Real Redis servers that processes share. */
import { Effect, Layer } from "effect"
import { fileURLToPath } from "node:url"
import { Breakables } from "../../../core/test/processes/faults.ts"
import { makeLink } from "../../../core/test/processes/Link.ts"
import { type Corner, Place } from "../../../core/test/processes/Place.ts"
import { connect, eventually, ownPrefix, PrivateRedis, RedisServer, RedisUrl } from "../support.ts"
import type { Where } from "./child.ts"

const program = fileURLToPath(new URL("child.ts", import.meta.url))

/** A corner of a Redis. What is held is seen from here, by a connection of the test's own. */
export const cornerOf = (changes: Partial<Where> = {}) =>
  Effect.gen(function*() {
    const prefix = yield* ownPrefix
    const where: Where = { url: yield* RedisUrl, prefix, watches: false, ...changes }
    const { store } = yield* connect(prefix, { socket: { reconnectStrategy: 50 } })
    const held: Corner["held"] = (key) => eventually(Effect.map(store.read(key), ({ record }) => record))
    return { program, where, held }
  }).pipe(Effect.orDie)

export const RedisPlace = Layer.effect(
  Place,
  Effect.gen(function*() {
    const context = yield* Effect.context<RedisUrl>()
    return { name: "Redis", precision: 1, corner: Effect.provideContext(cornerOf(), context) }
  })
).pipe(Layer.provideMerge(PrivateRedis))

const breakable = Effect.gen(function*() {
  const server = yield* RedisServer
  const link = yield* makeLink(Number(new URL(server.url).port))
  const direct = yield* cornerOf({ watches: true })
  const linked = { ...direct, where: { ...direct.where, url: `redis://127.0.0.1:${link.port}` } }
  const { kill, pause, restart, resume } = server
  return { linked, direct, link, kill, pause, restart, resume }
})

export const BreakableRedis = Layer.succeed(Breakables, {
  name: "Redis",
  make: Effect.flatMap(Layer.build(PrivateRedis), (context) => Effect.provideContext(breakable, context))
})
