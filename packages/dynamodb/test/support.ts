/** What the tests of this package share: a suite for each real server, clients, tables, records. */
import { assert, describe, it, layer, vi, type Vitest } from "@effect/vitest"
import { CircuitStore } from "@reclose/core"
import type { CircuitRecord } from "@reclose/core/CircuitRecord"
import { DynamoClient, DynamoStore, DynamoTable } from "@reclose/dynamodb"
import { Context, type Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { type DynamoProgram, type DynamoServer, programs, start } from "./DynamoServer.ts"

/** The real server of a suite. */
export class Server extends Context.Service<Server, DynamoServer>()("test/Server") {}

type Suite = Vitest.MethodsNonLive<Server>

// A server of Java takes its time.
vi.setConfig({ testTimeout: 30_000 })

const runnable = programs.filter(({ missing }) => missing === undefined)

/** Whether a machine without any server may leave out what needs one. */
const required = process.env["RECLOSE_REQUIRE_DYNAMODB"] === "1" && runnable.length === 0

/** A server that is warm: the first requests to one in Java take seconds. */
const serverOf = (program: DynamoProgram) =>
  Layer.effect(
    Server,
    Effect.tap(Effect.orDie(start(program)), (server) =>
      Effect.andThen(replace("warm", undefined, recordOf(1)), read("warm")).pipe(
        Effect.provide(freshStore),
        Effect.provideService(Server, server),
        Effect.orDie
      ))
  )

/** One suite for each real server that this machine can run, and a word about each that it can't. */
export const forEachServer = (
  name: string,
  declare: (name: string, server: Layer.Layer<Server>) => void
) => {
  for (const program of runnable) declare(`${name}, on ${program.name}`, serverOf(program))
  describe.for(programs.filter(({ missing }) => missing !== undefined))(`${name}, on $name`, ({ missing }) => {
    it.skipIf(!required)(`is not tested on this machine: ${missing}`, () => {
      assert.fail(`RECLOSE_REQUIRE_DYNAMODB asks for it, but ${missing}`)
    })
  })
}

/** The program of the server that starts soonest, for tests that take long and have little to do with the server. */
export const [soonest] = runnable

/** The same tests on the server that starts soonest, with the clock of the machine. */
export const onOneServer = (name: string, suite: (it: Suite) => void) => {
  if (soonest === undefined) return forEachServer(name, () => {})
  layer(serverOf(soonest), { timeout: "30 seconds", excludeTestServices: true })(`${name}, on ${soonest.name}`, suite)
}

/**
 * The same tests on every real server, with the clock of the machine; on the one that starts soonest alone unless
 * `RECLOSE_EVERY_SERVER` is 1, since the suite that every store has to pass runs on all of them anyway.
 */
export const onEachServer = (name: string, suite: (it: Suite) => void) => {
  if (process.env["RECLOSE_EVERY_SERVER"] !== "1") return onOneServer(name, suite)
  forEachServer(
    name,
    (name, server) => layer(server, { timeout: "30 seconds", excludeTestServices: true })(name, suite)
  )
}

const credentials = { accessKeyId: "test", secretAccessKey: "test" }

/** A client of an endpoint of the test's own, that gives up on nothing by itself. */
export const clientOf = (endpoint: string, maxAttempts = 1) =>
  DynamoClient.layer({ endpoint, region: "local", credentials, maxAttempts, requestHandler: {} })

/** A client of the suite's real server. */
export const serverClient = Layer.unwrap(Effect.map(Server, ({ endpoint }) => clientOf(endpoint)))

let tables = 0

/** A table of the test's own. */
export const makeTable = Effect.gen(function*() {
  const tableName = `circuits-${++tables}`
  yield* DynamoTable.createTable({ tableName })
  return tableName
})

/** A store of the test's own on the suite's real server, in a table of its own. */
export const freshStore = Layer.unwrap(Effect.map(makeTable, (tableName) => DynamoStore.layer({ tableName }))).pipe(
  Layer.provideMerge(serverClient)
)

/** A store over an endpoint of the test's own. */
export const storeOver = (endpoint: string, maxAttempts?: number) =>
  DynamoStore.layer({ tableName: "circuits" }).pipe(Layer.provide(clientOf(endpoint, maxAttempts)))

export const read = (key: string) => CircuitStore.use((store) => store.read(key))

export const replace = (key: string, seen: CircuitRecord | undefined, next: CircuitRecord) =>
  CircuitStore.use((store) => store.replace(key, seen, next))

/** A record: any will do, since that is none of a store's business. Of the year 2096, since servers drop old ones. */
export const recordOf = (version: number, changes: Partial<CircuitRecord> = {}): CircuitRecord => ({
  version,
  time: 4_000_000_000_500,
  timeToLive: 3_600_000,
  generation: 3,
  phase: { _tag: "Open", openings: 1, duration: 30_000, remaining: 20_000 },
  override: "None",
  policy: "1x2y3z",
  evidence: [{ _tag: "Consecutive", failures: 2 }],
  failing: [["k3f9", 4_000_000_000_000]],
  writers: [["k3f9", version]],
  ...changes
})

/** A little of the machine's time, whatever the test's clock. */
const aMoment = Effect.callback<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void), 2)
  return Effect.sync(() => clearTimeout(timer))
})

/** Waits for something real that happens soon, whatever the test's clock; the test's own time limit is the bound. */
export const waitUntil = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => holds() ? Effect.void : Effect.andThen(aMoment, waitUntil(holds)))

/** Moves the clock of the test while something real goes on, for those who wait a little before they try again. */
export const pushing = (step: Duration.Input) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(effect, Effect.forever(Effect.andThen(aMoment, TestClock.adjust(step))))
