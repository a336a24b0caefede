/** A handler of ours that guards nothing. */
import * as LambdaHandler from "@reclose/lambda/LambdaHandler"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export const handler = LambdaHandler.make(Layer.empty, () => Effect.succeed("42"))
