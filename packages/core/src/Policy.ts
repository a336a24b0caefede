/**
 * How circuits behave: when they open, for how long, and how they recover.
 *
 * **Details**
 *
 * A policy is data. The same fields are read from code (`CircuitBreaker.layer`), from JSON (`fromJson`) and from Config
 * (`config`), validated by the same readers, with the same defaults. Whatever is wrong is reported at once, in one
 * `PolicyError`.
 *
 * Every field has a default, so `{}` is a policy: five failures in a row open a circuit for thirty seconds, then one
 * probe decides.
 *
 * @since 0.1.0
 */
import type * as ConfigProvider from "effect/ConfigProvider"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as ConfigTree from "./ConfigTree.ts"
import * as Key from "./internal/Key.ts"
import { readPolicy } from "./internal/PolicyReader.ts"
import { policyShape } from "./internal/PolicyShape.ts"
import type { PolicyError } from "./PolicyError.ts"
import type { TripRule } from "./TripRule.ts"

/**
 * An open duration that grows by a factor with each opening in a row.
 *
 * @category models
 * @since 0.1.0
 */
export interface Backoff {
  /** How long the first opening lasts, 1 millisecond to 1 day. */
  readonly initial: Duration.Input
  /** By what it grows with each further opening in a row, at least 1. Default 2. */
  readonly factor?: number | undefined
}

/**
 * How a half-open circuit is tried.
 *
 * **Details**
 *
 * The circuit closes as soon as `successThreshold` probes have succeeded and opens as soon as `failureThreshold` have
 * failed, so it decides after at most `successThreshold + failureThreshold - 1` answers. An ignored or interrupted probe
 * frees its place and counts for neither.
 *
 * @category models
 * @since 0.1.0
 */
export interface HalfOpen {
  /** How many probes may be out at once, 1 to 1,000. Default 1. */
  readonly permits?: number | undefined
  /** How many probes must succeed for the circuit to close, 1 to 1,000. Default 1. */
  readonly successThreshold?: number | undefined
  /** How many probes must fail for the circuit to open again, 1 to 1,000. Default 1. */
  readonly failureThreshold?: number | undefined
  /**
   * How long probes may be out without a decision, 1 millisecond to 1 day. When it passes, the trial has failed and the
   * circuit opens again, so a probe that never returns cannot hold it half-open. Default 30 seconds.
   */
  readonly maxDuration?: Duration.Input | undefined
}

/**
 * What may differ from key to key.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyPolicy {
  /** When a closed circuit opens. Default `TripRule.consecutive(5)`. */
  readonly tripRule?: TripRule | undefined
  /**
   * How long an opening lasts: a duration (1 millisecond to 1 day), a backoff, or a schedule whose n-th delay is the
   * length of the n-th opening in a row, drawn anew for each. A schedule that ends stays at its last delay; one without delays lets the very
   * next call probe. Default 30 seconds.
   *
   * The count of openings in a row survives a recovery and is forgotten once the circuit has stayed closed for as long
   * as it was last open.
   */
  readonly openDuration?: Duration.Input | Backoff | Schedule.Schedule<unknown, number> | undefined
  /**
   * The longest an opening may last, 1 millisecond to 7 days: the cap for `openDuration`, and for what a failure's
   * `retryAfter` asks for. Default 1 hour.
   */
  readonly maxOpenDuration?: Duration.Input | undefined
  /**
   * By what share an opening may be shorter than `openDuration`, 0 to 1, drawn anew for each opening: 0.5 draws from
   * its upper half. It spreads the probes of many processes. Default 0, none.
   */
  readonly jitter?: number | undefined
  /** How a half-open circuit is tried. */
  readonly halfOpen?: HalfOpen | undefined
  /**
   * For how long after its first use a circuit measures nothing, 0 to 1 day, so that a cold start cannot open it.
   * Default 0.
   */
  readonly warmUp?: Duration.Input | undefined
  /**
   * How many processes that share a store have to see failures before the circuit opens for all of them, 1 to 32. One
   * that sees enough by itself opens its own circuit at once, whatever the others see. Default 1: an opening is for all.
   */
  readonly quorum?: number | undefined
}

/**
 * A policy for all keys of a breaker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy extends KeyPolicy {
  /**
   * What differs for some keys, by pattern: `*` stands for any run of characters.
   *
   * A key takes what the narrowest matching pattern says, then the next wider one, then the policy itself. Two patterns
   * that share keys without one containing the other are a mistake, because no order between them would be right.
   */
  readonly keys?: Readonly<Record<string, KeyPolicy>> | undefined
  /**
   * How many circuits are kept, 1 to 10,000,000. Beyond it the idlest closed circuits make room, and open ones that no
   * call has probed for `idleTimeToLive`; if there are none, a new key's calls run unguarded and the event `KeyRefused`
   * says so. Default 10,000.
   */
  readonly maxKeys?: number | undefined
  /**
   * After how long without a call a circuit may be evicted, an open one counted from the end of its opening, and after how long without a change its record in a
   * store, 1 second to 30 days. Default 1 hour.
   */
  readonly idleTimeToLive?: Duration.Input | undefined
  /**
   * How long the first calls of a key wait for the store, 1 millisecond to 1 minute; so does who looks at an unused key,
   * and the next call of a process that was frozen for long. Default 100 milliseconds.
   */
  readonly hydrateTimeout?: Duration.Input | undefined
  /**
   * How long anything else waits for the store, 1 millisecond to 1 minute. Only a probe waits in front of a call. Default
   * 500 milliseconds.
   */
  readonly storeTimeout?: Duration.Input | undefined
  /**
   * How often a process may tell the store what it counts while something fails, 10 milliseconds to 1 minute; `flush`
   * tells it at once. Default 1 second.
   */
  readonly flushEvery?: Duration.Input | undefined
  /**
   * How often a process asks a store that doesn't tell by itself for the circuits in use, those that were called within
   * the last 150 refreshes: 10 milliseconds to 1 hour. All processes of a fleet should have the same, since failures are
   * judged together only after everybody has had the time to hear of them. Default 2 seconds.
   */
  readonly refreshEvery?: Duration.Input | undefined
  /**
   * Whether the breaker may work between calls. Set it to false in a process that is frozen between calls, such as a
   * Lambda container: then whatever is due is done beside the calls, and `flush` does the rest. It holds from the making
   * of a breaker on; an update doesn't change it. Default true.
   */
  readonly background?: boolean | undefined
}

/**
 * Reads a policy from parsed JSON, with the fields of `Policy`. Durations are text such as `"30 seconds"`, or
 * milliseconds.
 *
 * **Example** (A policy file)
 *
 * ```ts
 * import { Policy } from "@reclose/core"
 * import { Effect } from "effect"
 *
 * const file = `{
 *   "tripRule": { "_tag": "FailureRate", "threshold": 0.25, "window": "30 seconds" },
 *   "openDuration": { "initial": "5 seconds", "factor": 2 },
 *   "keys": { "payments/*": { "tripRule": { "_tag": "Consecutive", "failures": 3 } } }
 * }`
 *
 * const policy = await Effect.runPromise(Policy.fromJson(JSON.parse(file)))
 *
 * policy.keys // => { "payments/*": { tripRule: { _tag: "Consecutive", failures: 3 } } }
 * ```
 *
 * **Example** (An unknown field is a mistake)
 *
 * ```ts
 * import { Policy } from "@reclose/core"
 * import { Effect } from "effect"
 *
 * const error = await Effect.runPromise(Effect.flip(Policy.fromJson({ opneDuration: "5 seconds" })))
 *
 * error.issues[0]?.field // => "opneDuration"
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const fromJson = (json: unknown): Effect.Effect<Policy, PolicyError> => checked(json, {})

/**
 * Reads a policy from the current `ConfigProvider`, with the fields of `Policy` below `path`.
 *
 * **Details**
 *
 * Field names are those of `Policy`. With a provider of environment variables, such as
 * `ConfigProvider.fromEnv()` behind `ConfigProvider.constantCase`, that is for instance
 * `BREAKER_OPEN_DURATION`. An unknown field below `path` is a mistake, as in JSON. A duration has to name its unit:
 * `BREAKER_OPEN_DURATION=10` is a mistake, since it may be meant as seconds. In code and in JSON a number of milliseconds
 * will do.
 *
 * **Example** (A policy beside the program)
 *
 * ```ts
 * import { Policy } from "@reclose/core"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const provider = ConfigProvider.fromUnknown({
 *   breaker: { tripRule: { _tag: "Consecutive", failures: "3" }, openDuration: "10 seconds" }
 * })
 *
 * const policy = await Policy.config("breaker").pipe(
 *   Effect.provideService(ConfigProvider.ConfigProvider, provider),
 *   Effect.runPromise
 * )
 *
 * policy.openDuration // => "10 seconds"
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const config = (path: string): Effect.Effect<Policy, PolicyError | ConfigProvider.SourceError> =>
  Effect.flatMap(ConfigTree.read(path, policyShape), (json) => checked(json, { requiresUnits: true }))

const checked = (json: unknown, options: Parameters<typeof readPolicy>[1]): Effect.Effect<Policy, PolicyError> =>
  // Every field of it has been checked, so it is what the type says.
  Effect.as(readPolicy(json, options), json as Policy)

/**
 * Whether a text can name a circuit: 1 to 512 characters, none of them a control character or half of a surrogate pair.
 *
 * **Details**
 *
 * For keys that come from outside. Guarding with a key that is none is a defect, since most keys come from the program.
 *
 * **Example** (A key from a request)
 *
 * ```ts
 * import { Policy } from "@reclose/core"
 *
 * Policy.isKey("https://quotes.example") // => true
 * Policy.isKey("quotes\n") // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isKey: (key: unknown) => key is string = Key.isKey
