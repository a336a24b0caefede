/** Log lines of a handler: Lambda's JSON format filters them by the method of the console that they are written with. */
import { BeforeResponse, LambdaHandler } from "@reclose/lambda"
import { Effect, Layer, Logger } from "effect"
import { afterEach, assert, describe, it, vi } from "vitest"

const methods = ["log", "debug", "info", "warn", "error"] as const

/** What is written to the console from now on, by method. */
const heard = () => {
  const lines: Array<readonly [method: string, line: string]> = []
  for (const method of methods) {
    vi.spyOn(console, method).mockImplementation((...args) => void lines.push([method, args.join(" ")]))
  }
  return lines
}

afterEach(() => vi.restoreAllMocks())

const context = { awsRequestId: "1", getRemainingTimeInMillis: () => 3_000 } as Parameters<
  LambdaHandler.LambdaHandler<unknown, unknown>
>[1]

/** A layer with a task that fails, of which the handler warns. */
const Failing = Layer.effectDiscard(
  Effect.flatMap(BeforeResponse, ({ add }) => add({ name: "tell the audit", run: Effect.die("down") }))
)

describe("the log of a handler", () => {
  it("has warnings of this package at the level WARN, which no filter for warnings drops", async () => {
    const lines = heard()
    await LambdaHandler.make(Failing, () => Effect.void)(undefined, context)
    assert.deepStrictEqual(lines.map(([method]) => method), ["warn"])
    assert.match(lines[0]?.[1] ?? "", /level=WARN .*It was not possible to tell the audit before the response.*down/s)
  })

  it("has lines of the program at the level that each is logged with", async () => {
    const lines = heard()
    const handler = LambdaHandler.make(Layer.empty, () => Effect.andThen(Effect.logInfo("a"), Effect.logError("b")))
    await handler(undefined, context)
    assert.deepStrictEqual(lines.map(([method]) => method), ["info", "error"])
  })

  it("is written by the logger that the program's layer provides, if it does", async () => {
    const lines = heard()
    const own: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void own.push(String(message)))
    await LambdaHandler.make(Layer.merge(Failing, Logger.layer([logger])), () => Effect.logInfo("a"))(
      undefined,
      context
    )
    assert.deepStrictEqual(own, ["a", "It was not possible to tell the audit before the response"])
    assert.deepStrictEqual(lines, [])
  })
})
