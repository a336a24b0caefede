/**
 * For those who write a store: the suite that every store has to pass. For those who test what happens when a store
 * fails: a store that loses, delays, duplicates and fails on demand.
 *
 * **Gotchas**
 *
 * `@effect/vitest` and `vitest` are optional peers of this package: whoever imports this module has to have them.
 *
 * @since 0.1.0
 */
export {
  runStoreCase,
  type StoreCaseOptions,
  storeCases,
  StoreCaseTimeout,
  storeConformance,
  StoresApart
} from "./testing/Conformance.ts"
export * as Fate from "./testing/Fate.ts"
export { FaultyStore, type NextOptions } from "./testing/FaultyStore.ts"
export { NotOffered, Stage, type StoreCase } from "./testing/Stage.ts"
