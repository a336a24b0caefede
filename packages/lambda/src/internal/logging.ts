/** Log lines as Lambda expects them. */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"

const loggers: ReadonlySet<Logger.Logger<unknown, unknown>> = new Set([
  Logger.withLeveledConsole(Logger.formatLogFmt),
  Logger.tracerLogger
])

/**
 * Writes each log line with the console's method of its level, unless the effect has loggers of its own. Lambda's JSON log
 * format takes the level from the method: Effect's default logger uses `console.log` for all, so warnings would be INFO.
 */
export const withLeveledLog: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = Effect
  .provideService(
    Logger.CurrentLoggers,
    loggers
  )
