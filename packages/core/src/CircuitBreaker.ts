/**
 * Circuit breakers for calls to dependencies that fail: the service, its layer, and `withBreaker`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Admission } from "./Admission.ts"
import type { CircuitEvent, Transition } from "./CircuitEvent.ts"
import type { CircuitOpen } from "./CircuitOpen.ts"
import { type CircuitState, readState } from "./CircuitState.ts"
import type { CircuitStore } from "./CircuitStore.ts"
import type { CircuitStoreError } from "./CircuitStoreError.ts"
import { unguarded } from "./internal/Admitted.ts"
import type { CircuitEntry } from "./internal/CircuitEntry.ts"
import { Engine } from "./internal/Engine.ts"
import { EventBus } from "./internal/EventBus.ts"
import { ExpiresIdle } from "./internal/ExpiresIdle.ts"
import { isKey, keyError, keyIssue } from "./internal/Key.ts"
import { policyMaker } from "./internal/Policies.ts"
import { StoreKey } from "./internal/StoreKey.ts"
import { takeSnapshot } from "./machine/Snapshot.ts"
import type { Event } from "./machine/Step.ts"
import type { Outcome } from "./Outcome.ts"
import type { Policy } from "./Policy.ts"
import { PolicyError } from "./PolicyError.ts"
import type { BreakerSnapshot } from "./Snapshot.ts"

/**
 * How one call is guarded.
 *
 * @category models
 * @since 0.1.0
 */
export interface GuardOptions<A, E, R = never> {
  /** The circuit that guards the call: 1 to 512 characters, none of them a control character. */
  readonly key: string
  /**
   * Says what the end of the call means for the dependency. Default `Outcome.fromExit`.
   *
   * It is not asked about an interruption, which is always ignored. If it dies, its call counts as ignored, the guarded
   * call dies with the same defect, and the event `ClassifierFailed` says so.
   */
  readonly classify?: ((exit: Exit.Exit<A, E>) => Outcome | Effect.Effect<Outcome, never, R>) | undefined
}

/**
 * The pipeable and data-first forms of guarding a call, with `Needs` among what the guarded call requires.
 *
 * @category models
 * @since 0.1.0
 */
export interface WithBreaker<Needs> {
  (key: string): <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitOpen, R | Needs>
  // The call's own types pass through: a classifier may know less of them than the call does.
  <A, E, R2 = never>(
    options: GuardOptions<A, E, R2>
  ): <A1 extends A, E1 extends E, R>(
    call: Effect.Effect<A1, E1, R>
  ) => Effect.Effect<A1, E1 | CircuitOpen, R | R2 | Needs>
  <A, E, R>(call: Effect.Effect<A, E, R>, key: string): Effect.Effect<A, E | CircuitOpen, R | Needs>
  <A, E, R, R2 = never>(
    call: Effect.Effect<A, E, R>,
    options: GuardOptions<A, E, R2>
  ): Effect.Effect<A, E | CircuitOpen, R | R2 | Needs>
}

/**
 * What an operator's command found.
 *
 * @category models
 * @since 0.1.0
 */
export interface CommandResult {
  /**
   * Whether this instance or the store knew the circuit before; undefined if the store did not answer. A circuit that never
   * failed is known to no store.
   */
  readonly existed: boolean | undefined
}

/**
 * A breaker: circuits by key under one policy, to call through, to look at and to steer.
 *
 * **Details**
 *
 * What takes a key fails with a `PolicyError` for one that can't name a circuit. So does what steers a circuit that the
 * table has no room for, see `maxKeys`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Breaker {
  /** Guards a call with this breaker, for programs that hold several. The module's `withBreaker` takes the service. */
  readonly withBreaker: WithBreaker<never>
  /**
   * Begins a guarded call: the circuit admits or rejects it when this function runs, so the effect it returns has to
   * run next, once. `withBreaker` is this, made safe; implement it to provide a breaker of your own in a test.
   */
  readonly enterUnsafe: <A, E, R, R2 = never>(
    call: Effect.Effect<A, E, R>,
    key: string,
    classify?: GuardOptions<A, E, R2>["classify"]
  ) => Effect.Effect<A, E | CircuitOpen, R | R2>
  /**
   * Lets a call through, or rejects it, and leaves it to the program to tell how it ends; see `Admission`. Most calls want
   * `withBreaker`.
   *
   * Dies with a `PolicyError` for a key that can't name a circuit. Where there is no room for a circuit, every call is let
   * through.
   */
  readonly admit: (key: string) => Effect.Effect<Admission, CircuitOpen>
  /**
   * Admits or rejects when this function runs: an `Exit`, where nobody has to be asked. `admit` is this, made safe, for
   * adapters that can't afford an effect more for each call.
   */
  readonly admitUnsafe: (key: string) => Effect.Effect<Admission, CircuitOpen>
  /** A circuit as it stands: as the store knows it if no call has used it yet, and closed if the store doesn't. */
  readonly state: (key: string) => Effect.Effect<CircuitState, PolicyError>
  /** All circuits that this instance holds, in no order. For those of the fleet, see `listStored`. */
  readonly list: Effect.Effect<ReadonlyArray<CircuitState>>
  /**
   * The circuits of the store whose keys have a prefix, all by default, in no order and as the store knows them: those of
   * every instance that failed, opened or were overridden and whose records have not expired. A circuit that never failed
   * has no record. Counts of calls are zero, since each instance has its own. Without a store, those of `list`.
   *
   * Fails with a `CircuitStoreError` if the store does not list or read; a record that can't be read is left out, and an event
   * `StoreFailed` names it once. It reads 16 records at once, for operators.
   */
  readonly listStored: (prefix?: string) => Stream.Stream<CircuitState, CircuitStoreError>
  /**
   * Rejects every call of a key until `release`, `reset` or another override. The result says whether the circuit existed:
   * a key with a typo makes a new one, which no call uses; `remove` ends it.
   */
  readonly forceOpen: (key: string) => Effect.Effect<CommandResult, PolicyError>
  /** Lets every call of a key run and keeps its circuit closed, still measuring. */
  readonly forceClosed: (key: string) => Effect.Effect<CommandResult, PolicyError>
  /** Lets every call of a key run and measures nothing. */
  readonly disable: (key: string) => Effect.Effect<CommandResult, PolicyError>
  /** Lets every call of a key run while its circuit changes its phase as it would. */
  readonly metricsOnly: (key: string) => Effect.Effect<CommandResult, PolicyError>
  /** Ends an override. The circuit goes on as it stands. */
  readonly release: (key: string) => Effect.Effect<CommandResult, PolicyError>
  /** Ends an override and forgets what was measured: the circuit is closed, as if new. */
  readonly reset: (key: string) => Effect.Effect<CommandResult, PolicyError>
  /**
   * Resets a circuit and evicts it from this instance, for one that is not used any more. In the store its record, closed
   * and without an override, is kept for `idleTimeToLive`. The next call of the key makes a new circuit. It waits until the
   * store has the reset, for `storeTimeout` at the most.
   */
  readonly remove: (key: string) => Effect.Effect<CommandResult, PolicyError>
  /**
   * Rejects every call of a key until the scope closes. Several holders may isolate one key; the last one to let go
   * ends it.
   */
  readonly isolate: (key: string) => Effect.Effect<void, PolicyError, Scope.Scope>
  /** Puts every circuit under another policy at once. Each keeps what it measured, as far as its rule still reads it. */
  readonly update: (policy: Policy) => Effect.Effect<void, PolicyError>
  /** All circuits as plain data, for `restore`; `Snapshot` turns it into JSON and back. */
  readonly snapshot: Effect.Effect<BreakerSnapshot>
  /**
   * Puts the circuits of a snapshot in place. Calls that are under way no longer count. An opening goes on for the time
   * that was left of it; a circuit that was half-open lets its next call probe. All processes that share the store get them.
   */
  readonly restore: (snapshot: BreakerSnapshot) => Effect.Effect<void, PolicyError>
  /**
   * Tells the store at once whatever waits to be told, and answers when it is done, after `storeTimeout` at the latest.
   * For processes that are about to be frozen, before a Lambda handler returns; all others needn't call it.
   */
  readonly flush: Effect.Effect<void>
  /** Changes of phase, from the moment the stream is run. */
  readonly transitions: Stream.Stream<Transition>
  /** Everything that happens, from the moment the stream is run. */
  readonly events: Stream.Stream<CircuitEvent>
}

const makeWith = Effect.fnUntraced(function*(
  policy: Policy,
  store: CircuitStore["Service"] | undefined
): Effect.fn.Return<Breaker, PolicyError, Scope.Scope> {
  const clock = yield* Clock.Clock
  const events = new EventBus<CircuitEvent>()
  const transitions = new EventBus<Transition>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      events.end()
      transitions.end()
    })
  )
  const makePolicies = yield* policyMaker
  const expiresIdle = yield* ExpiresIdle
  const engine = new Engine({
    policies: yield* makePolicies(policy),
    clock,
    events,
    transitions,
    store,
    context: yield* Effect.context<never>(),
    random: yield* Random.Random
  })
  const { sharing } = engine
  if (sharing !== undefined) {
    yield* Effect.addFinalizer(() => Effect.andThen(sharing.flush, sharing.end))
    if (sharing.policy.background) yield* Effect.forkScoped(sharing.listen)
  }

  /** The circuit of a key that a call uses. */
  const find: (key: string) => CircuitEntry | undefined = expiresIdle
    ? (key) => engine.findUnexpired(key, true)
    : (key) => engine.get(key)

  /** The circuit of a key, read from the store if this is its first use; undefined where there is no room for it. */
  const acquire = (key: string): Effect.Effect<CircuitEntry | undefined> => {
    const entry = engine.get(key)
    if (entry !== undefined) return Effect.succeed(entry)
    return sharing === undefined ? Effect.succeed(engine.add(key, undefined)) : sharing.acquire(key)
  }

  const run = (key: string, event: Event): Effect.Effect<CommandResult, PolicyError> =>
    Effect.suspend(() => {
      if (!isKey(key)) return Effect.fail(keyError(key))
      const isHeld = engine.get(key) !== undefined
      return Effect.flatMap(acquire(key), (entry) => {
        if (entry === undefined) return Effect.fail(engine.table.fullError)
        const isKnown = isHeld || entry.shared?.seen !== undefined
        const existed = !isKnown && (entry.shared?.readFailed === true || entry.shared?.mismatch !== undefined)
          ? undefined
          : isKnown
        engine.run(entry, event)
        return Effect.succeed({ existed })
      })
    })

  const remove: Breaker["remove"] = (key) =>
    Effect.tap(run(key, { _tag: "Reset" }), () =>
      Effect.andThen(
        breaker.flush,
        Effect.sync(() => {
          const entry = engine.get(key)
          // A call that came meanwhile uses it, and an operator's command that no store has must not get lost.
          if (entry !== undefined && entry.isForgettable(engine.at(), 0)) engine.table.remove(entry)
        })
      ))

  const listStored: Breaker["listStored"] = (prefix = "") =>
    sharing === undefined
      ? Stream.unwrap(Effect.map(
        breaker.list,
        (states) => Stream.fromIterable(states.filter(({ key }) => key.startsWith(prefix)))
      ))
      : sharing.list(prefix, (key, seen) => readState(engine.look(key, seen), engine.at()))

  const stateOf = (entry: CircuitEntry): CircuitState => {
    engine.run(entry, { _tag: "Tick" })
    return readState(entry, engine.at())
  }

  /** The state of a key that no call has used yet, as the store knows it. Looking takes no place in the table. */
  const unusedState = (key: string): Effect.Effect<CircuitState> =>
    Effect.map(sharing === undefined ? Effect.undefined : sharing.look(key), (seen) => {
      const state = readState(engine.look(key, seen), engine.at())
      return seen?.record === undefined ? { ...state, generation: 0 } : state
    })

  /** The circuit of a key for its first call: undefined, and the call is not guarded, where there is no room for it. */
  const first = (key: string) =>
    // Only `CircuitOpen` may join the errors of a guarded call. A key that can't be one is a mistake in the program.
    isKey(key) ? acquire(key) : Effect.die(keyError(key))

  const enterUnsafe: Breaker["enterUnsafe"] = (call, key, classify) => {
    const entry = find(key)
    return entry === undefined
      ? Effect.flatMap(first(key), (entry) => entry === undefined ? call : engine.enter(entry, call, classify))
      : engine.enter(entry, call, classify)
  }

  const admitUnsafe: Breaker["admitUnsafe"] = (key) => {
    const entry = find(key)
    return entry === undefined
      ? Effect.flatMap(first(key), (entry) => entry === undefined ? Effect.succeed(unguarded) : engine.admission(entry))
      : engine.admission(entry)
  }

  const breaker: Breaker = {
    withBreaker: makeWithBreaker<never>(() => breaker),
    enterUnsafe,
    admitUnsafe,
    admit: (key) => Effect.suspend(() => admitUnsafe(key)),
    state: (key) =>
      Effect.suspend(() => {
        const entry = expiresIdle ? engine.findUnexpired(key, false) : engine.get(key)
        if (entry !== undefined) return Effect.succeed(stateOf(entry))
        return isKey(key) ? unusedState(key) : Effect.fail(keyError(key))
      }),
    list: Effect.sync(() => Array.from(engine.table.values(), stateOf)),
    listStored,
    forceOpen: (key) => run(key, { _tag: "Override", override: "ForcedOpen" }),
    forceClosed: (key) => run(key, { _tag: "Override", override: "ForcedClosed" }),
    disable: (key) => run(key, { _tag: "Override", override: "Disabled" }),
    metricsOnly: (key) => run(key, { _tag: "Override", override: "MetricsOnly" }),
    release: (key) => run(key, { _tag: "Override", override: "None" }),
    reset: (key) => run(key, { _tag: "Reset" }),
    remove,
    isolate: (key) =>
      Effect.acquireRelease(run(key, { _tag: "Isolate" }), () =>
        Effect.sync(() => {
          const entry = engine.get(key)
          if (entry !== undefined) engine.run(entry, { _tag: "Release" })
        })),
    update: (policy) => Effect.map(makePolicies(policy), (policies) => engine.update(policies)),
    snapshot: Effect.sync(() => ({
      version: 1,
      circuits: Array.from(engine.table.values(), (entry) => {
        engine.run(entry, { _tag: "Tick" })
        return { key: entry.key, ...takeSnapshot(entry.circuit, engine.now()) }
      })
    })),
    restore: ({ circuits }) =>
      Effect.suspend(() => {
        const issues = circuits.filter(({ key }) => !isKey(key)).map(({ key }) => keyIssue("circuits.key", key))
        if (issues.length > 0) return Effect.fail(new PolicyError({ issues }))
        for (const { key, ...circuit } of circuits) engine.replace(key, circuit)
        return Effect.void
      }),
    flush: sharing === undefined ? Effect.void : sharing.flush,
    transitions: transitions.stream,
    events: events.stream
  }
  return breaker
})

/**
 * The breaker service: what `withBreaker` calls through.
 *
 * **Details**
 *
 * A circuit is made on the first call of its key. Healthy calls are admitted and settled in memory, without a fiber, a
 * timer or a lock; an open circuit rejects in memory, too. A circuit changes its phase when a call or a reader looks at
 * it, never by a timer of its own.
 *
 * A breaker keeps the clock and the random numbers that it was built with: build its layer under `TestClock` to move
 * its time in a test.
 *
 * @category services
 * @since 0.1.0
 */
export class CircuitBreaker extends Context.Service<CircuitBreaker, Breaker>()("@reclose/core/CircuitBreaker") {
  /**
   * Makes a breaker that lives as long as the scope, for programs that hold several; most want `layer`.
   *
   * **Example** (Two breakers beside each other)
   *
   * ```ts
   * import { CircuitBreaker, CircuitStore, TripRule } from "@reclose/core"
   * import { Effect } from "effect"
   *
   * const program = Effect.gen(function*() {
   *   const strict = yield* CircuitBreaker.make({ tripRule: TripRule.consecutive(1) })
   *   const lenient = yield* CircuitBreaker.make({ tripRule: TripRule.consecutive(100) })
   *   const call = Effect.fail("down")
   *   yield* call.pipe(strict.withBreaker("quotes"), Effect.flip)
   *   yield* call.pipe(lenient.withBreaker("quotes"), Effect.flip)
   *   return [(yield* strict.state("quotes")).phase, (yield* lenient.state("quotes")).phase]
   * })
   *
   * await Effect.runPromise(Effect.scoped(Effect.provide(program, CircuitStore.layerMemory))) // => ["Open", "Closed"]
   * ```
   *
   * @since 0.1.0
   */
  static readonly make = (policy: Policy = {}): Effect.Effect<Breaker, PolicyError, CircuitStore | Scope.Scope> =>
    Effect.flatMap(StoreKey, (store) => makeWith(policy, store))

  /**
   * Makes a breaker whose circuits are its own, as `layerLocal` does, that lives as long as the scope.
   *
   * **Example** (A breaker without a Layer)
   *
   * ```ts
   * import { CircuitBreaker, TripRule } from "@reclose/core"
   * import { Effect } from "effect"
   *
   * const program = Effect.gen(function*() {
   *   const breaker = yield* CircuitBreaker.makeLocal({ tripRule: TripRule.consecutive(1) })
   *   yield* Effect.fail("down").pipe(breaker.withBreaker("quotes"), Effect.flip)
   *   return (yield* breaker.state("quotes")).phase
   * })
   *
   * await Effect.runPromise(Effect.scoped(program)) // => "Open"
   * ```
   *
   * @since 0.1.0
   */
  static readonly makeLocal = (policy: Policy = {}): Effect.Effect<Breaker, PolicyError, Scope.Scope> =>
    makeWith(policy, undefined)

  /**
   * Provides a breaker with a policy; every field of it has a default.
   *
   * **Details**
   *
   * Fails with a `PolicyError` that names every mistake of the policy. Needs a `CircuitStore`.
   *
   * **Example** (A layer for a program)
   *
   * ```ts
   * import { CircuitBreaker, CircuitStore, TripRule, withBreaker } from "@reclose/core"
   * import { Effect, Layer } from "effect"
   *
   * const Breakers = CircuitBreaker.layer({
   *   tripRule: TripRule.failureRate({ threshold: 0.5, window: "30 seconds", minimumCalls: 20 }),
   *   openDuration: { initial: "5 seconds", factor: 2 },
   *   halfOpen: { permits: 3, successThreshold: 2 },
   *   keys: { "payments/*": { tripRule: TripRule.consecutive(3) } }
   * }).pipe(Layer.provide(CircuitStore.layerMemory))
   *
   * const program = Effect.succeed("42").pipe(withBreaker("quotes"))
   *
   * await Effect.runPromise(Effect.provide(program, Breakers)) // => "42"
   * ```
   *
   * @since 0.1.0
   */
  static readonly layer = (policy?: Policy): Layer.Layer<CircuitBreaker, PolicyError, CircuitStore> =>
    Layer.effect(this, this.make(policy))

  /**
   * Provides a breaker whose circuits are its own: they are shared with nobody and end with the layer.
   *
   * **Details**
   *
   * It needs no store and knows nothing of sharing, which halves what a small program is made of. What a policy says of
   * stores, such as `flushEvery`, has no meaning here. Otherwise it is the breaker of `layer`.
   *
   * **Example** (One process, one breaker)
   *
   * ```ts
   * import { CircuitBreaker, TripRule, withBreaker } from "@reclose/core"
   * import { Effect } from "effect"
   *
   * const Breakers = CircuitBreaker.layerLocal({ tripRule: TripRule.consecutive(3) })
   *
   * const program = Effect.succeed("42").pipe(withBreaker("quotes"))
   *
   * await Effect.runPromise(Effect.provide(program, Breakers)) // => "42"
   * ```
   *
   * @since 0.1.0
   */
  static readonly layerLocal = (policy?: Policy): Layer.Layer<CircuitBreaker, PolicyError> =>
    Layer.effect(this, this.makeLocal(policy))
}

interface Guard extends Effect.Effect<unknown, unknown, unknown> {
  readonly breaker: (context: Context.Context<never>) => Breaker
  readonly call: Effect.Effect<unknown, unknown, unknown>
  readonly key: string
  readonly classify: GuardOptions<unknown, unknown, unknown>["classify"]
}

const Guard = (() => {
  const Guard = function(
    this: { -readonly [K in "breaker" | "call" | "key" | "classify"]: Guard[K] },
    breaker: Guard["breaker"],
    call: Guard["call"],
    key: string,
    classify: Guard["classify"]
  ) {
    this.breaker = breaker
    this.call = call
    this.key = key
    this.classify = classify
  }
  // One step of the run loop, which every operator would cost again; admission happens in it.
  Guard.prototype = Effectable.Prototype<Guard>({
    label: "withBreaker",
    evaluate(fiber) {
      return this.breaker(fiber.context).enterUnsafe(this.call, this.key, this.classify)
    }
  })
  // A function with this prototype constructs a guard; TypeScript has no type for that.
  return Guard as unknown as new(...fields: Parameters<typeof Guard>) => Guard
})()

const makeWithBreaker = <Needs>(breaker: Guard["breaker"]): WithBreaker<Needs> => {
  const guard = (call: Guard["call"], options: string | GuardOptions<unknown, unknown, unknown>): Guard =>
    typeof options === "string"
      ? new Guard(breaker, call, options, undefined)
      : new Guard(breaker, call, options.key, options.classify)
  // `WithBreaker` gives the types of all four forms; a guard is the call, with one more error and one more requirement.
  return dual((args) => Effect.isEffect(args[0]), guard) as unknown as WithBreaker<Needs>
}

/**
 * Guards a call with the circuit of a key: lets it through, or fails with `CircuitOpen` without making it.
 *
 * **Details**
 *
 * - Adds exactly `CircuitOpen` to the call's errors, and `CircuitBreaker` to what it needs.
 * - The call's own result passes through unchanged.
 * - A success counts for the dependency, a failure or a defect against it, and an interruption not at all; `classify`
 *   says otherwise where that is wrong.
 *
 * **Gotchas**
 *
 * - Put timeouts and retries inside: `call.pipe(Effect.timeout("2 seconds"), withBreaker("quotes"))`. A timeout outside
 *   interrupts the guarded call, which counts as nothing, so a dependency that hangs would never open its circuit.
 * - A key that can't name a circuit is a defect with a `PolicyError`.
 * - Don't guard a call twice with one key: on trial, the inner guard would find the outer one holding the probe, and its
 *   rejection would fail that probe. A `CircuitOpen` of another key counts as a failure of the outer one, unless
 *   classified otherwise.
 *
 * **Example** (Failing fast, handled)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore, TripRule, withBreaker } from "@reclose/core"
 * import { Effect, Layer } from "effect"
 *
 * const quote = Effect.fail("down").pipe(
 *   withBreaker("quotes"),
 *   Effect.catchTag("CircuitOpen", () => Effect.succeed("the last known quote"))
 * )
 *
 * const program = Effect.andThen(Effect.flip(quote), quote)
 *
 * const Breakers = CircuitBreaker.layer({ tripRule: TripRule.consecutive(1) }).pipe(
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * await Effect.runPromise(Effect.provide(program, Breakers)) // => "the last known quote"
 * ```
 *
 * **Example** (An expected error is no failure)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore, Outcome, TripRule, withBreaker } from "@reclose/core"
 * import { Effect, Layer } from "effect"
 *
 * const user = Effect.fail("NotFound").pipe(
 *   withBreaker({ key: "users", classify: Outcome.classifier({ ignoreError: (error) => error === "NotFound" }) }),
 *   Effect.flip
 * )
 *
 * const Breakers = CircuitBreaker.layer({ tripRule: TripRule.consecutive(1) }).pipe(
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * await Effect.runPromise(Effect.provide(Effect.all([user, user]), Breakers)) // => ["NotFound", "NotFound"]
 * ```
 *
 * @category guarding
 * @since 0.1.0
 */
export const withBreaker: WithBreaker<CircuitBreaker> = makeWithBreaker((context) =>
  Context.getUnsafe(context, CircuitBreaker)
)
