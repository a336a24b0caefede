/** Which calls a chain answers, with what, and what it leaves as it is. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitOpen, Fallback, LastGood, withBreaker } from "@reclose/core"
import { Cause, Data, Deferred, Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { key, reasonsOf, settled, under } from "../support.ts"
import { listen, rejectionOf, told } from "./support.ts"

const open = rejectionOf(key)

class Down extends Data.TaggedError("Down")<{ readonly status: number }> {}

const rejected: Effect.Effect<string, CircuitOpen> = Effect.fail(open)

const degradedBy = <A, E>(value: A, source: string, error: E): Fallback.Degraded<A, E> => ({
  _tag: "Degraded",
  value,
  source,
  age: undefined,
  error
})

const degraded = <A>(value: A, source: string) => degradedBy(value, source, open)

/** An effect that counts how often it is run. */
const counted = <A, E>(effect: Effect.Effect<A, E>) => {
  const counter = { runs: 0 }
  return {
    counter,
    effect: Effect.suspend(() => {
      counter.runs++
      return effect
    })
  }
}

describe("a chain of fallbacks", () => {
  it.effect("passes a fresh answer on as that, and asks no step", () =>
    Effect.gen(function*() {
      const other = counted(Effect.succeed("other"))
      const answer = yield* Effect.succeed("42").pipe(Fallback.chain([Fallback.effect(other.effect)]))
      assert.deepStrictEqual(answer, { _tag: "Fresh", value: "42" })
      assert.strictEqual(other.counter.runs, 0)
    }))

  it.effect("answers a rejected call, and says with what, and why", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* Fallback.chain(rejected, [Fallback.value("none")]),
        degraded("none", "Static")
      )
      assert.deepStrictEqual(
        yield* rejected.pipe(Fallback.chain([Fallback.effect(Effect.succeed("mirrored"), { source: "Mirror" })])),
        degraded("mirrored", "Mirror")
      )
      assert.deepStrictEqual(
        yield* rejected.pipe(Fallback.chain([Fallback.effect(Effect.succeed("mirrored"))])),
        degraded("mirrored", "Effect")
      )
    }))

  it.effect("answers what a circuit rejects, and not what the dependency says", () =>
    Effect.gen(function*() {
      const call = Effect.fail(new Down({ status: 500 })).pipe(
        withBreaker(key),
        Fallback.chain([Fallback.value("none")])
      )
      assert.deepStrictEqual(yield* Effect.flip(call), new Down({ status: 500 }))
      yield* CircuitBreaker.use((breaker) => breaker.forceOpen(key))
      assert.strictEqual(Fallback.toValue(yield* call), "none")
    }).pipe(under()))

  it.effect("asks its steps in their order, and none after the one that answers", () =>
    Effect.gen(function*() {
      const quotes = yield* LastGood.memory<string>()
      const first = counted(Effect.fail("the mirror is down, too"))
      // It could fail, or nothing might follow it.
      const second = counted<string, string>(Effect.succeed("second"))
      const third = counted(Effect.fail("third"))
      const answer = yield* rejected.pipe(Fallback.chain([
        Fallback.lastGood(quotes, { key, maxAge: "1 minute" }),
        Fallback.effect(first.effect),
        Fallback.effect(second.effect, { source: "Second" }),
        Fallback.effect(third.effect)
      ]))
      assert.deepStrictEqual(answer, degraded("second", "Second"))
      assert.deepStrictEqual([first.counter.runs, second.counter.runs, third.counter.runs], [1, 1, 0])
    }))

  it.effect("fails with the call's own cause where no step has an answer, and tells of those that failed", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const quotes = yield* LastGood.memory<string>()
      const cause = Cause.combine(Cause.fail(open), Cause.fail(open))
      const exit = yield* Effect.failCause(cause).pipe(
        Fallback.chain([
          Fallback.effect(Effect.fail("too late"), { source: "Mirror" }),
          Fallback.lastGood(quotes, { key, maxAge: "1 minute" })
        ]),
        Effect.exit
      )
      assert.deepStrictEqual<unknown>(exit, Exit.failCause(cause))
      assert.deepStrictEqual(told(yield* events), ["StepFailed Mirror"])
    }))

  it.effect.each<[string, Cause.Cause<CircuitOpen | Down>]>([
    ["another error", Cause.fail(new Down({ status: 500 }))],
    ["a defect", Cause.die("broken")],
    ["an interruption", Cause.interrupt(1)],
    ["a rejection beside a defect", Cause.combine(Cause.fail(open), Cause.die("broken"))],
    ["a rejection beside an interruption", Cause.combine(Cause.fail(open), Cause.interrupt(1))],
    ["a rejection beside another error", Cause.combine(Cause.fail(open), Cause.fail(new Down({ status: 500 })))],
    ["nothing at all", Cause.empty]
  ])("leaves %s as it is", ([, cause]) =>
    Effect.gen(function*() {
      const other = counted(Effect.succeed("other"))
      const exit = yield* Effect.exit(Fallback.chain(Effect.failCause(cause), [Fallback.effect(other.effect)]))
      assert.deepStrictEqual<unknown>(exit, Exit.failCause(cause))
      assert.strictEqual(other.counter.runs, 0)
    }))

  it.effect("answers the errors that it is told to, and no others", () =>
    Effect.gen(function*() {
      const call = (error: CircuitOpen | Down) =>
        Fallback.chain(Effect.fail(error), [Fallback.value("none")], {
          when: (error) => error._tag === "Down" && error.status >= 500
        })
      const down = new Down({ status: 503 })
      assert.deepStrictEqual(yield* call(down), degradedBy("none", "Static", down))
      assert.strictEqual((yield* Effect.flip(call(new Down({ status: 404 }))))._tag, "Down")
      assert.strictEqual(yield* Effect.flip(call(open)), open)
    }))

  it.effect("answers a defect that was made an error", () =>
    Effect.gen(function*() {
      const answer = yield* Effect.die("broken").pipe(
        Effect.catchDefect((defect) => Effect.fail(`died: ${defect}`)),
        Fallback.chain([Fallback.value("none")], { when: (error: string) => error.startsWith("died") })
      )
      assert.deepStrictEqual(answer, degradedBy("none", "Static", "died: broken"))
    }))

  it.effect("dies with the defect of a step, and nothing else", () =>
    Effect.gen(function*() {
      const step = Effect.failCause(Cause.combine(Cause.fail("mirror"), Cause.die("broken")))
      const exit = yield* Effect.exit(Fallback.chain(rejected, [Fallback.effect(step), Fallback.value("none")]))
      assert.deepStrictEqual<unknown>(exit, Exit.die("broken"))
    }))

  it.effect("is interrupted with the step that it waits for", () =>
    Effect.gen(function*() {
      let interrupted = false
      const step = Effect.onInterrupt(Effect.never, () =>
        Effect.sync(() => {
          interrupted = true
        }))
      const fiber = yield* Effect.forkChild(Fallback.chain(rejected, [Fallback.effect(step)]), {
        startImmediately: true
      })
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause))
      assert.isTrue(interrupted)
    }))

  it.effect("doesn't answer a call that is interrupted from outside", () =>
    Effect.gen(function*() {
      const other = counted(Effect.succeed("other"))
      const gate = yield* Deferred.make<string, CircuitOpen>()
      const fiber = yield* Effect.forkChild(
        Fallback.chain(Deferred.await(gate), [Fallback.effect(other.effect)]),
        { startImmediately: true }
      )
      yield* settled
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(other.counter.runs, 0)
    }))
})

describe("the last good answer", () => {
  const chained = (quotes: LastGood.LastGood<string>, options?: { readonly isGood: (value: string) => boolean }) =>
    Fallback.chain([Fallback.lastGood(quotes, { key, maxAge: "1 minute", ...options })])

  it.effect("is served with its age, up to the age that it may have", () =>
    Effect.gen(function*() {
      const quotes = yield* LastGood.memory<string>()
      const chain = chained(quotes)
      yield* chain(Effect.succeed("41"))
      yield* chain(Effect.succeed("42"))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* chain(rejected), {
        ...degraded("42", "LastGood"),
        age: Duration.minutes(1)
      })
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Effect.flip(chain(rejected)), open)
    }))

  it.effect("is none that was degraded itself", () =>
    Effect.gen(function*() {
      const quotes = yield* LastGood.memory<string>()
      const chain = Fallback.chain([Fallback.lastGood(quotes, { key, maxAge: "1 minute" }), Fallback.value("none")])
      assert.strictEqual(Fallback.toValue(yield* chain(rejected)), "none")
      assert.isUndefined(yield* quotes.recall(key))
      yield* chain(Effect.succeed("42"))
      yield* TestClock.adjust("40 seconds")
      yield* chain(rejected)
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual(Fallback.toValue(yield* chain(rejected)), "none")
    }))

  it.effect("is none that is not worth remembering", () =>
    Effect.gen(function*() {
      const quotes = yield* LastGood.memory<string>()
      const chain = chained(quotes, { isGood: (value) => value !== "maintenance" })
      yield* chain(Effect.succeed("42"))
      assert.deepStrictEqual(yield* chain(Effect.succeed("maintenance")), { _tag: "Fresh", value: "maintenance" })
      assert.strictEqual(Fallback.toValue(yield* chain(rejected)), "42")
    }))

  it.effect("is that of its key", () =>
    Effect.gen(function*() {
      const quotes = yield* LastGood.memory<string>()
      yield* quotes.remember("other", "41")
      assert.strictEqual(yield* Effect.flip(chained(quotes)(rejected)), open)
    }))
})

describe("a predicate that throws", () => {
  const broken = (): never => {
    throw new Error("broken")
  }

  it.effect("leaves the call's own error typed where `when` throws", () =>
    Effect.gen(function*() {
      const answer = Fallback.chain(Effect.fail("down"), [Fallback.value("none")], { when: broken })
      assert.deepStrictEqual(reasonsOf(yield* Effect.exit(answer)), ["Fail down", "Die Error: broken"])
    }))

  it.effect("costs the caller no fresh answer where `isGood` throws, and an event names the cause", () =>
    Effect.gen(function*() {
      const lastGood = yield* LastGood.memory<string>()
      const events = yield* listen()
      const answer = Fallback.chain(Effect.succeed("42"), [
        Fallback.lastGood(lastGood, { key, maxAge: "1 hour", isGood: broken })
      ])
      assert.deepStrictEqual(yield* answer, { _tag: "Fresh", value: "42" })
      assert.isUndefined(yield* lastGood.recall(key))
      assert.deepStrictEqual((yield* events).map(({ _tag }) => _tag), ["StepFailed"])
    }))

  it.effect.each([["nothing", undefined], ["a promise", Promise.resolve(false)]])(
    "keeps no answer where `isGood` returns %s",
    ([, returned]) =>
      Effect.gen(function*() {
        const lastGood = yield* LastGood.memory<string>()
        // As JavaScript may.
        const isGood = (): boolean => returned as unknown as boolean
        yield* Fallback.chain(Effect.succeed("42"), [Fallback.lastGood(lastGood, { key, maxAge: "1 hour", isGood })])
        assert.isUndefined(yield* lastGood.recall(key))
      })
  )

  it.effect("answers with no step where `when` returns a promise", () =>
    Effect.gen(function*() {
      // As JavaScript may.
      const when = (): boolean => Promise.resolve(false) as unknown as boolean
      const chained = Fallback.chain(Effect.fail("down"), [Fallback.value("none")], { when })
      assert.strictEqual(yield* Effect.flip(chained), "down")
    }))
})
