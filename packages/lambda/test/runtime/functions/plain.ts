/** A function without any library: what the runtime and its server do to it is what is looked at. */
import type { Context } from "aws-lambda"

const coldAt = Date.now()
let invocations = 0
let ticks = 0

setInterval(() => ticks++, 5).unref()
process.on("SIGTERM", () => {
  console.log("told to end")
  process.exit(3)
})

interface Event {
  readonly act:
    | "answer"
    | "throw"
    | "throwText"
    | "crash"
    | "exit"
    | "hang"
    | "deafen"
    | "printAndAnswer"
    | "nothing"
  readonly takes?: number
}

const sleep = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

export const handler = async ({ act, takes }: Event, context: Context): Promise<unknown> => {
  invocations++
  if (takes !== undefined) await sleep(takes)
  switch (act) {
    case "answer": {
      const { awsRequestId, functionName, invokedFunctionArn } = context
      const remaining = context.getRemainingTimeInMillis()
      return { invocations, ticks, coldAt, remaining, awsRequestId, functionName, invokedFunctionArn }
    }
    case "throw":
      throw new RangeError("too far")
    case "throwText":
      throw "a text"
    case "crash":
      setImmediate(() => {
        throw new Error("nobody catches this")
      })
      return sleep(10_000)
    case "exit":
      process.exit(7)
    case "hang":
      return sleep(60_000)
    case "deafen":
      process.removeAllListeners("SIGTERM")
      process.on("SIGTERM", () => {})
      return "deaf"
    case "printAndAnswer":
      console.log("one\ntwo")
      process.stdout.write(`{"raw":true}\n`)
      for (let line = 0; line < 2_000; line++) process.stdout.write(`${line}\n`)
      return "printed"
    case "nothing":
      return undefined
  }
}

export const nested = { inner: () => Promise.resolve("from within") }
