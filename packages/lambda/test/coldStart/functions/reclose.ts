/** A handler of ours that guards a call and writes metrics, with circuits of its own. */
import { CircuitStore, withBreaker } from "@reclose/core"
import * as EmbeddedMetrics from "@reclose/lambda/EmbeddedMetrics"
import { LambdaBreaker } from "@reclose/lambda/LambdaBreaker"
import * as LambdaHandler from "@reclose/lambda/LambdaHandler"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const Live = EmbeddedMetrics.layer({ service: "worker" }).pipe(
  Layer.provideMerge(LambdaBreaker.layer()),
  Layer.provide(CircuitStore.layerMemory)
)

export const handler = LambdaHandler.make(Live, () => Effect.succeed("42").pipe(withBreaker("quotes")))
