/** What the tests of fallbacks share: a store that does as it is told, and a listener. */
import { CircuitOpen, Fallback, type FallbackEvent } from "@reclose/core"
import { Cause, Duration, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { KeyValueStore } from "effect/persistence"
import { TestClock } from "effect/testing"
import { settled } from "../support.ts"

/** What an open circuit rejects a call with. */
export const rejectionOf = (key: string) =>
  new CircuitOpen({
    key,
    phase: "Open",
    reason: "Tripped",
    retryAfter: Duration.seconds(5),
    consecutiveOpenings: 1
  })

const nothing = Effect.void

/** A store in memory that may be told to fail, to hang, or to wait, and that counts what is asked of it. */
export class TestStore {
  readonly held = new Map<string, string>()
  gets = 0
  sets = 0
  /** What happens before it is read or written. */
  beforeGet: Effect.Effect<void, KeyValueStore.KeyValueStoreError> = nothing
  beforeSet: Effect.Effect<void, KeyValueStore.KeyValueStoreError> = nothing
  /** What happens between its being read and the answer. */
  afterGet: Effect.Effect<void> = nothing

  readonly service = KeyValueStore.makeStringOnly({
    get: (key) =>
      Effect.suspend(() => {
        this.gets++
        return Effect.flatMap(this.beforeGet, () => Effect.as(this.afterGet, this.held.get(key)))
      }),
    set: (key, value) =>
      Effect.suspend(() => {
        this.sets++
        return Effect.map(this.beforeSet, () => void this.held.set(key, value))
      }),
    remove: (key) => Effect.sync(() => this.held.delete(key)),
    clear: Effect.sync(() => this.held.clear()),
    size: Effect.sync(() => this.held.size),
    keys: Effect.sync(() => Array.from(this.held.keys()))
  })
}

/** A store that can't be reached. */
export const unreachable = Effect.fail(
  new KeyValueStore.KeyValueStoreError({ method: "get", message: "the store is down" })
)

/** Listens to what fallbacks tell from here on. The effect it answers says what came so far. */
export const listen = Effect.fnUntraced(function*() {
  const seen: Array<FallbackEvent> = []
  yield* Effect.forkScoped(
    Stream.runForEach(Fallback.events, (event) => Effect.sync(() => seen.push(event))),
    { startImmediately: true }
  )
  return Effect.as(settled, seen)
})

/** The same without causes. */
export const told = (events: ReadonlyArray<FallbackEvent>): ReadonlyArray<string> =>
  events.map((event) =>
    event._tag === "StepFailed"
      ? `StepFailed ${event.source}`
      : event._tag === "StoreFailed"
      ? `StoreFailed ${event.operation} ${event.key}`
      : `${event._tag} ${event.key}`
  )

/** What the first of them says went wrong. */
export const reasonIn = ([event]: ReadonlyArray<FallbackEvent>): unknown =>
  event === undefined ? undefined : Cause.squash(event.cause)

/** Runs a test in a scope whose end waits for a store that hangs, and moves the clock on for that. */
export const endingLate = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const result = yield* Effect.provideService(test, Scope.Scope, scope)
    const ending = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(ending)
    return result
  })
