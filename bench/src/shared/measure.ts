import * as Effect from "effect/Effect"
import { countResult, millisResult, type Result } from "../results.ts"
import type { Settings } from "../settings.ts"
import { quantile } from "../statistics.ts"
import type { Backend, Backends } from "./backends.ts"
import { countCommands } from "./commands.ts"
import { measureDown, type Waits } from "./down.ts"
import { countEffectCommands } from "./effectCommands.ts"
import { measureHydration } from "./hydrate.ts"
import { measureLearning } from "./learn.ts"

type Results = Record<string, Result>

const p50p99 = (name: string, samples: ReadonlyArray<number>): Results => ({
  [`${name}.p50`]: millisResult(samples, 0.5),
  [`${name}.p99`]: millisResult(samples, 0.99)
})

const measureBackend = Effect.fnUntraced(function*(
  name: string,
  backend: Backend,
  settings: Settings["shared"],
  openingsMillis: number,
  beside: Readonly<Record<string, number>>
) {
  const asked = yield* countCommands(backend, settings.commands)
  const learned = yield* measureLearning(backend, { openings: settings.openings, millis: openingsMillis })
  const hydrated = yield* measureHydration(backend, settings.keys)
  return {
    [`${name}.commands`]: countResult(asked.perCall, asked.parts, beside),
    ...p50p99(`${name}.learn`, learned),
    ...p50p99(`${name}.hydrate`, hydrated)
  }
})

const p9999 = (samples: ReadonlyArray<number>) => quantile(samples, 0.9999)

/** Calls on all stores count as one load; beside it stands what each kind of call waited. */
const downResult = (waits: ReadonlyMap<string, Waits>): Result =>
  millisResult(
    [...waits.values()].flatMap(({ inUse, newKeys }) => [...inUse, ...newKeys]),
    0.9999,
    Object.fromEntries(
      [...waits].flatMap(([name, { inUse, newKeys }]) => [
        [`${name} in use`, p9999(inUse)],
        [`${name} new`, p9999(newKeys)]
      ])
    )
  )

/** Everything about shared state that is no ratio of two subjects. Ends the servers. */
export const measureShared = Effect.fnUntraced(function*(
  { dynamodb, redis }: Backends,
  { shared }: Pick<Settings, "shared">
): Effect.fn.Return<Results, unknown> {
  const results: Results = {}
  const waits = new Map<string, Waits>()
  if (redis !== undefined) {
    const beside = { effect: yield* countEffectCommands(redis) }
    Object.assign(results, yield* measureBackend("shared.redis", redis, shared, shared.pushedMillis, beside))
  }
  if (dynamodb !== undefined) {
    Object.assign(results, yield* measureBackend("shared.dynamodb", dynamodb, shared, shared.polledMillis, {}))
  }
  if (redis !== undefined) waits.set("redis", yield* measureDown(redis, shared.downMillis))
  if (dynamodb !== undefined) waits.set("dynamodb", yield* measureDown(dynamodb, shared.downMillis))
  if (waits.size > 0) results["shared.down.p9999"] = downResult(waits)
  return results
})
