/** What the examples of Effect's documentation use in place of Effect's memory store. */
import { EffectCircuitBreakerStore } from "@reclose/dynamodb"
import { Effect, Layer } from "effect"
import { clientOf, makeTable } from "../support.ts"

/** Where the real server of the test that runs the examples is. */
export const endpointVariable = "RECLOSE_EXAMPLES_ENDPOINT"

/** Each a table of its own, as each of Effect's memory stores is one of its own. */
export const layerStore = () =>
  Layer.unwrap(Effect.map(Effect.orDie(makeTable), (tableName) => EffectCircuitBreakerStore.layer({ tableName }))).pipe(
    Layer.provide(Layer.suspend(() => clientOf(process.env[endpointVariable] ?? "")))
  )
