/** The cases that hold of every store, and what runs them. */
import { layer as suite } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { CircuitStore, type CircuitStoreError } from "../CircuitStore.ts"
import { changeCases } from "./changeCases.ts"
import { contentionCases } from "./contentionCases.ts"
import { keyCases } from "./keyCases.ts"
import { listCases } from "./listCases.ts"
import { recordCases } from "./recordCases.ts"
import { registerCases } from "./registerCases.ts"
import { NotOffered, recordAt, Stage, type Store, type StoreCase } from "./Stage.ts"
import { timeCases } from "./timeCases.ts"

/**
 * How a store is put to the proof.
 *
 * **Details**
 *
 * - `timeout`: how long each case may take, `"20 seconds"` by default. The longest ones sleep for 2 seconds.
 * - `inProcess`: says that the store lives in its layer, as one in memory does, so that building the layer twice would
 *   make two stores. A case then uses one connection as if it were two. False by default. A case fails with
 *   `StoresApart`, which names this option, where two connections don't show each other's records.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreCaseOptions {
  readonly timeout?: Duration.Input | undefined
  readonly inProcess?: boolean | undefined
}

const timeoutOf = ({ timeout = "20 seconds" }: StoreCaseOptions) => Duration.fromInputUnsafe(timeout)

/**
 * A store did not do what a case asks of it, because it took too long: something was never answered, or went around in
 * circles.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreCaseTimeout extends Data.TaggedError("StoreCaseTimeout")<{ readonly message: string }> {}

/**
 * What one of two connections wrote is not there for the other, so no case means anything: each connection has a store of
 * its own. Set `inProcess` for a store that lives in its layer; any other has to connect to the same store each time.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoresApart extends Data.TaggedError("StoresApart")<{ readonly message: string }> {}

/**
 * Everything that holds of every store, as plain data.
 *
 * **Details**
 *
 * `storeConformance` registers each of them as a test. Use them by themselves where there is no vitest around, or to
 * leave one out on purpose.
 *
 * @category conformance
 * @since 0.1.0
 */
export const storeCases: ReadonlyArray<StoreCase> = [
  ...registerCases,
  ...contentionCases,
  ...keyCases,
  ...recordCases,
  ...timeCases,
  ...changeCases,
  ...listCases
]

/**
 * Runs one case on a store.
 *
 * **Details**
 *
 * Builds the layer twice, which makes two connections, and releases both at the end. The case writes to keys that begin
 * with a random prefix of its own, about 30 characters long, and what it leaves behind has a time to live of ten minutes
 * at most: it may run against a server that others use.
 *
 * Dies with vitest's assertion error where the store is wrong. Fails with `StoreCaseTimeout` if it takes too long, with
 * `NotOffered` if the store can't do what the case is about and need not, and with the store's own errors.
 *
 * **Gotchas**
 *
 * Run it on a real clock: cases sleep, and `TestClock` would not move on by itself.
 *
 * **Example** (All cases, without vitest's runner)
 *
 * ```ts
 * import { CircuitStore } from "@reclose/core"
 * import { runStoreCase, storeCases } from "@reclose/core/testing"
 * import { Effect } from "effect"
 *
 * const results = await Effect.runPromise(
 *   Effect.forEach(
 *     storeCases,
 *     (storeCase) => Effect.exit(runStoreCase(storeCase, CircuitStore.layerMemory, { inProcess: true })),
 *     { concurrency: "unbounded" }
 *   )
 * )
 *
 * results.every((exit) => exit._tag === "Success") // => true
 * ```
 *
 * @category conformance
 * @since 0.1.0
 */
export const runStoreCase = <E, R>(
  storeCase: StoreCase,
  layer: Layer.Layer<CircuitStore, E, R>,
  options: StoreCaseOptions = {}
): Effect.Effect<void, E | CircuitStoreError | NotOffered | StoreCaseTimeout | StoresApart, R> => {
  const timeout = timeoutOf(options)
  const connect = Effect.gen(function*() {
    // A memo map of its own: what is memoized elsewhere would be the same connection again.
    const built = yield* Layer.buildWithMemoMap(layer, yield* Layer.makeMemoMap, yield* Effect.scope)
    return Context.get(built, CircuitStore)
  })
  const run = Effect.scoped(Effect.gen(function*() {
    const here = yield* connect
    const there = options.inProcess === true ? here : yield* connect
    const now = (yield* Clock.currentTimeMillis).toString(36)
    const chance = (yield* Random.nextIntBetween(0, 36 ** 8)).toString(36)
    const prefix = `conformance-${now}-${chance}:`
    yield* Effect.provideService(storeCase.run, Stage, { here, there, prefix }).pipe(
      // Only a case that failed has to be explained, and one that is checked before would be another one.
      Effect.tapCause((cause) =>
        here === there ||
          cause.reasons.some((reason) => Cause.isFailReason(reason) && reason.error instanceof NotOffered)
          ? Effect.void
          : checkShared(here, there, `${prefix}shared`)
      )
    )
  }))
  const timedOut = new StoreCaseTimeout({
    message: `"${storeCase.name}" did not end within ${Duration.format(timeout)}: ` +
      "an operation was not answered, or a scope did not close"
  })
  return Effect.gen(function*() {
    const fiber = yield* Effect.forkDetach(run, { startImmediately: true })
    // What can't be interrupted is not waited for, since that a scope never closes may be just what is wrong.
    const giveUp = Effect.andThen(Effect.sync(() => fiber.interruptUnsafe()), Effect.fail(timedOut))
    yield* Fiber.join(fiber).pipe(
      Effect.timeoutOrElse({ duration: timeout, orElse: () => giveUp }),
      Effect.onInterrupt(() => Fiber.interrupt(fiber))
    )
  })
}

/** Fails where a record that one connection wrote is not there for the other. */
const checkShared = Effect.fnUntraced(function*(here: Store, there: Store, key: string) {
  const { time } = yield* here.read(key)
  yield* here.replace(key, undefined, recordAt(time))
  const [own, other] = [yield* here.read(key), yield* there.read(key)]
  if (own.record === undefined || other.record !== undefined) return
  return yield* new StoresApart({
    message: "what one connection wrote is not there for the other: each has a store of its own. " +
      "Pass { inProcess: true } for a store that lives in its layer, as one in memory does; " +
      "let any other layer connect to the same store each time it is built"
  })
}, Effect.catchTag("CircuitStoreError", () => Effect.void))

/**
 * Registers the suite that every store has to pass, for vitest with `@effect/vitest`: call it at the top of a test file.
 *
 * **Details**
 *
 * Each sentence of the contract of `CircuitStore` is a test: what `read`, `replace`, `changes` and `list` answer, that
 * updates of many writers are never lost, that all legal keys are kept apart, that records come back as they were
 * written, that the store's clock is sane, and that interruption and load leave it usable.
 *
 * - Tests run on real clocks, each with two connections of its own: the layer is built twice. Give one that connects
 *   to the same store each time, or say `inProcess`.
 * - `server` is what connections need and what is built once for all tests, within a minute, such as a server that the
 *   suite starts.
 * - Tests write to keys of a random prefix, so the suite may run against a server that others use.
 * - What a store need not offer and does not is reported as skipped, with the reason: today only `changes`.
 *
 * **Gotchas**
 *
 * `@effect/vitest` and `vitest` are optional peers of this package: whoever imports this module has to have them.
 *
 * **Example** (A store of one's own)
 *
 * ```ts no-run
 * import { CircuitStore } from "@reclose/core"
 * import { storeConformance } from "@reclose/core/testing"
 *
 * storeConformance("my store", CircuitStore.layerMemory, { inProcess: true })
 * ```
 *
 * @category conformance
 * @since 0.1.0
 */
export const storeConformance: {
  <E>(name: string, layer: Layer.Layer<CircuitStore, E>, options?: StoreCaseOptions): void
  <E, R, E2>(
    name: string,
    layer: Layer.Layer<CircuitStore, E, R>,
    options: StoreCaseOptions & { readonly server: Layer.Layer<NoInfer<R>, E2> }
  ): void
} = <E, R, E2>(
  name: string,
  layer: Layer.Layer<CircuitStore, E, R>,
  options: StoreCaseOptions & { readonly server?: Layer.Layer<R, E2> } = {}
): void => {
  // Without a server, R is never, and the empty layer all that is needed.
  const server = options.server ?? (Layer.empty as Layer.Layer<R>)
  // A case's own limit comes first, since it says what has happened.
  const limit = Duration.toMillis(timeoutOf(options)) + 10_000
  suite(server, { excludeTestServices: true, timeout: "1 minute" })(name, (it) => {
    for (const storeCase of storeCases) {
      it.effect(storeCase.name, (context) =>
        Effect.catch(
          runStoreCase(storeCase, layer, options),
          (error) => error instanceof NotOffered ? Effect.sync(() => context.skip(error.message)) : Effect.fail(error)
        ), limit)
    }
  })
}
