/** Where fallbacks tell what they got over. One for a process: a chain is a function, and has nobody to own it. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { FallbackEvent } from "../FallbackEvent.ts"
import { EventBus } from "./EventBus.ts"

export const FallbackBus = Context.Reference<EventBus<FallbackEvent>>("@reclose/core/FallbackBus", {
  defaultValue: () => new EventBus()
})

export const publish = (event: FallbackEvent): Effect.Effect<void> =>
  Effect.map(FallbackBus, (bus) => bus.publish(event))
