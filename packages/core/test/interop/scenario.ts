import {
  Cause,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Schedule,
  Schema,
  type Scope,
  Stream
} from "effect"
import * as EffectBreaker from "effect/persistence/CircuitBreaker"
import { TestClock } from "effect/testing"

export type Options = Parameters<typeof EffectBreaker.make>[0]

/** What a module of circuit breakers offers. The store is its own affair. */
export interface BreakerModule<Store> {
  readonly make: (options: Options) => Effect.Effect<EffectBreaker.CircuitBreaker, never, Store | Scope.Scope>
  readonly layerStoreMemory: () => Layer.Layer<Store>
}

export const policies: Readonly<Record<string, Options>> = {
  "one failure": { tripPolicy: EffectBreaker.consecutive(1), openDuration: "2 seconds" },
  "two failures in a row": { tripPolicy: EffectBreaker.consecutive(2), openDuration: "1 second" },
  "half of four": {
    tripPolicy: EffectBreaker.rate({ size: 4, minimumCalls: 2 }),
    openDuration: "1 second",
    maxOpenDuration: "3 seconds"
  },
  "any of two": { tripPolicy: EffectBreaker.rate({ threshold: 0, size: 2 }), openDuration: "4 seconds" }
}

export const growing: Options = {
  tripPolicy: EffectBreaker.consecutive(1),
  openDuration: Schedule.exponential("1 second").pipe(Schedule.upTo({ duration: "5 seconds" }))
}

type How = typeof How.Type

const How = Schema.Literals(["Success", "Failure", "RetryAfter", "Ignored", "Unclassifiable", "Defect", "Interrupt"])

type By = typeof By.Type

const By = Schema.Literals(["default", "classified", "effectful"])

const Call = Schema.Struct({ _tag: Schema.tag("Call"), by: By, how: How })
const Start = Schema.Struct({ _tag: Schema.tag("Start"), by: By })
const End = Schema.Struct({ _tag: Schema.tag("End"), call: Schema.Literals([0, 1, 2]), how: How })
const Wait = Schema.Struct({ _tag: Schema.tag("Wait"), millis: Schema.Literals([1, 499, 1_000, 2_000, 4_000]) })

/** One thing that happens to a circuit. A call may end at once, or overlap with others and end later. */
export const Action = Schema.Union([Call, Start, End, Wait])

export type Action = typeof Action.Type

/** One thing that happens to a circuit of a program that makes one call at a time. */
export const SequentialAction = Schema.Union([Call, Wait])

const classify = (exit: Exit.Exit<string, How>): EffectBreaker.Outcome => {
  switch (Option.getOrUndefined(Exit.findErrorOption(exit))) {
    case "Ignored":
      return EffectBreaker.ignored
    case "RetryAfter":
      return EffectBreaker.failure({ retryAfter: "7 seconds" })
    case "Unclassifiable":
      throw new Error("unclassifiable")
    default:
      return Exit.isSuccess(exit) ? EffectBreaker.success : EffectBreaker.failure()
  }
}

const classifiers = {
  default: undefined,
  classified: classify,
  effectful: (exit: Exit.Exit<string, How>) => Effect.andThen(Effect.yieldNow, Effect.sync(() => classify(exit)))
}

const ended = (how: How): Exit.Exit<string, How> => {
  switch (how) {
    case "Success":
      return Exit.succeed("answer")
    case "Defect":
      return Exit.die("bug")
    default:
      return Exit.fail(how)
  }
}

/** Everything that a program can see of a circuit, after each of the actions. */
export const observe = <Store>(
  module: BreakerModule<Store>,
  options: Options,
  actions: ReadonlyArray<Action>
) =>
  Effect.gen(function*() {
    const breaker = yield* Effect.provide(module.make(options), yield* Layer.build(module.layerStoreMemory()))
    // Apart, because which of two fibers is the first to go on is nobody's promise.
    const calls: Array<unknown> = []
    const transitions: Array<unknown> = []
    const running: Array<{
      readonly result: Deferred.Deferred<string, How>
      readonly fiber: Fiber.Fiber<unknown, unknown>
    }> = []
    yield* breaker.transitions.pipe(
      Stream.runForEach((transition) => Effect.sync(() => transitions.push(transition))),
      Effect.forkScoped({ startImmediately: true })
    )
    const start = Effect.fnUntraced(function*(by: By) {
      const result = yield* Deferred.make<string, How>()
      const fiber = yield* Effect.sync(() => calls.push("runs")).pipe(
        Effect.andThen(Deferred.await(result)),
        breaker.execute({ key: "circuit", classify: classifiers[by] }),
        Effect.onExit((exit) => Effect.sync(() => calls.push(exit))),
        Effect.forkScoped({ startImmediately: true })
      )
      running.push({ result, fiber })
    })
    const end = Effect.fnUntraced(function*(index: number, how: How) {
      const [call] = running.splice(index, 1)
      if (call === undefined) return
      if (how === "Interrupt") yield* Fiber.interrupt(call.fiber)
      else yield* Deferred.done(call.result, ended(how))
    })
    // Effect forgets the openings in a row when a call comes, we when their time is up: so here one comes, for nothing.
    const nudge = Effect.flatMap(breaker.state("circuit"), ({ _tag }) =>
      _tag === "Closed"
        ? breaker.execute(Effect.void, {
          key: "circuit",
          classify: () => EffectBreaker.ignored
        })
        : Effect.void)
    const act = (action: Action) => {
      switch (action._tag) {
        case "Call":
          return Effect.andThen(start(action.by), end(-1, action.how))
        case "Start":
          return start(action.by)
        case "End":
          return end(action.call, action.how)
        case "Wait":
          return Effect.andThen(TestClock.adjust(action.millis), nudge)
      }
    }
    return yield* Effect.forEach(
      actions,
      Effect.fnUntraced(function*(action) {
        yield* act(action)
        // Enough turns for every fiber that the action woke.
        for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow
        const state = yield* breaker.state("circuit")
        return plain({ action, calls: calls.splice(0), transitions: transitions.splice(0), state })
      })
    )
  }).pipe(Effect.scoped)

/** Durations as milliseconds and causes as their reasons: what is left can be compared and printed. */
const plain = (value: unknown): unknown => {
  if (Duration.isDuration(value)) return Duration.toMillis(value)
  if (Exit.isExit(value)) return Exit.isSuccess(value) ? value.value : value.cause.reasons.map(plain)
  if (Array.isArray(value)) return value.map(plain)
  if (Cause.isReason(value)) {
    if (Cause.isInterruptReason(value)) return "interrupted"
    return [value._tag, plain(Cause.isFailReason(value) ? value.error : value.defect)]
  }
  if (value instanceof EffectBreaker.CircuitBreakerError) return plain({ ...value.reason })
  return typeof value === "object" && value !== null && !(value instanceof Error)
    ? Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]))
    : String(value)
}
