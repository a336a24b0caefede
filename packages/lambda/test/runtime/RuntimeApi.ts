/**
 * Containers of Lambda for tests: a real server of the Lambda Runtime API, and a process of its own for each container,
 * that runs a bundle as the managed Node runtime does.
 *
 * A container handles one invocation at a time. It is frozen (SIGSTOP) as soon as it asks for the next one, and thawed
 * (SIGCONT) when that comes. It ends with the scope that started it.
 */
import { Data, Effect, type Scope } from "effect"
import { transformSync } from "esbuild"
import { type ChildProcess, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { fileURLToPath } from "node:url"
import { endWithUs } from "../../../core/test/processes/endWithUs.ts"

export interface ContainerOptions {
  /** The folder of the bundle: `LAMBDA_TASK_ROOT`. */
  readonly root: string
  /** File and export: "index.handler" unless set. */
  readonly handler?: string
  /** What the function's configuration sets. Nothing of this process's environment gets in. */
  readonly environment?: Readonly<Record<string, string>>
  /** How long an invocation may take until the container is killed, in milliseconds: 3,000 unless set, as in Lambda. */
  readonly timeout?: number
  /** Whether the container is frozen between invocations: true unless set. */
  readonly freezes?: boolean
  readonly functionName?: string
  /** In MB, as told to the function; the process is not limited: 128 unless set. */
  readonly memorySize?: number
}

/** What a function reports of an error, as Lambda's caller sees it. */
export interface ErrorReport {
  readonly errorType: string
  readonly errorMessage: string
  readonly trace?: ReadonlyArray<string>
}

export interface Invocation {
  readonly requestId: string
  readonly end:
    | { readonly _tag: "Succeeded"; readonly result: unknown }
    | { readonly _tag: "Failed"; readonly error: ErrorReport }
  /** The lines that were printed to stdout until then, since the last invocation ended. */
  readonly logs: ReadonlyArray<string>
  /** From when the invocation was handed out until its response was there. */
  readonly durationMs: number
}

export interface Container {
  /** From the start of the process until it asked for its first invocation, in milliseconds. */
  readonly initMs: number
  /** The lines that were printed to stdout until then. */
  readonly initLogs: ReadonlyArray<string>
  /**
   * Hands out an invocation and waits for its end. An error that the function reports is an end; that a container is
   * gone or busy is a failure. A container that times out or crashes is gone after the invocation that says so.
   */
  readonly invoke: (event: unknown) => Effect.Effect<Invocation, ContainerError>
  /** Ends it at once (SIGKILL). */
  readonly kill: Effect.Effect<void>
  /** Ends it as Lambda does where an extension is registered: SIGTERM, and SIGKILL after so many milliseconds. */
  readonly terminate: (graceMs: number) => Effect.Effect<Termination>
  /** Whether it is stopped now, as the system tells. */
  readonly isFrozen: Effect.Effect<boolean>
}

export interface Termination {
  /** Of a process that ended by itself; undefined for one that had to be killed. */
  readonly exitCode: number | undefined
  readonly logs: ReadonlyArray<string>
}

/** There is no container, or none any more; or its function could not be loaded. */
export class ContainerError extends Data.TaggedError("ContainerError")<{
  readonly message: string
  /** What the runtime has reported, if the function could not be loaded. */
  readonly report?: ErrorReport
}> {}

const initTimeout = 10_000
/** Stripped of its types here: a container in AWS has no compiler to load before the function. */
const bootstrap = transformSync(readFileSync(new URL("bootstrap.ts", import.meta.url), "utf8"), { loader: "ts" }).code
const endOfLogs = "\u001eEND "

interface Current {
  readonly id: string
  readonly startedAt: number
  readonly done: (invocation: Invocation) => void
  readonly timer: NodeJS.Timeout
  durationMs: number
  end: Invocation["end"] | undefined
  areLogsOut: boolean
}

/** One process and the server that it asks: all that happens to them comes in as events of Node. */
class Running {
  readonly child: ChildProcess
  private readonly options: ContainerOptions
  private readonly startedAt = performance.now()
  private readonly whenReady: Array<(report: ErrorReport | undefined) => void> = []
  private readonly whenClosed: Array<() => void> = []
  /** The request for the next invocation, while there is none. */
  private parked: ServerResponse | undefined
  private whenParked: (() => void) | undefined
  private current: Current | undefined
  private logs: Array<string> = []
  private complaint = ""
  initMs: number | undefined
  isClosed = false
  /** Whether it was told to end: it may do so on the way to being frozen. */
  private isEnding = false

  constructor(server: Server, port: number, options: ContainerOptions) {
    this.options = options
    this.child = endWithUs(spawn(process.execPath, ["--input-type=module", "--eval", bootstrap], {
      cwd: options.root,
      env: environmentOf(options, port),
      stdio: ["ignore", "pipe", "pipe"]
    }))
    server.on("request", (request, response) => void this.serve(request, response))
    // Not by readline, for which a carriage return ends a line as well: the runtime prints one for each line break.
    let rest = ""
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n")
      rest = lines.pop() ?? ""
      lines.forEach((line) => this.print(line))
    })
    this.child.stderr?.on("data", (data) => (this.complaint = `${this.complaint}${data}`.slice(-4_000)))
    this.child.once("error", ({ message }) => (this.complaint += message))
    this.child.once("close", () => this.close())
  }

  takeLogs(): ReadonlyArray<string> {
    return this.logs.splice(0)
  }

  onReady(listener: (report: ErrorReport | undefined) => void): void {
    this.whenReady.push(listener)
  }

  onClose(listener: () => void): void {
    if (this.isClosed) listener()
    else this.whenClosed.push(listener)
  }

  terminate(): void {
    this.isEnding = true
    this.child.kill("SIGTERM")
    this.child.kill("SIGCONT")
  }

  /** Why there is nothing to hope for any more. */
  get gone(): ContainerError {
    return new ContainerError({ message: `the container is gone: ${this.complaint || "it ended without a word"}` })
  }

  invoke(event: unknown, done: (invocation: Invocation) => void): ContainerError | undefined {
    if (this.isClosed) return this.gone
    if (this.current !== undefined || this.whenParked !== undefined) {
      return new ContainerError({ message: "the container is busy: it handles one invocation at a time" })
    }
    const hand = () => {
      this.whenParked = undefined
      const response = this.parked
      this.parked = undefined
      const id = randomUUID()
      const timeout = this.options.timeout ?? 3_000
      const timer = setTimeout(() => {
        this.fail(
          "Sandbox.Timedout",
          `RequestId: ${id} Error: Task timed out after ${(timeout / 1_000).toFixed(2)} seconds`
        )
        this.child.kill("SIGKILL")
      }, timeout)
      this.current = { id, startedAt: performance.now(), done, timer, durationMs: 0, end: undefined, areLogsOut: false }
      this.child.kill("SIGCONT")
      response?.writeHead(200, {
        "content-type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": id,
        "Lambda-Runtime-Deadline-Ms": String(Date.now() + timeout),
        "Lambda-Runtime-Invoked-Function-Arn": arnOf(this.options),
        "Lambda-Runtime-Trace-Id": `Root=1-5759e988-${
          id.replaceAll("-", "").slice(0, 24)
        };Parent=53995c3f42cd8ad8;Sampled=0`
      }).end(JSON.stringify(event) ?? "null")
    }
    // The response is told before the runtime asks again.
    if (this.parked === undefined) this.whenParked = hand
    else hand()
    return undefined
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.replace("/2018-06-01/runtime", "") ?? ""
    if (request.method === "GET" && path === "/invocation/next") return this.park(response)
    const chunks: Array<Uint8Array> = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString("utf8")
    const [, id, end] = /^\/invocation\/([^/]+)\/(response|error)$/.exec(path) ?? []
    const isInitError = path === "/init/error"
    if (request.method !== "POST" || (!isInitError && end === undefined)) return refuse(response, 404, "UnknownPath")
    if (!isInitError && id !== this.current?.id) return refuse(response, 400, "InvalidRequestID")
    response.writeHead(202, { "content-type": "application/json" }).end(`{"status":"OK"}`)
    if (isInitError) return this.whenReady.splice(0).forEach((ready) => ready(JSON.parse(body)))
    this.end(
      end === "response" ? { _tag: "Succeeded", result: JSON.parse(body) } : { _tag: "Failed", error: JSON.parse(body) }
    )
  }

  private park(response: ServerResponse): void {
    this.parked = response
    if (this.whenParked !== undefined) return this.whenParked()
    if (!this.isEnding && (this.options.freezes ?? true)) this.child.kill("SIGSTOP")
    this.initMs ??= performance.now() - this.startedAt
    this.whenReady.splice(0).forEach((ready) => ready(undefined))
  }

  private end(end: Invocation["end"]): void {
    if (this.current === undefined || this.current.end !== undefined) return
    clearTimeout(this.current.timer)
    this.current.end = end
    this.current.durationMs = performance.now() - this.current.startedAt
    this.tellEnd()
  }

  private fail(errorType: string, errorMessage: string): void {
    this.end({ _tag: "Failed", error: { errorType, errorMessage } })
  }

  private print(line: string): void {
    if (!line.startsWith(endOfLogs)) return void this.logs.push(line)
    if (this.current !== undefined && line === endOfLogs + this.current.id) this.current.areLogsOut = true
    this.tellEnd()
  }

  private tellEnd(): void {
    const { current } = this
    if (current?.end === undefined || !(current.areLogsOut || this.isClosed)) return
    this.current = undefined
    const { done, durationMs, end, id } = current
    done({ requestId: id, end, durationMs, logs: this.takeLogs() })
  }

  private close(): void {
    this.isClosed = true
    const ended = this.child.signalCode === null
      ? `exit status ${this.child.exitCode}`
      : `signal: ${this.child.signalCode}`
    this.fail("Runtime.ExitError", `RequestId: ${this.current?.id} Error: Runtime exited with error: ${ended}`)
    this.tellEnd()
    this.whenReady.splice(0).forEach((ready) =>
      ready({ errorType: "Runtime.ExitError", errorMessage: `${ended} ${this.complaint}` })
    )
    this.whenClosed.splice(0).forEach((listener) => listener())
  }
}

const refuse = (response: ServerResponse, status: number, errorType: string): void => {
  response.writeHead(status, { "content-type": "application/json" }).end(
    JSON.stringify({ errorType, errorMessage: errorType })
  )
}

const nameOf = ({ functionName = "test-function" }: ContainerOptions) => functionName

const arnOf = (options: ContainerOptions) => `arn:aws:lambda:eu-central-1:123456789012:function:${nameOf(options)}`

const environmentOf = (options: ContainerOptions, port: number): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  LANG: "en_US.UTF-8",
  TZ: ":UTC",
  AWS_REGION: "eu-central-1",
  AWS_DEFAULT_REGION: "eu-central-1",
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  AWS_SESSION_TOKEN: "test",
  AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${process.versions.node.split(".")[0]}.x`,
  AWS_LAMBDA_FUNCTION_NAME: nameOf(options),
  AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(options.memorySize ?? 128),
  AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${nameOf(options)}`,
  AWS_LAMBDA_LOG_STREAM_NAME: "2026/01/01/[$LATEST]0123456789abcdef",
  AWS_LAMBDA_LOG_FORMAT: "Text",
  AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
  LAMBDA_RUNTIME_DIR: fileURLToPath(new URL(".", import.meta.url)),
  ...options.environment,
  AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`,
  LAMBDA_TASK_ROOT: options.root,
  _HANDLER: options.handler ?? "index.handler"
})

const listen: Effect.Effect<{ readonly server: Server; readonly port: number }, never, Scope.Scope> = Effect
  .acquireRelease(
    Effect.callback((resume) => {
      const server = createServer()
      // A connection outlives any freeze, and a request any silence.
      server.keepAliveTimeout = 0
      server.requestTimeout = 0
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ server, port }))
      })
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )

const closed = (running: Running) => Effect.callback<void>((resume) => running.onClose(() => resume(Effect.void)))

const killed = (running: Running) => Effect.andThen(Effect.sync(() => running.child.kill("SIGKILL")), closed(running))

/** Starts a container, and waits until its function is loaded and it asks for work. */
export const startContainer = (
  options: ContainerOptions
): Effect.Effect<Container, ContainerError, Scope.Scope> =>
  Effect.gen(function*() {
    const { port, server } = yield* listen
    const running = yield* Effect.acquireRelease(Effect.sync(() => new Running(server, port, options)), killed)
    const report = yield* Effect.callback<ErrorReport | undefined>((resume) =>
      running.onReady((report) => resume(Effect.succeed(report)))
    ).pipe(Effect.timeoutOrElse({
      duration: initTimeout,
      orElse: () => Effect.fail(new ContainerError({ message: `no handler was loaded within ${initTimeout} ms` }))
    }))
    if (report !== undefined) {
      const message = `the function could not be loaded: ${report.errorType}: ${report.errorMessage}`
      return yield* new ContainerError({ message, report })
    }
    return {
      initMs: running.initMs ?? 0,
      initLogs: running.takeLogs(),
      invoke: (event) =>
        Effect.callback<Invocation, ContainerError>((resume) => {
          const refused = running.invoke(event, (invocation) => resume(Effect.succeed(invocation)))
          if (refused !== undefined) resume(Effect.fail(refused))
        }),
      kill: killed(running),
      terminate: (graceMs) =>
        Effect.suspend(() => {
          running.terminate()
          return Effect.timeoutOrElse(closed(running), { duration: graceMs, orElse: () => killed(running) })
        }).pipe(
          Effect.map(() => ({ exitCode: running.child.exitCode ?? undefined, logs: running.takeLogs() }))
        ),
      isFrozen: Effect.promise(() => stateOf(running.child))
    }
  })

/** What Linux says of a process: `T` is one that was stopped. */
const stateOf = async ({ pid }: ChildProcess): Promise<boolean> => {
  const { readFile } = await import("node:fs/promises")
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T")
}
