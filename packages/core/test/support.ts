/** What the tests of the shell share: breakers under a policy, and calls that end as told. */
import {
  CircuitBreaker,
  type CircuitEvent,
  CircuitOpen,
  type CircuitRecord,
  CircuitStore,
  CircuitStoreError,
  type GuardOptions,
  type Policy,
  type Replaced,
  type Seen,
  withBreaker
} from "@reclose/core"
import { Cause, Clock, Deferred, type Duration, Effect, Exit, Fiber, Layer, Option, Stream } from "effect"
import type { SteppedClock } from "./SteppedClock.ts"

/** The circuit that a test uses if it needs only one. */
export const key = "quotes"

/** Runs a test with a breaker of its own under a policy. */
export const under = (policy?: Policy.Policy) =>
  Effect.provide(CircuitBreaker.layer(policy).pipe(Layer.provide(CircuitStore.layerMemory)))

/** The reasons of a failed exit in their order, each with its kind. */
export const reasonsOf = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<string> =>
  Exit.isSuccess(exit) ? ["Success"] : exit.cause.reasons.map((reason) => {
    if (Cause.isFailReason(reason)) return `Fail ${reason.error}`
    return Cause.isDieReason(reason) ? `Die ${reason.defect}` : "Interrupt"
  })

/** A call that succeeds. */
export const succeeding = withBreaker(Effect.succeed("42"), key)

/** A call that fails, with its error as its value: its own, or the breaker's. */
export const failing = Effect.flip(withBreaker(Effect.fail("down"), key))

/** Calls that fail, one after the other. */
export const failures = (calls: number) => Effect.replicateEffect(failing, calls)

/** The rejection of a call, for a circuit that has to reject it. */
export const rejection = Effect.flip(succeeding)

/** A call that takes this long and succeeds. Needs a clock that is moved on. */
export const taking = (duration: Duration.Input) => withBreaker(Effect.delay(Effect.succeed("42"), duration), key)

/** The circuit as it stands. */
export const state = Effect.orDie(CircuitBreaker.use((breaker) => breaker.state(key)))

/** The phase that the circuit is in. */
export const phase = Effect.map(state, (state) => state.phase)

/** Lets every other fiber run until it waits for something. */
export const settled = Effect.replicateEffect(Effect.yieldNow, 20, { discard: true })

/** A call that is under way, and ends when it is told to. Each way of ending it answers how the guarded call ended. */
export interface Held {
  readonly fiber: Fiber.Fiber<string, string | CircuitOpen>
  readonly succeed: Effect.Effect<Exit.Exit<string, string | CircuitOpen>>
  readonly fail: Effect.Effect<Exit.Exit<string, string | CircuitOpen>>
  readonly die: Effect.Effect<Exit.Exit<string, string | CircuitOpen>>
  readonly interrupt: Effect.Effect<Exit.Exit<string, string | CircuitOpen>>
}

/** Begins a call that is under way until it is told how to end. */
export const hold = Effect.fnUntraced(
  function*(options: GuardOptions<string, string> = { key }): Effect.fn.Return<Held, never, CircuitBreaker> {
    const gate = yield* Deferred.make<string, string>()
    const fiber = yield* Effect.forkChild(withBreaker(Deferred.await(gate), options), { startImmediately: true })
    const end = (exit: Exit.Exit<string, string>) => Effect.andThen(Deferred.done(gate, exit), Fiber.await(fiber))
    return {
      fiber,
      succeed: end(Exit.succeed("42")),
      fail: end(Exit.fail("down")),
      die: end(Exit.die("broken")),
      interrupt: Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber))
    }
  }
)

/** Whether a call ended in a rejection. */
export const isRejected = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Option.exists(Exit.findErrorOption(exit), (error) => error instanceof CircuitOpen)

/** Listens to all events of the breaker from here on. The effect it answers says what came so far. */
export const listen = Effect.fnUntraced(function*() {
  const breaker = yield* CircuitBreaker
  const seen: Array<CircuitEvent> = []
  yield* Effect.forkScoped(
    Stream.runForEach(breaker.events, (event) => Effect.sync(() => seen.push(event))),
    { startImmediately: true }
  )
  return Effect.as(settled, seen)
})

/** What a circuit went through, as `from → to: reason`. */
export const transitionsOf = (events: ReadonlyArray<CircuitEvent>): ReadonlyArray<string> =>
  events.flatMap((event) => event._tag === "Transition" ? [`${event.from} → ${event.to}: ${event.reason._tag}`] : [])

/** Runs a test with a breaker whose clock may step back. */
export const underStepped = (clock: SteppedClock, policy?: Policy.Policy) => <A, E, R>(test: Effect.Effect<A, E, R>) =>
  test.pipe(under(policy), Effect.provideService(Clock.Clock, clock))

/** The record of a closed circuit that nothing has happened to: any will do for a store. */
export const closedAt = (generation: number): CircuitRecord.CircuitRecord => ({
  version: generation + 1,
  time: 0,
  timeToLive: undefined,
  generation,
  phase: { _tag: "Closed", openings: 0, remaining: 0 },
  override: "None",
  policy: "",
  evidence: [],
  failing: [],
  writers: []
})

/** A store that holds what a test puts there, counts what is asked of it, and can be told to fail. */
export class TestStore {
  readonly held = new Map<string, CircuitRecord.CircuitRecord>()
  reads = 0
  failReads = false
  failReplaces = false

  readonly layer = Layer.effect(
    CircuitStore,
    Effect.map(Clock.Clock, (clock) => {
      const look = (key: string): Seen => ({
        record: this.held.get(key),
        time: clock.currentTimeMillisUnsafe(),
        precision: 1
      })
      return CircuitStore.make({
        read: (key) =>
          Effect.suspend(() => {
            this.reads++
            return this.failReads ? Effect.fail(storeError(key, "read")) : Effect.succeed(look(key))
          }),
        replace: (key, seen, next) =>
          Effect.suspend((): Effect.Effect<Replaced, CircuitStoreError> => {
            if (this.failReplaces) return Effect.fail(storeError(key, "replace"))
            const current = look(key)
            if (current.record?.version !== seen?.version) return Effect.succeed({ _tag: "Conflict", seen: current })
            this.held.set(key, next)
            return Effect.succeed({ _tag: "Replaced", time: current.time, precision: 1 })
          }),
        changes: undefined,
        list: () => Stream.fromIterable(this.held.keys())
      })
    })
  )
}

const storeError = (key: string, operation: "read" | "replace") =>
  new CircuitStoreError({ key, operation, reason: "Unavailable", message: "the store is down" })

/** Runs a test with a breaker of its own over a store. */
export const over = (store: TestStore, policy?: Policy.Policy) =>
  Effect.provide(CircuitBreaker.layer(policy).pipe(Layer.provide(store.layer)))
