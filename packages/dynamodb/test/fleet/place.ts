/** Real servers of DynamoDB's API that processes share. */
import { CircuitStore } from "@reclose/core"
import { DynamoStore, DynamoTable } from "@reclose/dynamodb"
import { Context, Effect, Layer, Schedule } from "effect"
import { fileURLToPath } from "node:url"
import { Breakables } from "../../../core/test/processes/faults.ts"
import { makeLink } from "../../../core/test/processes/Link.ts"
import { type Corner, Place } from "../../../core/test/processes/Place.ts"
import { type DynamoProgram, start } from "../DynamoServer.ts"
import { clientOf, makeTable, Server } from "../support.ts"
import type { Where } from "./child.ts"

const program = fileURLToPath(new URL("child.ts", import.meta.url))

/** A table, or one that is not there. What is held is seen from here, by a client of the test's own. */
export const cornerOf = (endpoint: string, tableName: string, changes: Partial<Where> = {}) =>
  Effect.gen(function*() {
    const where: Where = { endpoint, tableName, prefix: "", ...changes }
    const store = DynamoStore.layer({ tableName, prefix: where.prefix })
    const context = yield* Layer.build(Layer.provide(store, clientOf(endpoint)))
    const read = Context.get(context, CircuitStore).read
    // A server that is started anew gets its table a little later.
    const held: Corner["held"] = (key) =>
      Effect.orDie(Effect.map(Effect.retry(read(key), Schedule.spaced("20 millis")), ({ record }) => record))
    return { program, where, held }
  })

/** A table of a test's own, on the suite's server. */
export const freshCorner = Effect.gen(function*() {
  const { endpoint } = yield* Server
  const tableName = yield* Effect.provide(makeTable, clientOf(endpoint))
  return yield* cornerOf(endpoint, tableName)
}).pipe(Effect.orDie)

/** The suite's server, as a place to share. */
export const ServerPlace = Layer.effect(
  Place,
  Effect.map(Server, (server) => ({
    name: "DynamoDB",
    precision: 1_000,
    corner: Effect.provideService(freshCorner, Server, server)
  }))
)

const tableName = "circuits"

const breakable = (program: DynamoProgram) =>
  Effect.gen(function*() {
    const { endpoint, kill, pause, restart, resume } = yield* start(program)
    const create = Effect.provide(DynamoTable.createTable({ tableName }), clientOf(endpoint))
    yield* create
    const link = yield* makeLink(Number(new URL(endpoint).port))
    const direct = yield* cornerOf(endpoint, tableName)
    const linked = { ...direct, where: { ...direct.where, endpoint: `http://127.0.0.1:${link.port}` } }
    return { linked, direct, link, kill, pause, resume, restart: Effect.orDie(Effect.andThen(restart, create)) }
  }).pipe(Effect.orDie)

export const breakablesOf = (program: DynamoProgram) =>
  Layer.succeed(Breakables, { name: program.name, make: breakable(program) })
