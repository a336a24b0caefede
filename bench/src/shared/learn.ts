import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Backend } from "./backends.ts"
import { instance, keysOf, patient, proveHealthy } from "./instances.ts"

/** How many breakers share their circuits, each with connections of its own. */
const fleetSize = 6

const prefix = "learn:"
const working = Effect.void
const failing = Effect.fail("opened on purpose")

/**
 * How long it takes from an opening in one breaker until another one rejects, in milliseconds: for each opening and each
 * of the others. Openings are spread evenly over `millis`, so that they meet a breaker that polls at any time between
 * two polls.
 */
export const measureLearning = (
  backend: Backend,
  { millis, openings }: { readonly openings: number; readonly millis: number }
): Effect.Effect<ReadonlyArray<number>, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const fleet = yield* Effect.forEach(
      Array.from({ length: fleetSize }),
      () => instance(backend.connect(prefix), patient)
    )
    const keys = keysOf("key", openings)
    const openedAt = new Map<string, number>()
    const expected = openings * (fleetSize - 1)
    const samples: Array<number> = []
    const done = yield* Deferred.make<void>()

    /** Takes the time when a breaker that has learned of an opening has rejected a call. */
    const reject = Effect.fnUntraced(function*({ breaker }: typeof fleet[number], key: string) {
      const rejected = yield* Effect.flip(breaker.withBreaker(Effect.die("ran in an open circuit"), key))
      samples.push(performance.now() - (openedAt.get(key) ?? Number.NaN))
      if (rejected.key === key && samples.length === expected) yield* Deferred.succeed(done, undefined)
    })
    for (const one of fleet) {
      yield* Effect.forEach(keys, (key) => one.breaker.withBreaker(working, key), { concurrency: 64, discard: true })
      yield* one.breaker.transitions.pipe(
        Stream.filter(({ reason, to }) => to === "Open" && reason._tag === "Learned"),
        Stream.runForEach(({ key }) => reject(one, key)),
        Effect.forkScoped({ startImmediately: true })
      )
    }
    yield* backend.hears(prefix, fleetSize)

    for (const [turn, key] of keys.entries()) {
      const opener = fleet[turn % fleetSize]
      if (opener === undefined) return yield* Effect.die("there is no fleet")
      yield* Effect.ignore(opener.breaker.withBreaker(failing, key))
      openedAt.set(key, performance.now())
      yield* Effect.sleep(millis / openings)
    }
    yield* Effect.timeoutOption(Deferred.await(done), "1 minute")
    yield* proveHealthy(fleet)
    if (samples.length < expected) return yield* Effect.die(`${expected - samples.length} openings were not learned of`)
    return samples
  }))
