import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import { effectOn } from "../subjects/effect.ts"
import { ordinary } from "../subjects/policy.ts"
import { succeeding, Tally } from "../subjects/work.ts"
import type { RedisBackend } from "./backends.ts"

/** Effect's own breaker keeps its circuits in Redis. */
export const effectStore = (redis: RedisBackend) =>
  Layer.provide(CircuitBreaker.layerStoreRedis({ prefix: "effect:" }), redis.client())

/** How many scripts Effect's own breaker has Redis run for a healthy call. What they do in there is not counted. */
export const countEffectCommands = (redis: RedisBackend): Effect.Effect<number, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const { context, guard } = yield* effectOn(effectStore(redis), ordinary)
    const tally = new Tally()
    const call = Effect.provide(guard(succeeding(tally), "key"), context)
    const scripts = Effect.map(redis.commands, (commands) => commands.get("evalsha") ?? 0)
    yield* call
    const before = { scripts: yield* scripts, calls: tally.proofs() }
    for (let calls = 0; calls < 100; calls++) yield* call
    return ((yield* scripts) - before.scripts) / (tally.proofs() - before.calls)
  }))
