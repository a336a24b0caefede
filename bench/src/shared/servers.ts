/** Private servers: each a process of its own on a free port of this machine, ended with the scope. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { endWithUs } from "../../../packages/core/test/processes/endWithUs.ts"
import { freePort } from "../../../packages/core/test/processes/freePort.ts"
import { versionOf } from "../machine.ts"

/** A program that serves, or why this machine can't run it. */
export interface Program {
  readonly name: string
  readonly version: string
  readonly missing: string | undefined
  readonly command: (port: number) => readonly [file: string, ...args: Array<string>]
}

export interface Server {
  readonly port: number
  /** Leaves its connections open and answers nobody any more. */
  readonly pause: Effect.Effect<void>
  /** Ends it at once, as a crash does. */
  readonly kill: Effect.Effect<void>
}

export class ServerError extends Data.TaggedError("ServerError")<{ readonly message: string }> {}

/** Of the machine: no package brings it. */
const redis = "redis-server"

export const redisServer = (): Program => {
  // Nothing is written to the disk, so any directory will do.
  const options = { bind: "127.0.0.1", save: "", appendonly: "no", dir: tmpdir() }
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
  const { status, stdout } = spawnSync(redis, ["--version"], { encoding: "utf8" })
  return {
    name: "Redis",
    version: /v=(\S+)/.exec(stdout ?? "")?.[1] ?? "unknown",
    missing: status === 0
      ? undefined
      : "redis-server is not on the PATH; install it (`apt-get install redis-server`, `brew install redis`)",
    command: (port) => [redis, "--port", `${port}`, ...words]
  }
}

const folderOf = (library: string): string | undefined => {
  try {
    return dirname(fileURLToPath(import.meta.resolve(`${library}/package.json`)))
  } catch {
    return undefined
  }
}

export const dynoxide = (): Program => {
  const library = "@dynoxide/linux-x64"
  const folder = folderOf(library)
  const binary = join(folder ?? "", "dynoxide")
  return {
    name: "Dynoxide",
    version: folder === undefined ? "unknown" : versionOf(library),
    missing: folder !== undefined && existsSync(binary)
      ? undefined
      : "@dynoxide/linux-x64, a server of the DynamoDB API, is only installed on Linux x64",
    command: (port) => [binary, "--host", "127.0.0.1", "--port", `${port}`]
  }
}

// A benchmark that is stopped closes no scope, and leaves no server behind.
process.once("SIGINT", () => process.exit(130))
process.once("SIGTERM", () => process.exit(143))

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

const takesConnections = (port: number) =>
  Effect.tryPromise({
    try: async () => {
      const socket = connect(port, "127.0.0.1")
      await once(socket, "connect").finally(() => socket.destroy())
    },
    catch: () => new ServerError({ message: `nobody listens on port ${port}` })
  })

const kill = (child: ChildProcess) =>
  Effect.promise(async () => {
    if (hasEnded(child)) return
    const exit = once(child, "exit")
    child.kill("SIGKILL")
    await exit
  })

const run = ({ command, name }: Program, port: number) =>
  Effect.gen(function*() {
    const [file, ...args] = command(port)
    const child = endWithUs(spawn(file, args, { stdio: "ignore" }))
    yield* takesConnections(port).pipe(
      // Whoever answers on the port of a server that has ended is somebody else.
      Effect.filterOrFail(() => !hasEnded(child), () => new ServerError({ message: `${name} has ended` })),
      Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 500, while: () => !hasEnded(child) }),
      Effect.onError(() => kill(child))
    )
    return child
  })

/** Starts a server. A port that somebody else took meanwhile is exchanged for another one. */
export const start = (program: Program): Effect.Effect<Server, ServerError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.flatMap(freePort, (port) => Effect.map(run(program, port), (child) => ({ child, port }))).pipe(
      Effect.retry({ times: 3 })
    ),
    ({ child }) => kill(child)
  ).pipe(
    Effect.map(({ child, port }) => ({
      port,
      pause: Effect.sync(() => void child.kill("SIGSTOP")),
      kill: kill(child)
    }))
  )
