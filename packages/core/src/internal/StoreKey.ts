/**
 * The key of the store's service without its class: a class brings along its statics, and the store's what sharing takes,
 * which is half of a small program.
 */
import * as Context from "effect/Context"
import type { CircuitStore } from "../CircuitStore.ts"

export const storeKey = "@reclose/core/CircuitStore"

export const StoreKey = Context.Service<CircuitStore, CircuitStore["Service"]>(storeKey)
