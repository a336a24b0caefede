/** What the log of a breaker says, at which level, and that it misses nothing at either end. */
import { assert, describe, it } from "@effect/vitest"
import {
  CircuitBreaker,
  type CircuitEvent,
  CircuitStore,
  EventLog,
  Fallback,
  type Policy,
  TripRule,
  withBreaker
} from "@reclose/core"
import { Effect, Layer, Logger, PubSub, References, Stream } from "effect"
import { TestClock } from "effect/testing"
import { failing, key, settled, succeeding } from "./support.ts"

interface Line {
  readonly level: string
  readonly text: string
  readonly annotations: Readonly<Record<string, unknown>>
}

/** Runs a program with a logger that keeps the lines, and returns them. */
const linesOf = <E>(program: Effect.Effect<unknown, E>): Effect.Effect<ReadonlyArray<Line>, E> => {
  const lines: Array<Line> = []
  const keeping = Logger.make<unknown, void>(({ fiber, logLevel, message }) => {
    const [text] = Array.isArray(message) ? message : [message]
    lines.push({
      level: logLevel,
      text: String(text),
      annotations: { ...fiber.getRef(References.CurrentLogAnnotations) }
    })
  })
  return Effect.as(
    program.pipe(Effect.provide(Logger.layer([keeping])), Effect.provideService(References.MinimumLogLevel, "All")),
    lines
  )
}

const logged = (policy: Policy.Policy) => EventLog.layer.pipe(Layer.provideMerge(CircuitBreaker.layerLocal(policy)))

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const texts = (lines: ReadonlyArray<Line>) => lines.map(({ level, text }) => `${level} ${text}`)

describe("the log of a breaker", () => {
  it.effect("has the very first transition, though nothing ran before it", () =>
    Effect.gen(function*() {
      const lines = yield* linesOf(Effect.provide(failing, logged(first)))
      assert.deepStrictEqual(lines, [{
        level: "Warn",
        text: `circuit "quotes" opened for 30s: 1 failure in a row (trips at 1)`,
        annotations: { circuit: "quotes", from: "Closed", to: "Open", reason: "Tripped" }
      }])
    }))

  it.effect("goes on after a logger that threw", () =>
    Effect.gen(function*() {
      const lines: Array<unknown> = []
      let isBroken = true
      const throwing = Logger.make<unknown, void>(({ message }) => {
        if (isBroken) throw new Error("the disk is full")
        lines.push(message)
      })
      const program = Effect.gen(function*() {
        yield* failing
        yield* settled
        isBroken = false
        yield* TestClock.adjust("30 seconds")
        yield* succeeding
      })
      yield* Effect.provide(program, Layer.provideMerge(logged(first), Logger.layer([throwing])))
      assert.strictEqual(lines.length, 2)
    }))

  it.live("has the first transition of a breaker over a store, though the program ends with it", () =>
    Effect.gen(function*() {
      const overStore = EventLog.layer.pipe(
        Layer.provideMerge(CircuitBreaker.layer(first)),
        Layer.provide(CircuitStore.layerMemory)
      )
      assert.deepStrictEqual(texts(yield* linesOf(Effect.provide(failing, overStore))), [
        `Warn circuit "quotes" opened for 30s: 1 failure in a row (trips at 1)`
      ])
      const forced = CircuitBreaker.use((breaker) => breaker.forceOpen(key))
      assert.deepStrictEqual(texts(yield* linesOf(Effect.provide(forced, overStore))), [
        `Info circuit "quotes": an operator set ForcedOpen`
      ])
    }))

  it.effect("has what happened last before its layer closed", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        yield* failing
        yield* TestClock.adjust("30 seconds")
        yield* succeeding
      })
      assert.deepStrictEqual(texts(yield* linesOf(Effect.provide(program, logged(first)))), [
        `Warn circuit "quotes" opened for 30s: 1 failure in a row (trips at 1)`,
        `Info circuit "quotes" became half-open: its open duration is over`,
        `Info circuit "quotes" closed: its probes succeeded`
      ])
    }))

  it.effect("says which opening in a row it is, and that metrics only reject nothing", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        yield* CircuitBreaker.use((breaker) => breaker.metricsOnly(key))
        yield* failing
        yield* TestClock.adjust("30 seconds")
        yield* failing
      })
      assert.deepStrictEqual(texts(yield* linesOf(Effect.provide(program, logged(first)))), [
        `Info circuit "quotes": an operator set MetricsOnly`,
        `Warn circuit "quotes" opened for 30s: 1 failure in a row (trips at 1) (metrics only: no call is rejected)`,
        `Info circuit "quotes" became half-open: its open duration is over (metrics only: no call is rejected)`,
        `Warn circuit "quotes" opened for 30s, opening 2 in a row: a probe failed (metrics only: no call is rejected)`
      ])
    }))

  it.effect.each<[string, TripRule.TripRule, string]>([
    [
      "failures within a time",
      TripRule.failures({ failures: 2, window: "1 minute" }),
      "2 failures within 1m (trips at 2)"
    ],
    [
      "a failure rate",
      TripRule.failureRate({ threshold: 0.333, window: 10, minimumCalls: 2 }),
      "2 of 2 calls failed (100 %, trips at 33.3 %)"
    ],
    [
      "two rules",
      TripRule.all([TripRule.consecutive(2), TripRule.failures({ failures: 1, window: "1 minute" })]),
      "2 failures in a row (trips at 2) and 2 failures within 1m (trips at 1)"
    ]
  ])("explains an opening by %s", ([, tripRule, expected]) =>
    Effect.gen(function*() {
      const lines = yield* linesOf(Effect.provide(Effect.andThen(failing, failing), logged({ tripRule })))
      assert.deepStrictEqual(texts(lines), [`Warn circuit "quotes" opened for 30s: ${expected}`])
    }))

  it.effect("has five lines for a store that fails for a hundred circuits, and then says how many there were", () =>
    Effect.gen(function*() {
      const failed = (key: string): CircuitEvent => ({ _tag: "StoreFailed", key, operation: "read", cause: "no" })
      const pubsub = yield* PubSub.unbounded<CircuitEvent>()
      const program = Effect.gen(function*() {
        yield* EventLog.logEvents({ events: Stream.fromPubSub(pubsub) })
        yield* PubSub.publishAll(pubsub, Array.from({ length: 100 }, (_, i) => failed(`circuit ${i}`)))
        yield* settled
        yield* TestClock.adjust("10 seconds")
        yield* PubSub.publish(pubsub, failed("the next"))
        yield* settled
      })
      const lines = texts(yield* linesOf(Effect.scoped(program)))
      assert.lengthOf(lines, 6)
      assert.include(lines[5], `for circuit "the next"; circuits go on locally (and 95 more such lines were left out)`)
    }))

  it.effect("has one line for a thousand keys without room in ten seconds, and then says how many there were", () =>
    Effect.gen(function*() {
      const refused = (count: number) =>
        Effect.forEach(
          Array.from({ length: count }, (_, i) => `other ${i}`),
          (other) => Effect.andThen(Effect.exit(withBreaker(Effect.fail("down"), other)), settled),
          { discard: true }
        )
      const program = Effect.gen(function*() {
        yield* CircuitBreaker.use((breaker) => breaker.forceOpen(key))
        yield* refused(1_000)
        yield* TestClock.adjust("10 seconds")
        yield* refused(1)
      })
      const lines = yield* linesOf(Effect.provide(program, logged({ ...first, maxKeys: 1 })))
      const remedy = "so its calls run unguarded: raise maxKeys, or use fewer keys"
      assert.deepStrictEqual(texts(lines), [
        `Info circuit "quotes": an operator set ForcedOpen`,
        `Warn no room for circuit "other 0", ${remedy}`,
        `Warn no room for circuit "other 0", ${remedy} (and 999 more such lines were left out)`
      ])
    }))

  it.effect("names the circuit of a classifier that failed", () =>
    Effect.gen(function*() {
      const call = withBreaker(Effect.void, {
        key,
        classify: () => {
          throw new Error("broken")
        }
      })
      assert.deepStrictEqual(texts(yield* linesOf(Effect.provide(Effect.exit(call), logged(first)))), [
        `Error circuit "quotes": a classifier failed, so its call counts as ignored`
      ])
    }))
})

describe("the log of fallbacks", () => {
  it.effect("names the step that failed", () =>
    Effect.gen(function*() {
      const chain = Fallback.chain(Effect.fail("down"), [
        Fallback.effect(Effect.fail("down, too"), { source: "Mirror" }),
        Fallback.value("later")
      ], { when: () => true })
      const lines = yield* linesOf(Effect.provide(chain, EventLog.layerFallback))
      assert.deepStrictEqual(texts(lines), [`Warn fallback "Mirror" failed`])
    }))
})
