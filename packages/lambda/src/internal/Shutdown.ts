/** The end of a container: finalizers run when Lambda says so, and the process exits in time. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import process from "node:process"
import { within } from "./within.ts"

/** What the handlers of this process have to close: a bundle may hold several. */
const closing: Array<Effect.Effect<unknown>> = []

/** Has something closed when the container is shut down. Elsewhere, signals are none of a library's business. */
export const ownShutdown = (close: Effect.Effect<void>, bound: Duration.Duration): void => {
  if (process.env["AWS_LAMBDA_RUNTIME_API"] === undefined) return
  closing.push(within(close, Duration.toMillis(bound)))
  if (closing.length > 1) return
  process.once("SIGTERM", () => {
    const closed = Effect.forEach(closing, (close) => close, { concurrency: "unbounded", discard: true })
    void Effect.runPromise(closed).then(() => process.exit(0))
  })
}
