/** The least that an Effect program can be. */
import * as Effect from "effect/Effect"

Effect.runFork(Effect.sync(() => console.log("hello")))
