import * as Effect from "effect/Effect"
import type { Backend } from "./backends.ts"
import { instance, keysOf, patient, proveHealthy } from "./instances.ts"

/** How long the first guarded call of a key takes, one key after the other, in milliseconds. */
export const measureHydration = (backend: Backend, keys: number): Effect.Effect<ReadonlyArray<number>, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const only = yield* instance(backend.connect("hydrate:"), patient)
    const first = (key: string) =>
      Effect.suspend(() => {
        const start = performance.now()
        return only.breaker.withBreaker(Effect.sync(() => performance.now() - start), key)
      })
    // The first keys of all pay for connections and for code that nobody has run yet.
    yield* Effect.forEach(keysOf("warm-up", Math.ceil(keys / 10)), first)
    const samples = yield* Effect.forEach(keysOf("key", keys), first)
    yield* proveHealthy([only])
    return samples
  }))
