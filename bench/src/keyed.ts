import * as Context from "effect/Context"
import { effectLoop, type Loop, promiseLoop } from "./loops.ts"
import { cockatielBreaker } from "./subjects/cockatiel.ts"
import { effectBreaker } from "./subjects/effect.ts"
import type { Guard } from "./subjects/guard.ts"
import { opossumBreaker } from "./subjects/opossum.ts"
import { ordinary } from "./subjects/policy.ts"
import { recloseOverCalls, recloseOverTime } from "./subjects/reclose.ts"
import { asyncWork, succeeding, Tally } from "./subjects/work.ts"

/** Successful calls, in the three ways that weighing them needs. */
export interface Keyed {
  /** Under the given keys in turn. */
  readonly guarded: (keys: ReadonlyArray<string>) => Loop
  /** Under one key, guarded beforehand as far as the library allows it. */
  readonly prepared: Loop
  /** The same loop with nothing around the work. */
  readonly bare: Loop
}

const tally = new Tally()

const inTurn = <A>(keys: ReadonlyArray<string>, call: (key: string) => A): () => A => {
  let turn = 0
  return () => {
    const key = keys[turn++ % keys.length]
    if (key === undefined) throw new RangeError("no keys")
    return call(key)
  }
}

const fromGuard = <R>({ context, guard }: Guard<R>): Keyed => {
  const work = succeeding(tally)
  const prepared = guard(work, "prepared")
  return {
    guarded: (keys) => effectLoop(context, inTurn(keys, (key) => guard(work, key))),
    prepared: effectLoop(context, () => prepared),
    bare: effectLoop(Context.empty(), () => work)
  }
}

const rethrow = (error: unknown) => {
  throw error
}

/** Libraries without keys get what their users write: a Map of breakers. */
const fromBreakers = <B>(make: () => B, call: (breaker: B) => Promise<unknown>): Keyed => {
  const breakers = new Map<string, B>()
  const breakerOf = (key: string) => {
    const known = breakers.get(key)
    if (known !== undefined) return known
    const breaker = make()
    breakers.set(key, breaker)
    return breaker
  }
  const prepared = breakerOf("prepared")
  return {
    guarded: (keys) => promiseLoop(inTurn(keys, (key) => call(breakerOf(key))), rethrow),
    prepared: promiseLoop(() => call(prepared), rethrow),
    bare: promiseLoop(asyncWork(tally), rethrow)
  }
}

const subjects: Record<string, () => Keyed | Promise<Keyed>> = {
  reclose: async () => fromGuard(await recloseOverCalls(ordinary)),
  recloseTime: async () => fromGuard(await recloseOverTime(ordinary)),
  effect: async () => fromGuard(await effectBreaker(ordinary)),
  cockatiel: () => {
    const work = asyncWork(tally)
    return fromBreakers(() => cockatielBreaker(ordinary), (policy) => policy.execute(work))
  },
  opossum: () => {
    const work = asyncWork(tally)
    return fromBreakers(() => opossumBreaker(work, ordinary), (breaker) => breaker.fire())
  }
}

export const keyedSubject = async (name: string | undefined): Promise<Keyed> => {
  const make = subjects[name ?? ""]
  if (make === undefined) throw new RangeError(`unknown subject ${name}`)
  return make()
}
