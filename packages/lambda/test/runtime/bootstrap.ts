/**
 * What the managed Node runtime of Lambda does in a container: it loads the handler, asks the Runtime API for one
 * invocation after the other, and tells what became of each.
 *
 * A program of its own, in plain Node, since it is what stands around the code under test.
 */
import { existsSync } from "node:fs"
import { Agent, type IncomingHttpHeaders, request } from "node:http"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { format, types } from "node:util"

/**
 * Tells that all that an invocation has printed is out: see `RuntimeApi.ts`. A pipe that is full takes the rest later, and
 * would not while the process is frozen.
 */
const endOfLogs = (id: string) =>
  new Promise<void>((resolve, reject) =>
    process.stdout.write(`\u001eEND ${id}\n`, (error) => error instanceof Error ? reject(error) : resolve())
  )

const variable = (name: string): string => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: start this program through RuntimeApi.ts`)
  return value
}

const api = `http://${variable("AWS_LAMBDA_RUNTIME_API")}/2018-06-01/runtime`

// One connection for all, which waits for as long as the container is frozen.
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

interface Answer {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const send = (method: "GET" | "POST", path: string, body?: string, headers: Record<string, string> = {}) =>
  new Promise<Answer>((resolve, reject) => {
    const sent = request(`${api}${path}`, { method, agent, headers }, (response) => {
      const chunks: Array<Uint8Array> = []
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk))
      response.on("error", reject)
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8")
        if ((response.statusCode ?? 500) < 300) resolve({ headers: response.headers, body: text })
        else reject(new Error(`${method} ${path} was answered with ${response.statusCode}: ${text}`))
      })
    })
    sent.on("error", reject)
    sent.end(body)
  })

/** The runtime tells an error by what it holds, and knows nothing of what holds less. */
const isError = (error: unknown): error is Error =>
  types.isNativeError(error) ||
  (typeof error === "object" && error !== null &&
    ["name", "message", "stack"].every((field) => typeof Reflect.get(error, field) === "string"))

const toReport = (error: unknown) =>
  isError(error)
    ? { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? "").split("\n") }
    : { errorType: typeof error, errorMessage: String(error), trace: [] }

const sendError = (path: string, error: unknown, type = toReport(error).errorType) =>
  send("POST", path, JSON.stringify({ ...toReport(error), errorType: type }), {
    "content-type": "application/vnd.aws.lambda.error+json",
    "lambda-runtime-function-error-type": type
  })

type Handler = (event: unknown, context: object) => unknown

/** `folder/file.name`, where the name may lead into objects. */
const loadHandler = async (): Promise<Handler> => {
  const name = variable("_HANDLER")
  const from = name.indexOf(".", name.lastIndexOf("/") + 1)
  const file = join(variable("LAMBDA_TASK_ROOT"), name.slice(0, from))
  const path = [".js", ".mjs", ".cjs"].map((extension) => file + extension).find((path) => existsSync(path))
  if (path === undefined) throw new Error(`Cannot find module '${name.slice(0, from)}'`)
  let value: unknown = await import(pathToFileURL(path).href)
  for (const part of name.slice(from + 1).split(".")) {
    value = typeof value === "object" && value !== null ? Reflect.get(value, part) : undefined
  }
  if (typeof value !== "function") throw new Error(`${name} is undefined or not exported`)
  return value as Handler // as far as anybody can tell before it is called
}

let requestId: string | undefined

/** The runtime puts the time, the request and the level before what is printed to the console. */
const patchConsole = () => {
  const levels = { log: "INFO", info: "INFO", debug: "DEBUG", trace: "TRACE", warn: "WARN", error: "ERROR" } as const
  for (const [name, level] of Object.entries(levels)) {
    Reflect.set(console, name, (...args: ReadonlyArray<unknown>) => {
      const text = format(...args).replaceAll("\n", "\r")
      process.stdout.write(`${new Date().toISOString()}\t${requestId ?? "undefined"}\t${level}\t${text}\n`)
    })
  }
}

const header = (headers: IncomingHttpHeaders, name: string): string => {
  const value = headers[name]
  if (typeof value !== "string") throw new Error(`the Runtime API sent no ${name}`)
  return value
}

const makeContext = (headers: IncomingHttpHeaders) => {
  const deadline = Number(header(headers, "lambda-runtime-deadline-ms"))
  return {
    awsRequestId: header(headers, "lambda-runtime-aws-request-id"),
    callbackWaitsForEmptyEventLoop: true,
    functionName: variable("AWS_LAMBDA_FUNCTION_NAME"),
    functionVersion: variable("AWS_LAMBDA_FUNCTION_VERSION"),
    invokedFunctionArn: header(headers, "lambda-runtime-invoked-function-arn"),
    logGroupName: variable("AWS_LAMBDA_LOG_GROUP_NAME"),
    logStreamName: variable("AWS_LAMBDA_LOG_STREAM_NAME"),
    memoryLimitInMB: variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
    getRemainingTimeInMillis: () => deadline - Date.now()
  }
}

const crash = (type: string) => async (error: unknown) => {
  try {
    await sendError(requestId === undefined ? "/init/error" : `/invocation/${requestId}/error`, error, type)
  } finally {
    process.exit(128)
  }
}

const run = async (handler: Handler): Promise<never> => {
  while (true) {
    const { body, headers } = await send("GET", "/invocation/next")
    const context = makeContext(headers)
    requestId = context.awsRequestId
    process.env["_X_AMZN_TRACE_ID"] = header(headers, "lambda-runtime-trace-id")
    const ended = `/invocation/${requestId}`
    try {
      const result = await handler(JSON.parse(body), context)
      await endOfLogs(requestId)
      await send("POST", `${ended}/response`, JSON.stringify(result) ?? "null", { "content-type": "application/json" })
    } catch (error) {
      await endOfLogs(requestId)
      await sendError(`${ended}/error`, error)
    }
  }
}

process.on("uncaughtException", crash("Runtime.UncaughtException"))
process.on("unhandledRejection", crash("Runtime.UnhandledPromiseRejection"))
patchConsole()

let handler: Handler
try {
  handler = await loadHandler()
} catch (error) {
  await sendError("/init/error", error)
  process.exit(1)
}
await run(handler)
