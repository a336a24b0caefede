/** What the tests of the store share: a real Redis to kill, restart and pause, and stores on it. */
import { NodeRedis } from "@effect/platform-node"
import type { CircuitRecord } from "@reclose/core/CircuitRecord"
import { type Change, CircuitStore } from "@reclose/core/CircuitStore"
import { RedisStore } from "@reclose/redis"
import { Context, Effect, Layer, Logger, Queue, Schedule, Stream } from "effect"
import { Redis } from "effect/persistence"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { connect as connectTo, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createClient } from "redis"
import { endWithUs } from "../../core/test/processes/endWithUs.ts"
import { freePort } from "../../core/test/processes/freePort.ts"

/** The server to start: the one on the PATH, or another version of it. */
const binary = process.env["RECLOSE_REDIS_SERVER"] ?? "redis-server"

const available: "private" | "shared" | "none" = spawnSync(binary, ["--version"]).status === 0
  ? "private"
  : process.env["REDIS_URL"] === undefined
  ? "none"
  : "shared"

const install = "install it (`apt-get install redis-server`, `brew install redis`)"

const requirement = (met: boolean, advice: string) => {
  if (!met && process.env["RECLOSE_REQUIRE_REDIS"] === "1") throw new Error(advice)
  if (!met) console.warn(`tests are skipped: ${advice}`)
  return { skip: !met }
}

/** Options of tests that run on any Redis, each under a prefix of its own. */
export const anyRedis = () =>
  requirement(available !== "none", `Redis is missing: ${install}, or set REDIS_URL to one that tests may write to`)

/** Options of tests that need a Redis of their own. */
export const privateRedis = () =>
  requirement(available === "private", `${binary} can't be started, to be killed and paused: ${install}`)

/** Starts Redis, and fails if it ends before it takes connections, as it does where the port is taken. */
export const start = (port: number, directory: string, more: Readonly<Record<string, string | number>> = {}) =>
  Effect.tryPromise(async () => {
    const options = { port, bind: "127.0.0.1", save: "", appendonly: "no", dir: directory, ...more }
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    const child = endWithUs(spawn(binary, flags))
    const ready = await new Promise<boolean>((resolve) => {
      child.stdout.on("data", (text) => String(text).includes("Ready to accept connections") && resolve(true))
      child.once("exit", () => resolve(false))
    })
    if (!ready) throw new Error(`no Redis on port ${port}`)
    return child
  })

export const stop = (child: ChildProcess) =>
  Effect.promise(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, "exit")
    child.kill("SIGKILL")
    await exit
  })

const make = Effect.gen(function*() {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "reclose-redis-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )
  const first = yield* Effect.acquireRelease(
    Effect.flatMap(freePort, (port) => Effect.map(start(port, directory), (child) => ({ child, port }))).pipe(
      Effect.retry({ times: 5 }),
      Effect.map(({ child, port }) => ({ running: child, port }))
    ),
    (server) => stop(server.running)
  )
  const url = `redis://127.0.0.1:${first.port}`
  const signal = (name: NodeJS.Signals) => Effect.asVoid(Effect.sync(() => first.running.kill(name)))
  return {
    url,
    kill: Effect.suspend(() => stop(first.running)),
    restart: Effect.orDie(
      Effect.map(
        Effect.retry(start(first.port, directory), Schedule.spaced("100 millis").pipe(Schedule.upTo({ times: 50 }))),
        (child) => {
          first.running = child
        }
      )
    ),
    pause: signal("SIGSTOP"),
    resume: signal("SIGCONT")
  }
}).pipe(Effect.orDie)

/** A Redis of the test's own, that ends with its scope. Nothing is on its disk: a restarted one is empty. */
export class RedisServer extends Context.Service<RedisServer, {
  readonly url: string
  /** Ends it at once, as a crash does. */
  readonly kill: Effect.Effect<void>
  /** Starts it again, at the same port. */
  readonly restart: Effect.Effect<void>
  /** Leaves its connections open and lets it answer none, until `resume`. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}>()("test/RedisServer") {
  static readonly layer = Layer.effect(this, make)
}

/** Where Redis is: a private one if possible, else the one that REDIS_URL names. */
export class RedisUrl extends Context.Service<RedisUrl, string>()("test/RedisUrl") {
  static readonly layer: Layer.Layer<RedisUrl> = available === "private"
    ? Layer.effect(this, Effect.map(RedisServer, ({ url }) => url)).pipe(Layer.provide(RedisServer.layer))
    : Layer.succeed(this, process.env["REDIS_URL"] ?? "")
}

/** A private Redis, and where it is. */
export const PrivateRedis: Layer.Layer<RedisServer | RedisUrl> = Layer.effect(
  RedisUrl,
  Effect.map(RedisServer, ({ url }) => url)
).pipe(Layer.provideMerge(RedisServer.layer))

type ClientOptions = NonNullable<Parameters<typeof NodeRedis.layer>[0]>

/** Sends one command on a connection of its own, as an operator does. */
export const command = Effect.fnUntraced(function*(...words: ReadonlyArray<string>) {
  const url = yield* RedisUrl
  return yield* Effect.promise(async () => {
    const client = await createClient({ url }).connect()
    try {
      return await client.sendCommand<unknown>([...words])
    } finally {
      client.destroy()
    }
  })
})

/** A prefix that no other test has. What is kept under it in a Redis that others use goes with the test. */
export const ownPrefix = Effect.acquireRelease(
  Effect.sync(() => `reclose-test-${randomUUID()}:`),
  Effect.fnUntraced(function*(prefix) {
    if (available !== "shared") return
    const keys = yield* command("KEYS", `${prefix}*`)
    if (Array.isArray(keys) && keys.length > 0) yield* command("UNLINK", ...keys.map(String))
  })
)

/** What one process holds: a client and a store on it. The client is silent about its own troubles. */
export const connect = Effect.fnUntraced(function*(prefix: string, options?: ClientOptions) {
  const url = yield* RedisUrl
  const client = Layer.provide(NodeRedis.layer({ url, ...options }), Logger.layer([]))
  const context = yield* Layer.build(Layer.provideMerge(RedisStore.layer({ prefix }), client))
  return { store: Context.get(context, CircuitStore), redis: Context.get(context, Redis.Redis) }
})

/** A record of this version, with what the test wants of it. */
export const recordOf = (version: number, fields?: Partial<CircuitRecord>): CircuitRecord => ({
  version,
  time: 1_790_000_000_000,
  timeToLive: 3_600_000,
  generation: 0,
  phase: { _tag: "Closed", openings: 0, remaining: 0 },
  override: "None",
  policy: "1x2y3z",
  evidence: [{ _tag: "Consecutive", failures: 2 }],
  failing: [["k3f9", 1_790_000_000_000]],
  writers: [["k3f9", version]],
  ...fields
})

/** Hears the changes that a store tells of, from the moment its subscription stands. */
export const hear = Effect.fnUntraced(function*(store: CircuitStore["Service"]) {
  const heard = yield* listenTo(store)
  yield* heardOf(heard, isMissed)
  return heard
})

/** Hears the changes that a store tells of, whether it can subscribe or not. */
export const listenTo = Effect.fnUntraced(function*(store: CircuitStore["Service"]) {
  const heard = yield* Queue.unbounded<Change>()
  const listening = Stream.runForEach(store.changes ?? Stream.empty, (change) => Queue.offer(heard, change))
  yield* Effect.forkScoped(listening)
  return heard
})

/** Waits for a change like this, past all others. */
export const heardOf = (heard: Queue.Dequeue<Change>, like: (change: Change) => boolean) =>
  Effect.repeat(Queue.take(heard), { until: like })

export const isMissed = (change: Change): boolean => change._tag === "Missed"

export const isOf = (key: string) => (change: Change): boolean => change._tag === "Changed" && change.key === key

/** Tries until it succeeds, for as long as the test may last. */
export const eventually = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> =>
  Effect.orDie(Effect.retry(self, Schedule.spaced("20 millis")))

/** A Redis that answers as told, for what a real one can't be brought to say. */
export const fakeRedis = (
  send: (command: string, ...words: ReadonlyArray<string>) => Effect.Effect<unknown, Redis.RedisError>,
  subscribe: Redis.Redis["Service"]["subscribe"] = () => Effect.die("was subscribed to")
): Layer.Layer<Redis.Redis> =>
  Layer.effect(
    Redis.Redis,
    Redis.make({
      // Whoever sends says what comes back, as with a real client.
      send: <A>(command: string, ...words: ReadonlyArray<string>) =>
        send(command, ...words) as Effect.Effect<A, Redis.RedisError>,
      subscribe: () => Effect.die("is replaced below"),
      connect: Effect.die("was asked for a connection")
    }).pipe(Effect.map((redis) => ({ ...redis, subscribe })))
  )

/** An address that can lead to another server for each new connection, and that can swallow what is sent through it. */
export const makeSwitch = Effect.fnUntraced(function*(url: string) {
  const sockets = new Set<Socket>()
  let target = url
  const server = createServer((client) => {
    const upstream = connectTo(Number(new URL(target).port), "127.0.0.1")
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(from)
      from.on("error", () => to.destroy())
      from.on("close", () => {
        sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
    () =>
      Effect.sync(() => {
        server.close()
        sockets.forEach((socket) => socket.destroy())
      })
  )
  const address = server.address()
  if (address === null || typeof address === "string") return yield* Effect.die("a socket of TCP has a port")
  return {
    url: `redis://127.0.0.1:${address.port}`,
    /** Where connections lead from here on. Those that are open stay where they are. */
    leadTo: (url: string) => Effect.sync(() => void (target = url)),
    /** Connections stay open, and nothing passes through them any more. New ones work. */
    swallow: Effect.sync(() => {
      for (const socket of sockets) {
        socket.unpipe()
        socket.resume()
      }
    })
  }
})
