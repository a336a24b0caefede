/**
 * Policies with the numbers that people know from elsewhere: the documented defaults of other breakers, for whoever
 * migrates, and three well-worn settings to begin with.
 *
 * **Details**
 *
 * A preset is a plain policy. Spread it to change some of it: `{ ...Preset.polly, maxKeys: 500 }`.
 *
 * **Gotchas**
 *
 * The numbers are those of the other breaker, the behaviour is ours: see "How a circuit behaves" in the guide. Where
 * the same number means something else here, the preset says so.
 *
 * **Example** (Beginning with what you know)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore, Preset, withBreaker } from "@reclose/core"
 * import { Effect, Layer } from "effect"
 *
 * const Breakers = CircuitBreaker.layer({ ...Preset.resilience4j, openDuration: "20 seconds" }).pipe(
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * await Effect.runPromise(Effect.succeed("42").pipe(withBreaker("quotes"), Effect.provide(Breakers))) // => "42"
 * ```
 *
 * @since 0.1.0
 */
import type { Policy } from "./Policy.ts"
import * as TripRule from "./TripRule.ts"

/** One probe at a time, whose answer decides. */
const oneProbe = { permits: 1, successThreshold: 1, failureThreshold: 1 } as const

/**
 * Five failures in a row open the circuit for a minute; one probe decides.
 *
 * The smallest breaker that does its work: `failure_threshold=5, recovery_time=60`.
 *
 * @category presets
 * @since 0.1.0
 */
export const simple = {
  tripRule: TripRule.consecutive(5),
  openDuration: "60 seconds",
  halfOpen: oneProbe
} as const satisfies Policy

/**
 * Five failures in a row open the circuit for half a minute; two successful probes, one after the other, close it.
 *
 * The numbers of the textbook pattern: `failure_threshold=5, recovery_timeout=30, success_threshold=2`.
 *
 * @category presets
 * @since 0.1.0
 */
export const confirmed = {
  tripRule: TripRule.consecutive(5),
  openDuration: "30 seconds",
  halfOpen: { permits: 1, successThreshold: 2, failureThreshold: 1 }
} as const satisfies Policy

/**
 * Five failures within a minute open the circuit for half a minute; three probes may be out at once, and all three have
 * to succeed.
 *
 * The numbers of an API client: `failureThreshold: 5, failureWindow: 60_000, resetTimeout: 30_000, halfOpenLimit: 3`.
 *
 * @category presets
 * @since 0.1.0
 */
export const windowed = {
  tripRule: TripRule.failures({ failures: 5, window: "60 seconds" }),
  openDuration: "30 seconds",
  halfOpen: { permits: 3, successThreshold: 3, failureThreshold: 1 }
} as const satisfies Policy

/**
 * The defaults of resilience4j 2, from `CircuitBreakerConfig`: half of the last 100 calls failing, or all of them slower
 * than a minute, opens for a minute; then ten calls are tried.
 *
 * **Gotchas**
 *
 * resilience4j closes when fewer than half of its ten trial calls failed, once all ten are back. Here six successes
 * close and five failures open, as soon as either is certain. It lets a half-open circuit wait for ever
 * (`maxWaitDurationInHalfOpenState` is off by default); here the trial has to end, within a minute.
 *
 * @category presets
 * @since 0.1.0
 */
export const resilience4j = {
  tripRule: TripRule.any([
    TripRule.failureRate({ threshold: 0.5, window: 100, minimumCalls: 100 }),
    TripRule.slowCallRate({ threshold: 1, slowerThan: "60 seconds", window: 100, minimumCalls: 100 })
  ]),
  openDuration: "60 seconds",
  halfOpen: { permits: 10, successThreshold: 6, failureThreshold: 5, maxDuration: "60 seconds" }
} as const satisfies Policy

/**
 * The defaults of Polly 8, from `CircuitBreakerStrategyOptions`: a tenth of at least 100 calls in thirty seconds failing
 * opens for five seconds; one probe decides.
 *
 * @category presets
 * @since 0.1.0
 */
export const polly = {
  tripRule: TripRule.failureRate({ threshold: 0.1, window: "30 seconds", minimumCalls: 100 }),
  openDuration: "5 seconds",
  halfOpen: oneProbe
} as const satisfies Policy

/**
 * The defaults of Hystrix 1.5, from `HystrixCommandProperties`: half of at least 20 calls in ten seconds failing opens
 * for five seconds; one probe decides.
 *
 * **Gotchas**
 *
 * Hystrix also ends each call after a second. A breaker here has no clock on calls: put `Effect.timeout("1 second")`
 * inside.
 *
 * @category presets
 * @since 0.1.0
 */
export const hystrix = {
  tripRule: TripRule.failureRate({ threshold: 0.5, window: "10 seconds", minimumCalls: 20 }),
  openDuration: "5 seconds",
  halfOpen: oneProbe
} as const satisfies Policy

/**
 * The defaults of opossum 10, from its constructor: half of the calls in ten seconds failing opens for thirty seconds;
 * one probe decides. There is no least number of calls, so the first call to fail opens it.
 *
 * **Gotchas**
 *
 * opossum opens above half, this at half. It divides by the calls that were started, this by those that have finished, so
 * the same share trips sooner here while calls are in flight. An error that its `errorFilter` accepts counts as a success:
 * `Outcome.classifier({ succeedOnError })`. It also ends each call after ten seconds: put `Effect.timeout("10 seconds")`
 * inside.
 *
 * @category presets
 * @since 0.1.0
 */
export const opossum = {
  tripRule: TripRule.failureRate({ threshold: 0.5, window: "10 seconds", minimumCalls: 1 }),
  openDuration: "30 seconds",
  halfOpen: oneProbe
} as const satisfies Policy

/**
 * What cockatiel 4 shows first in its readme, as it has no defaults: five failures in a row open for ten seconds; one
 * probe decides.
 *
 * **Gotchas**
 *
 * While a probe is out, cockatiel lets further calls wait for its answer. Here they are rejected at once.
 *
 * @category presets
 * @since 0.1.0
 */
export const cockatiel = {
  tripRule: TripRule.consecutive(5),
  openDuration: "10 seconds",
  halfOpen: oneProbe
} as const satisfies Policy

/**
 * The defaults of `rate({})` of Effect 4.1's own breaker: half of the last 100 calls failing, and not before there are
 * 100, opens; one probe decides. Effect has no default for the open time; thirty seconds are those of its first example.
 *
 * **Gotchas**
 *
 * The store behind Effect's breaker gives a probe in Redis ten seconds, and one in memory for ever. Here it is
 * `halfOpen.maxDuration`, ten seconds.
 *
 * @category presets
 * @since 0.1.0
 */
export const effect = {
  tripRule: TripRule.failureRate({ threshold: 0.5, window: 100, minimumCalls: 100 }),
  openDuration: "30 seconds",
  maxOpenDuration: "1 hour",
  halfOpen: { ...oneProbe, maxDuration: "10 seconds" }
} as const satisfies Policy
