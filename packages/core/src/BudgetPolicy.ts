/**
 * How much of its traffic a dependency may see again as retries.
 *
 * **Details**
 *
 * A policy is data. The same fields are read from code (`RetryBudget.layer`), from JSON (`fromJson`) and from Config
 * (`config`), validated by the same readers, with the same defaults. Whatever is wrong is reported at once, in one
 * `PolicyError`.
 *
 * The defaults are those that Finagle settled on: a fifth of the calls of the last ten seconds, and ten retries a second
 * beside it. Envoy's `retry_budget` and failsafe-go also allow a fifth; both count what is in flight instead of a window,
 * and let three retries through at any time.
 *
 * @since 0.1.0
 */
import type * as ConfigProvider from "effect/ConfigProvider"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ConfigTree from "./ConfigTree.ts"
import { budgetFields, readBudget } from "./internal/BudgetReader.ts"
import type { PolicyError } from "./PolicyError.ts"

/**
 * How much of its traffic a dependency may see again as retries.
 *
 * @category models
 * @since 0.1.0
 */
export interface BudgetPolicy {
  /** How many retries each call allows, 0 to 1: 0.2 is one retry for every five calls. Default 0.2. */
  readonly ratio?: number | undefined
  /**
   * How many retries a second are allowed however few calls there are. At least 0; without any, a dependency that is
   * called now and then would never see a retry. A whole window's worth may be spent at once. Default 10.
   */
  readonly minimumPerSecond?: number | undefined
  /** For how long a call allows retries, and a retry is remembered, 1 second to 1 hour. Default 10 seconds. */
  readonly window?: Duration.Input | undefined
  /**
   * How many keys are kept, 1 to 10,000,000. One that has been silent for a window makes room; if none has, a new key's
   * calls run as ever and are not retried. Default 10,000.
   */
  readonly maxKeys?: number | undefined
}

/**
 * Reads a budget's policy from parsed JSON, with the fields of `BudgetPolicy`. Durations are text such as
 * `"30 seconds"`, or milliseconds.
 *
 * **Example** (All mistakes at once)
 *
 * ```ts
 * import { BudgetPolicy } from "@reclose/core"
 * import { Effect } from "effect"
 *
 * const error = await Effect.runPromise(Effect.flip(BudgetPolicy.fromJson({ ratio: 20, widnow: "10 seconds" })))
 *
 * error.issues.map((issue) => issue.field) // => ["widnow", "ratio"]
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const fromJson = (json: unknown): Effect.Effect<BudgetPolicy, PolicyError> => checked(json, {})

/**
 * Reads a budget's policy from the current `ConfigProvider`, with the fields of `BudgetPolicy` below `path`.
 *
 * **Details**
 *
 * As for `Policy.config`: with a provider of environment variables behind `ConfigProvider.constantCase`, the field
 * `minimumPerSecond` below `retries` is `RETRIES_MINIMUM_PER_SECOND`. An unknown field below `path` is a mistake, and so is
 * a duration without a unit.
 *
 * **Example** (From the environment)
 *
 * ```ts
 * import { BudgetPolicy } from "@reclose/core"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromEnvRecord({ RETRIES_RATIO: "0.1", RETRIES_MINIMUM_PER_SECOND: "2" }).pipe(
 *   ConfigProvider.constantCase
 * )
 *
 * const policy = await BudgetPolicy.config("retries").pipe(
 *   Effect.provideService(ConfigProvider.ConfigProvider, environment),
 *   Effect.runPromise
 * )
 *
 * policy // => { ratio: 0.1, minimumPerSecond: 2 }
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const config = (path: string): Effect.Effect<BudgetPolicy, PolicyError | ConfigProvider.SourceError> =>
  Effect.flatMap(
    ConfigTree.read(path, ConfigTree.fields(Object.keys(budgetFields))),
    (json) => checked(json, { requiresUnits: true })
  )

const checked = (json: unknown, options: Parameters<typeof readBudget>[1]): Effect.Effect<BudgetPolicy, PolicyError> =>
  // Every field of it has been checked, so it is what the type says.
  Effect.as(readBudget(json, options), json as BudgetPolicy)
