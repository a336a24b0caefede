/**
 * Circuit breakers, time limits, retries and stale answers around Effect's `HttpClient`.
 *
 * @since 0.1.0
 */
export * as CircuitKey from "./CircuitKey.ts"
export * as Credentials from "./Credentials.ts"
export * as HttpBreaker from "./HttpBreaker.ts"
export { GuardedHttpClient } from "./HttpBreaker.ts"
export * as HttpOutcome from "./HttpOutcome.ts"
export * as HttpPolicy from "./HttpPolicy.ts"
export * as HttpRetry from "./HttpRetry.ts"
export * as RetryAfter from "./RetryAfter.ts"
export * as StaleAnswer from "./StaleAnswer.ts"
export { Throttled, type ConcurrencyPolicy, type RatePolicy } from "./Throttled.ts"
export * as TimeLimits from "./TimeLimits.ts"
