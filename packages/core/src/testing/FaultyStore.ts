/** A store between a breaker and its store, that loses, delays, duplicates and fails what it is told to. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Change, CircuitStore, CircuitStoreError, type CircuitStoreReason } from "../CircuitStore.ts"
import { EventBus } from "../internal/EventBus.ts"
import type { Decide, Fate, Operation } from "./Fate.ts"

type Kind = Operation["kind"]

/**
 * Which of the operations to come are meant: of all keys or of one (`key`), and how many
 * of them (`times`, 1 by default).
 *
 * @category models
 * @since 0.1.0
 */
export interface NextOptions {
  readonly key?: string | undefined
  readonly times?: number | undefined
}

/**
 * A store that stands before another one and loses, delays, duplicates and fails on demand: for tests of what breakers
 * do then.
 *
 * **Details**
 *
 * One function decides the `Fate` of each operation; it delivers everything by default. All else goes before it, in this
 * order:
 *
 * - `partition` loses every operation from then on, and every message to subscribers, until `heal`. Subscribers are then
 *   told that they have `Missed` something.
 * - `pause` holds every operation, in order, until `resume`.
 * - `next` says what becomes of the next operations of a kind; `failNext` lets them fail, `Unavailable` by default.
 * - `decide` replaces the function.
 *
 * `count` says how many operations were asked for, of all kinds or one, of all keys or one. The number of a partitioned
 * operation counts, too.
 *
 * Time passes on the `Clock`, so `TestClock` moves it. Nothing is random, unless the function is: see `Fate.chances`.
 *
 * For a fleet, `make` one for each instance on the one store that they share: each has its own partitions and delays.
 *
 * **Gotchas**
 *
 * What is on its way when a partition begins still arrives. What is held or delayed arrives even if whoever asked has
 * given up, as on a network. All of it ends with the scope.
 *
 * **Example** (A read that fails, and an answer that is lost)
 *
 * ```ts
 * import { CircuitStore } from "@reclose/core"
 * import { FaultyStore } from "@reclose/core/testing"
 * import { Effect, Layer, Option } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const faults = yield* FaultyStore
 *   const store = yield* CircuitStore
 *
 *   yield* faults.failNext("read", { reason: "Throttled" })
 *   const error = yield* Effect.flip(store.read("quotes"))
 *
 *   yield* faults.next("read", { _tag: "LoseAnswer" })
 *   const answer = yield* Effect.timeoutOption(store.read("quotes"), "10 millis")
 *
 *   return [error.reason, Option.isNone(answer), yield* faults.count("read")]
 * })
 *
 * const Faulty = Layer.provide(FaultyStore.layer(), CircuitStore.layerMemory)
 *
 * await Effect.runPromise(Effect.provide(program, Faulty)) // => ["Throttled", true, 2]
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class FaultyStore extends Context.Service<FaultyStore, {
  readonly store: CircuitStore["Service"]
  readonly decide: (decide: Decide) => Effect.Effect<void>
  readonly next: (kind: Kind, fate: Fate, options?: NextOptions) => Effect.Effect<void>
  readonly failNext: (
    kind: Kind,
    options?: NextOptions & { readonly reason?: CircuitStoreReason | undefined }
  ) => Effect.Effect<void>
  readonly partition: Effect.Effect<void>
  readonly heal: Effect.Effect<void>
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  readonly count: (kind?: Kind, key?: string) => Effect.Effect<number>
}>()("@reclose/core/testing/FaultyStore") {
  /**
   * Makes one before the `CircuitStore` that it is given. What is on its way ends with the scope.
   *
   * @since 0.1.0
   */
  static readonly make = (
    decide: Decide = deliverAll
  ): Effect.Effect<FaultyStore["Service"], never, CircuitStore | Scope.Scope> =>
    Effect.gen(function*() {
      const script = new Script(decide)
      const store = faulty(yield* CircuitStore, script, yield* Effect.scope)
      const { gate } = script
      return FaultyStore.of({
        store,
        decide: (decide) => Effect.sync(() => script.use(decide)),
        next: (kind, fate, options) => Effect.sync(() => script.add(kind, fate, options)),
        failNext: (kind, { reason, ...options } = {}) =>
          Effect.sync(() => script.add(kind, { _tag: "Fail", reason }, options)),
        partition: Effect.sync(() => script.partition()),
        heal: Effect.sync(() => script.heal()),
        pause: Effect.asVoid(gate.close),
        resume: Effect.asVoid(gate.open),
        count: (kind, key) => Effect.sync(() => script.count(kind, key))
      })
    })

  /**
   * Puts a faulty store in the place of the `CircuitStore` that it is given.
   *
   * @since 0.1.0
   */
  static readonly layer = (decide?: Decide): Layer.Layer<FaultyStore | CircuitStore, never, CircuitStore> =>
    Layer.effectContext(
      Effect.map(
        FaultyStore.make(decide),
        (faulty) => Context.add(Context.make(FaultyStore, faulty), CircuitStore, faulty.store)
      )
    )
}

const deliver: Fate = { _tag: "Deliver" }

const deliverAll: Decide = () => deliver

/** What a test has said so far, and what came by. */
class Script {
  readonly gate = Latch.makeUnsafe(true)
  readonly missed = new EventBus<Change>()
  private readonly counts = new Map<Kind, Map<string, number>>()
  private pending: Array<
    { readonly kind: Kind; readonly key: string | undefined; readonly fate: Fate; times: number }
  > = []
  private isPartitioned = false
  private decide: Decide

  constructor(decide: Decide) {
    this.decide = decide
  }

  use(decide: Decide): void {
    this.decide = decide
  }

  add(kind: Kind, fate: Fate, { key, times = 1 }: NextOptions = {}): void {
    if (times > 0) this.pending.push({ kind, key, fate, times })
  }

  partition(): void {
    this.isPartitioned = true
  }

  heal(): void {
    if (this.isPartitioned) this.missed.publish({ _tag: "Missed" })
    this.isPartitioned = false
  }

  count(kind?: Kind, key?: string): number {
    let sum = 0
    for (const [ofKind, keys] of this.counts) {
      for (const [ofKey, count] of keys) {
        if ((kind ?? ofKind) === ofKind && (key ?? ofKey) === ofKey) sum += count
      }
    }
    return sum
  }

  fateOf(kind: Kind, key: string): Fate {
    const keys = this.counts.get(kind) ?? new Map<string, number>()
    const count = (keys.get(key) ?? 0) + 1
    this.counts.set(kind, keys.set(key, count))
    if (this.isPartitioned) return { _tag: "LoseRequest" }
    if (!this.gate.isOpen()) return { _tag: "Hold", until: this.gate.await }
    const next = this.pending.find((next) => next.kind === kind && (next.key ?? key) === key)
    if (next === undefined) return this.decide({ kind, key, count })
    next.times--
    this.pending = this.pending.filter(({ times }) => times > 0)
    return next.fate
  }
}

const pass = (duration: Duration.Input | undefined) => duration === undefined ? Effect.void : Effect.sleep(duration)

const failure = (kind: Kind, key: string, reason: CircuitStoreReason = "Unavailable") =>
  new CircuitStoreError({
    key,
    operation: kind === "change" ? "changes" : kind,
    reason,
    message: "the test has this operation fail: nothing is wrong with the store"
  })

const faulty = (store: CircuitStore["Service"], script: Script, scope: Scope.Scope): CircuitStore["Service"] => {
  /** What is on its way belongs to the network, and not to whoever waits for the answer. */
  const onItsWay = <A>(travel: Effect.Effect<A, CircuitStoreError>): Effect.Effect<A, CircuitStoreError> =>
    Effect.flatMap(Effect.forkIn(travel, scope, { startImmediately: true }), Fiber.join)

  const there = <A>(
    request: Effect.Effect<A, CircuitStoreError>,
    { answerDelay, requestDelay }: Extract<Fate, { readonly _tag: "Deliver" | "LoseAnswer" }>
  ): Effect.Effect<A, CircuitStoreError> =>
    requestDelay === undefined && answerDelay === undefined
      ? request
      : onItsWay(
        Effect.flatMap(
          Effect.andThen(pass(requestDelay), Effect.exit(request)),
          (exit) => Effect.andThen(pass(answerDelay), exit)
        )
      )

  const twice = <A>(
    request: Effect.Effect<A, CircuitStoreError>,
    { again, answer }: Extract<Fate, { readonly _tag: "Duplicate" }>
  ): Effect.Effect<A, CircuitStoreError> => {
    const second = Effect.andThen(pass(again), request)
    return onItsWay(
      Effect.flatMap(Effect.exit(request), (first) =>
        answer === "Second"
          ? second
          : Effect.andThen(Effect.forkIn(Effect.exit(second), scope, { startImmediately: true }), first))
    )
  }

  const operate = <A>(
    kind: Kind,
    key: string,
    request: Effect.Effect<A, CircuitStoreError>
  ): Effect.Effect<A, CircuitStoreError> =>
    Effect.suspend(() => {
      const fate = script.fateOf(kind, key)
      switch (fate._tag) {
        case "Deliver":
          return there(request, fate)
        case "Hold":
          return onItsWay(Effect.andThen(fate.until, request))
        case "Fail":
          return Effect.andThen(pass(fate.answerDelay), Effect.fail(failure(kind, key, fate.reason)))
        case "LoseRequest":
          return Effect.never
        case "LoseAnswer":
          return Effect.andThen(
            Effect.exit(there(request, fate)),
            fate.reason === undefined ? Effect.never : Effect.fail(failure(kind, key, fate.reason))
          )
        case "Duplicate":
          return twice(request, fate)
      }
    })

  const open = <A>(kind: Kind, key: string, stream: Stream.Stream<A, CircuitStoreError>) =>
    Stream.unwrap(operate(kind, key, Effect.succeed(stream)))

  const tell = (change: Change): Stream.Stream<Change, CircuitStoreError> =>
    Stream.suspend(() => {
      const key = change._tag === "Changed" ? change.key : ""
      const fate = script.fateOf("change", key)
      const after = (passing: Effect.Effect<unknown>) => Stream.fromEffect(Effect.as(passing, change))
      switch (fate._tag) {
        case "Deliver":
          return after(Effect.andThen(pass(fate.requestDelay), pass(fate.answerDelay)))
        case "Hold":
          return after(fate.until)
        case "Fail":
          return Stream.fromEffect(Effect.andThen(pass(fate.answerDelay), failure("change", key, fate.reason)))
        case "LoseRequest":
        case "LoseAnswer":
          return Stream.empty
        case "Duplicate":
          return Stream.concat(Stream.succeed(change), after(pass(fate.again)))
      }
    })

  return CircuitStore.make({
    read: (key) => operate("read", key, store.read(key)),
    replace: (key, seen, next) => operate("replace", key, store.replace(key, seen, next)),
    list: (prefix) => open("list", prefix, store.list(prefix)),
    changes: store.changes === undefined
      ? undefined
      : open("changes", "", store.changes).pipe(
        // One that is late holds up none behind it, up to a thousand.
        Stream.flatMap(tell, { concurrency: 1000 }),
        Stream.merge(script.missed.stream, { haltStrategy: "left" })
      )
  })
}
