/**
 * Circuits in DynamoDB, shared between processes.
 *
 * @since 0.1.0
 */
export { DynamoClient } from "./DynamoClient.ts"
export * as DynamoStore from "./DynamoStore.ts"
export * as DynamoTable from "./DynamoTable.ts"
export * as EffectCircuitBreakerStore from "./EffectCircuitBreakerStore.ts"
