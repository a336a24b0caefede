/**
 * Circuit breakers for Effect programs.
 *
 * @since 0.1.0
 */
export type { Admission } from "./Admission.ts"
export * as BudgetPolicy from "./BudgetPolicy.ts"
export {
  type Breaker,
  CircuitBreaker,
  type CommandResult,
  type GuardOptions,
  withBreaker,
  type WithBreaker
} from "./CircuitBreaker.ts"
export type {
  CircuitEvent,
  CircuitOverride,
  CircuitPhase,
  Reading,
  Transition,
  TransitionReason
} from "./CircuitEvent.ts"
export { CircuitOpen, type RejectionReason } from "./CircuitOpen.ts"
export * as CircuitRecord from "./CircuitRecord.ts"
export type { CallCounts, CircuitRejection, CircuitState } from "./CircuitState.ts"
export { CircuitStateSchema } from "./CircuitStateSchema.ts"
export {
  type Change,
  type CircuitRegister,
  CircuitStore,
  CircuitStoreError,
  type CircuitStoreReason,
  type Replaced,
  type Seen
} from "./CircuitStore.ts"
export * as ConfigTree from "./ConfigTree.ts"
export * as EventLog from "./EventLog.ts"
export * as Fallback from "./Fallback.ts"
export type { FallbackEvent } from "./FallbackEvent.ts"
export * as LastGood from "./LastGood.ts"
export * as LastGoodStore from "./LastGoodStore.ts"
export * as Outcome from "./Outcome.ts"
export * as Policy from "./Policy.ts"
export { PolicyError, type PolicyIssue } from "./PolicyError.ts"
export * as Preset from "./Preset.ts"
export {
  type Budget,
  type BudgetState,
  RetryBudget,
  type RetryOptions,
  withRetryBudget,
  type WithRetryBudget
} from "./RetryBudget.ts"
export * as Snapshot from "./Snapshot.ts"
export * as TripRule from "./TripRule.ts"
