import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { effectLoop, promiseLoop } from "./loops.ts"
import type { Task } from "./measure.ts"
import { cockatielBreaker } from "./subjects/cockatiel.ts"
import { effectBreaker } from "./subjects/effect.ts"
import { type Guard, trip } from "./subjects/guard.ts"
import { opossumBreaker } from "./subjects/opossum.ts"
import { ordinary, tolerant, wide } from "./subjects/policy.ts"
import { recloseOverCalls, recloseOverTime } from "./subjects/reclose.ts"
import { asyncFailure, asyncWork, boom, failing, succeeding, Tally } from "./subjects/work.ts"

const unguarded: Guard<never> = { context: Context.empty(), guard: (self) => self }

const oneKey = "key-0"
const manyKeys = Array.from({ length: 10_000 }, (_, index) => `key-${index}`)

const never = () => {
  throw new Error("this call must not fail")
}

/** A success, guarded once and run many times. */
export const succeed = <R>(name: string, { context, guard }: Guard<R>): Task => {
  const tally = new Tally()
  const guarded = guard(succeeding(tally), oneKey)
  return { name, proofs: tally.proofs, run: effectLoop(context, () => guarded) }
}

/** A success under a key that is only known when the call is made, so that guarding is part of every call. */
const succeedByKey = <R>(name: string, { context, guard }: Guard<R>, keys: ReadonlyArray<string>): Task => {
  const tally = new Tally()
  const work = succeeding(tally)
  let turn = 0
  const body = () => {
    const key = keys[turn] ?? oneKey
    turn = turn + 1 === keys.length ? 0 : turn + 1
    return guard(work, key)
  }
  return { name, proofs: tally.proofs, run: effectLoop(context, body), unit: keys.length }
}

/** The same over effects that were guarded beforehand. */
const succeedPrepared = <R>(name: string, { context, guard }: Guard<R>, keys: ReadonlyArray<string>): Task => {
  const tally = new Tally()
  const work = succeeding(tally)
  const guarded = keys.map((key) => guard(work, key))
  let turn = 0
  const body = () => {
    const next = guarded[turn] ?? work
    turn = turn + 1 === guarded.length ? 0 : turn + 1
    return next
  }
  return { name, proofs: tally.proofs, run: effectLoop<unknown, R>(context, body), unit: keys.length }
}

/** Every fiber is suspended inside the guard before the first one returns: a thousand calls in flight at once. */
const succeedTogether = <R>(name: string, { context, guard }: Guard<R>): Task => {
  const fibers = 1_000
  const tally = new Tally()
  const guarded = guard(Effect.andThen(Effect.yieldNow, succeeding(tally)), oneKey)
  const indices = Array.from({ length: fibers }, (_, index) => index)
  const wave = Effect.forEach(indices, () => guarded, { concurrency: "unbounded", discard: true })
  const waves = effectLoop(context, () => wave)
  return { name, proofs: tally.proofs, run: (calls) => waves(calls / fibers), unit: fibers }
}

/** Forty-nine failures, then a success, so that no window of a hundred calls ever holds failures alone. */
const everyFiftieth = <A>(usual: A, exceptional: A): () => A => {
  let turn = 0
  return () => {
    turn = turn === 49 ? 0 : turn + 1
    return turn === 0 ? exceptional : usual
  }
}

const recover = (tally: Tally, expected: (error: unknown) => boolean) => {
  const recovered = Effect.succeed(0)
  return (error: unknown) => {
    if (expected(error)) tally.prove()
    return recovered
  }
}

const isBoom = (error: unknown) => error === boom
const isRejection = (error: unknown) => error !== boom

const fail = <R>(name: string, { context, guard }: Guard<R>): Task => {
  const tally = new Tally()
  const guarded = Effect.catch(guard(failing, oneKey), recover(tally, isBoom))
  const now = everyFiftieth(guarded, guard(succeeding(tally), oneKey))
  return { name, proofs: tally.proofs, run: effectLoop<unknown, R>(context, now) }
}

/** What the work would do is proven nowhere: only rejections count. */
const reject = <R>(name: string, { context, guard }: Guard<R>): Task => {
  const tally = new Tally()
  const rejected = Effect.catch(guard(failing, oneKey), recover(tally, isRejection))
  return { name, proofs: tally.proofs, run: effectLoop(context, () => rejected) }
}

const failPrebuilt = (name: string): Task => {
  const tally = new Tally()
  const rejected = Effect.catch(failing, recover(tally, isBoom))
  return { name, proofs: tally.proofs, run: effectLoop(Context.empty(), () => rejected) }
}

const succeedAsync = <R>(name: string, { context, guard }: Guard<R>): Task => {
  const tally = new Tally()
  const guarded = guard(Effect.tryPromise(asyncWork(tally)), oneKey)
  return { name, proofs: tally.proofs, run: effectLoop(context, () => guarded) }
}

const cockatielSucceedAsync = (name: string): Task => {
  const tally = new Tally()
  const work = asyncWork(tally)
  const policy = cockatielBreaker(ordinary)
  const guarded = Effect.tryPromise(() => policy.execute(work))
  return { name, proofs: tally.proofs, run: effectLoop(Context.empty(), () => guarded) }
}

const bareNative = (name: string): Task => {
  const tally = new Tally()
  return { name, proofs: tally.proofs, run: promiseLoop(asyncWork(tally), never) }
}

const cockatielSucceed = (name: string): Task => {
  const tally = new Tally()
  const work = asyncWork(tally)
  const policy = cockatielBreaker(ordinary)
  return { name, proofs: tally.proofs, run: promiseLoop(() => policy.execute(work), never) }
}

const cockatielFail = (name: string): Task => {
  const tally = new Tally()
  const policy = cockatielBreaker(tolerant)
  const now = everyFiftieth<() => Promise<number>>(asyncFailure, asyncWork(tally))
  const onError = (error: unknown) => {
    if (isBoom(error)) tally.prove()
  }
  return { name, proofs: tally.proofs, run: promiseLoop(() => policy.execute(now()), onError) }
}

const cockatielReject = async (name: string): Promise<Task> => {
  const tally = new Tally()
  const policy = cockatielBreaker(ordinary)
  await promiseLoop(() => policy.execute(asyncFailure), () => {})(100)
  const onError = (error: unknown) => {
    if (isRejection(error)) tally.prove()
  }
  return { name, proofs: tally.proofs, run: promiseLoop(() => policy.execute(asyncFailure), onError) }
}

const opossumSucceed = (name: string): Task => {
  const tally = new Tally()
  const breaker = opossumBreaker(asyncWork(tally), ordinary)
  const close = () => breaker.shutdown()
  return { name, proofs: tally.proofs, run: promiseLoop(() => breaker.fire(), never), close }
}

const opossumFail = (name: string): Task => {
  const tally = new Tally()
  const now = everyFiftieth<() => Promise<number>>(asyncFailure, asyncWork(tally))
  const breaker = opossumBreaker(() => now()(), tolerant)
  const onError = (error: unknown) => {
    if (isBoom(error)) tally.prove()
  }
  const close = () => breaker.shutdown()
  return { name, proofs: tally.proofs, run: promiseLoop(() => breaker.fire(), onError), close }
}

const opossumReject = (name: string): Task => {
  const tally = new Tally()
  const breaker = opossumBreaker(asyncFailure, ordinary)
  breaker.open()
  const onError = (error: unknown) => {
    if (isRejection(error)) tally.prove()
  }
  const close = () => breaker.shutdown()
  return { name, proofs: tally.proofs, run: promiseLoop(() => breaker.fire(), onError), close }
}

/** Everything that gets timed, set up: full windows are full, open circuits are open. */
export const makeTasks = async (): Promise<ReadonlyArray<Task>> => {
  const openReclose = await recloseOverCalls(ordinary)
  await trip(openReclose, oneKey)
  const openEffect = await effectBreaker(ordinary)
  await trip(openEffect, oneKey)

  const wideReclose = succeed("closed.ok.window100000.reclose", await recloseOverCalls(wide))
  await wideReclose.run(wide.window)

  return [
    succeed("closed.ok.bare", unguarded),
    succeed("closed.ok.reclose", await recloseOverCalls(ordinary)),
    succeed("closed.ok.time.reclose", await recloseOverTime(ordinary)),
    succeed("closed.ok.effect", await effectBreaker(ordinary)),
    bareNative("closed.ok.bareNative"),
    cockatielSucceed("closed.ok.cockatielNative"),
    opossumSucceed("closed.ok.opossumNative"),

    succeedAsync("closed.promise.bare", unguarded),
    succeedAsync("closed.promise.reclose", await recloseOverCalls(ordinary)),
    succeedAsync("closed.promise.effect", await effectBreaker(ordinary)),
    cockatielSucceedAsync("closed.promise.cockatiel"),

    fail("closed.fail.bare", unguarded),
    fail("closed.fail.reclose", await recloseOverCalls(tolerant)),
    fail("closed.fail.effect", await effectBreaker(tolerant)),
    cockatielFail("closed.fail.cockatielNative"),
    opossumFail("closed.fail.opossumNative"),

    failPrebuilt("open.reject.bare"),
    reject("open.reject.reclose", openReclose),
    reject("open.reject.effect", openEffect),
    await cockatielReject("open.reject.cockatielNative"),
    opossumReject("open.reject.opossumNative"),

    wideReclose,

    succeedByKey("keys.1.reclose", await recloseOverCalls(ordinary), [oneKey]),
    succeedByKey("keys.10000.reclose", await recloseOverCalls(ordinary), manyKeys),
    succeedPrepared("keys.1.prepared.reclose", await recloseOverCalls(ordinary), [oneKey]),
    succeedPrepared("keys.10000.prepared.reclose", await recloseOverCalls(ordinary), manyKeys),

    succeedTogether("fibers.bare", unguarded),
    succeedTogether("fibers.reclose", await recloseOverCalls(ordinary)),
    succeedTogether("fibers.effect", await effectBreaker(ordinary))
  ]
}
