/**
 * The error of options that can't be.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * One mistake in options.
 *
 * @category models
 * @since 0.1.0
 */
export interface OptionIssue {
  readonly field: string
  readonly value: unknown
  /** What is allowed there, in words. */
  readonly allowed: string
}

/**
 * Raised where options are read, with every mistake at once.
 *
 * **Example** (All mistakes of a layer's options)
 *
 * ```ts
 * import { CircuitStore } from "@reclose/core"
 * import { BeforeResponse, EmbeddedMetrics, LambdaBreaker } from "@reclose/lambda"
 * import { Effect, Layer } from "effect"
 *
 * const Metrics = EmbeddedMetrics.layer({ service: "", maxCircuits: -1 }).pipe(
 *   Layer.provide(LambdaBreaker.layer()),
 *   Layer.provide([BeforeResponse.layer, CircuitStore.layerMemory])
 * )
 *
 * const error = await Effect.runPromise(Effect.flip(Effect.provide(Effect.void, Metrics)))
 *
 * error._tag // => "InvalidOptions"
 * error.message.split("\n").length // => 2
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidOptions extends Data.TaggedError("InvalidOptions")<{
  readonly issues: ReadonlyArray<OptionIssue>
  readonly message: string
}> {
  constructor(options: { readonly issues: ReadonlyArray<OptionIssue> }) {
    super({
      issues: options.issues,
      message: options.issues
        .map(({ allowed, field, value }) =>
          `${field} is ${JSON.stringify(value) ?? String(value)}: it must be ${allowed}`
        )
        .join("\n")
    })
  }
}
