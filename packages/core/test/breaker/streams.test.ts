/** The streams of transitions and events, and that nobody who listens can slow a call. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, type Policy, type Transition, TripRule, withBreaker } from "@reclose/core"
import { Duration, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { failing, failures, key, listen, settled, succeeding, under } from "../support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const start = { startImmediately: true }

/** Listens to the transitions, doing this with each, until the stream ends or the scope closes. */
const subscribe = <E>(onEach: (transition: Transition) => Effect.Effect<unknown, E>) =>
  Effect.flatMap(CircuitBreaker, (breaker) => Effect.forkScoped(Stream.runForEach(breaker.transitions, onEach), start))

/** Opens the circuit and resets it, so often. */
const trips = (times: number) =>
  Effect.replicateEffect(
    Effect.andThen(failing, Effect.orDie(CircuitBreaker.use((breaker) => breaker.reset(key)))),
    times,
    { discard: true }
  )

describe("transitions", () => {
  it.effect("say what changed, why, and what that means", () =>
    Effect.gen(function*() {
      const seen: Array<Transition> = []
      yield* subscribe((transition) => Effect.sync(() => seen.push(transition)))
      yield* failures(2)
      yield* TestClock.adjust("30 seconds")
      yield* succeeding
      yield* settled
      const common = { _tag: "Transition", key, override: "None", consecutiveOpenings: 1 } as const
      const none = Duration.zero
      assert.deepStrictEqual(seen, [
        {
          ...common,
          time: 0,
          from: "Closed",
          to: "Open",
          reason: { _tag: "Tripped", readings: [{ _tag: "Consecutive", failures: 2, threshold: 2 }] },
          generation: 2,
          openDuration: Duration.seconds(30)
        },
        {
          ...common,
          time: 30_000,
          from: "Open",
          to: "HalfOpen",
          reason: { _tag: "OpenElapsed" },
          generation: 3,
          openDuration: none
        },
        {
          ...common,
          time: 30_000,
          from: "HalfOpen",
          to: "Closed",
          reason: { _tag: "ProbesSucceeded" },
          generation: 4,
          openDuration: none
        }
      ])
    }).pipe(under({ ...first, tripRule: TripRule.consecutive(2) })))

  it.effect("come from the moment the stream is run, to each subscriber", () =>
    Effect.gen(function*() {
      const counts = [0, 0]
      const count = (i: 0 | 1) => subscribe(() => Effect.sync(() => counts[i] = (counts[i] ?? 0) + 1))
      yield* count(0)
      yield* trips(1)
      yield* settled
      yield* count(1)
      yield* trips(2)
      yield* settled
      assert.deepStrictEqual(counts, [6, 4])
    }).pipe(under(first)))

  it.effect("are among the events, in their order", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* trips(1)
      assert.deepStrictEqual((yield* events).map((event) => event._tag), ["Transition", "Transition", "Overridden"])
    }).pipe(under(first)))
})

describe("a subscriber", () => {
  it.effect("is told beside the calls and never inside them", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      yield* subscribe((transition) => Effect.sync(() => seen.push(transition.to)))
      yield* settled
      yield* failing
      assert.deepStrictEqual(seen, [])
      yield* settled
      assert.deepStrictEqual(seen, ["Open"])
    }).pipe(under(first)))

  it.effect("that is slow holds up no call, and gets the newest 256", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      yield* subscribe((transition) =>
        Effect.andThen(Effect.sleep("1 second"), Effect.sync(() => seen.push(transition.generation)))
      )
      yield* settled
      yield* trips(1000)
      assert.strictEqual(seen.length, 0, "the calls were over before it was done with the first")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(seen.slice(-256), Array.from({ length: 256 }, (_, i) => 1746 + i))
      assert.isAtMost(seen.length, 512, "what it had taken at once, and what was kept for it")
    }).pipe(under(first)))

  it.effect.each<[string, () => Effect.Effect<never, string>]>([
    ["that fails", () => Effect.fail("full")],
    ["that dies", () => Effect.die("broken")],
    ["that hangs", () => Effect.never],
    ["that is interrupted", () => Effect.interrupt]
  ])("%s holds up neither calls nor other subscribers", ([, onEach]) =>
    Effect.gen(function*() {
      const events = yield* listen()
      yield* subscribe(onEach)
      yield* trips(10)
      assert.strictEqual((yield* events).length, 30)
      assert.strictEqual(yield* succeeding, "42")
    }).pipe(under(first)))

  it.effect("that takes only some is done with the rest", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const taken = yield* Effect.forkChild(Stream.runCollect(Stream.take(breaker.transitions, 3)), start)
      yield* trips(10)
      assert.deepStrictEqual((yield* Fiber.join(taken)).map((transition) => transition.generation), [2, 3, 4])
    }).pipe(under(first)))

  it.effect("may call through the breaker that it listens to", () =>
    Effect.gen(function*() {
      const guarded = withBreaker(Effect.succeed("alerted"), "alerts")
      const answers: Array<string> = []
      const breaker = yield* CircuitBreaker
      yield* subscribe(() =>
        Effect.map(Effect.provideService(guarded, CircuitBreaker, breaker), (answer) => answers.push(answer))
      )
      yield* failing
      yield* settled
      assert.deepStrictEqual(answers, ["alerted"])
    }).pipe(under(first)))
})

describe("the end of a breaker", () => {
  it.effect("ends the streams, after what was still in them", () =>
    Effect.gen(function*() {
      const collected = yield* Effect.scoped(Effect.gen(function*() {
        const breaker = yield* CircuitBreaker.make(first)
        const collecting = yield* Effect.forkDetach(Stream.runCollect(breaker.transitions), start)
        yield* Effect.flip(breaker.withBreaker(Effect.fail("down"), key))
        return collecting
      }))
      assert.deepStrictEqual((yield* Fiber.join(collected)).map((transition) => transition.to), ["Open"])
    }).pipe(Effect.provide(CircuitStore.layerMemory)))

  it.effect("ends a stream that is run afterwards at once", () =>
    Effect.gen(function*() {
      const breaker = yield* Effect.scoped(CircuitBreaker.make(first))
      assert.deepStrictEqual(yield* Stream.runCollect(breaker.events), [])
    }).pipe(Effect.provide(CircuitStore.layerMemory)))
})
