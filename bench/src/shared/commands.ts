import * as Effect from "effect/Effect"
import { succeeding, Tally } from "../subjects/work.ts"
import type { Backend } from "./backends.ts"
import { askedBetween } from "./commandStats.ts"
import { instance, keysOf, proveHealthy } from "./instances.ts"

/** What a process asks of a store while it makes healthy calls: a figure for each part of the time, and for all of it. */
export interface Asked {
  readonly perCall: number
  readonly parts: ReadonlyArray<number>
}

const prefix = "commands:"
const callsPerWave = 10
const waveMillis = 10

/** About a thousand calls a second under ten keys, all of them successes, with whatever the sync does meanwhile. */
export const countCommands = (
  backend: Backend,
  { partMillis, parts }: { readonly parts: number; readonly partMillis: number }
): Effect.Effect<Asked, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const only = yield* instance(backend.connectCounted(prefix), {})
    const tally = new Tally()
    const calls = keysOf("key", callsPerWave).map((key) => only.breaker.withBreaker(succeeding(tally), key))
    const wave = Effect.all(calls, { discard: true })
    // First uses read the store, which is what `hydrate` measures.
    yield* wave
    yield* backend.hears(prefix, 1)

    const part = Effect.gen(function*() {
      const before = { asked: yield* backend.commands, calls: tally.proofs() }
      const end = performance.now() + partMillis
      while (performance.now() < end) yield* Effect.andThen(wave, Effect.sleep(waveMillis))
      return { asked: askedBetween(before.asked, yield* backend.commands), calls: tally.proofs() - before.calls }
    })
    const counts = yield* Effect.forEach(Array.from({ length: parts }), () => part)
    yield* proveHealthy([only])
    const sum = (field: "asked" | "calls") => counts.reduce((sum, count) => sum + count[field], 0)
    return { perCall: sum("asked") / sum("calls"), parts: counts.map(({ asked, calls }) => asked / calls) }
  }))
