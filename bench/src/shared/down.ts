import { TripRule } from "@reclose/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type { Backend } from "./backends.ts"
import { instance, keysOf } from "./instances.ts"

/** How long calls wait to be admitted, in milliseconds. */
export interface Waits {
  readonly inUse: ReadonlyArray<number>
  readonly newKeys: ReadonlyArray<number>
}

const callsPerWave = 20
/** A thousand new keys a second would keep the machine busy with giving up on them, and measure that. */
const wavesPerNewKey = 10

/**
 * Calls while the store is down: first it holds its connections and says nothing, then it is gone. Ends the server.
 *
 * In each wave there is a call for every key in use, and in every tenth one for a new key. One call in twenty fails, so
 * that there is something to tell the store.
 */
export const measureDown = (backend: Backend, millis: number): Effect.Effect<Waits, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    // Waits as any program would that sets nothing.
    const { breaker, troubles } = yield* instance(backend.connect("down:"), {
      tripRule: TripRule.failureRate({ threshold: 0.5, window: 100, minimumCalls: 20 }),
      maxKeys: 200_000
    })
    const waits = { inUse: Array<number>(), newKeys: Array<number>() }
    const calls = { inUse: 0, newKeys: 0 }
    const call = (of: keyof Waits, key: string, fails: boolean) =>
      Effect.suspend(() => {
        const start = performance.now()
        calls[of]++
        const work = Effect.suspend(() => {
          waits[of].push(performance.now() - start)
          return fails ? Effect.fail("on purpose") : Effect.void
        })
        return Effect.ignore(breaker.withBreaker(work, key))
      })

    const keys = keysOf("in-use", callsPerWave)
    yield* Effect.forEach(keys, (key) => breaker.withBreaker(Effect.void, key), { discard: true })
    const newCalls = yield* FiberSet.make()
    let waves = 0
    const wave = Effect.suspend(() => {
      const turn = waves++
      const isNew = turn % wavesPerNewKey === 0
      return Effect.andThen(
        isNew ? FiberSet.run(newCalls, call("newKeys", `new-${turn}`, false)) : Effect.void,
        Effect.forEach(keys, (key, index) => call("inUse", key, (turn + index) % callsPerWave === 0), { discard: true })
      )
    })
    const load = (millis: number) =>
      Effect.suspend(() => {
        const end = performance.now() + millis
        return Effect.whileLoop({
          while: () => performance.now() < end,
          body: () => Effect.andThen(wave, Effect.sleep(1)),
          step: () => {}
        })
      })
    yield* backend.server.pause
    yield* load(millis / 2)
    yield* backend.server.kill
    yield* load(millis / 2)
    yield* Effect.timeout(FiberSet.awaitEmpty(newCalls), "10 seconds")

    const lost = calls.inUse - waits.inUse.length + calls.newKeys - waits.newKeys.length
    if (lost > 0) return yield* Effect.die(new Error(`${lost} calls were not admitted while the store was down`))
    if (troubles.length === 0) return yield* Effect.die(new Error("the store was not down"))
    return waits
  })).pipe(Effect.timeout(Duration.millis(millis + 60_000)))
