/** Handlers as effects, on the test's clock: what their promises come to is seen in containers. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, PolicyError, TripRule, withBreaker } from "@reclose/core"
import { FaultyStore } from "@reclose/core/testing"
import { BeforeResponse, LambdaBreaker, LambdaContext, LambdaHandler } from "@reclose/lambda"
import { Cause, Clock, Context, Duration, Effect, Exit, Fiber, Layer, Logger, References, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { Container } from "../src/internal/Container.ts"
import { invoke } from "../src/internal/Invocation.ts"
import { contextOf } from "./support.ts"

const half = Duration.millis(500)

/** One function in one container: handles an event that is the effect to run. */
const functionOf = <R, E>(layer: Layer.Layer<R, E, BeforeResponse>, margin = half) => {
  const container = new Container(layer)
  return {
    container,
    run: <A, E2>(effect: Effect.Effect<A, E2, R | LambdaContext>, millis = 3_000) =>
      Effect.flatMap(
        contextOf(millis),
        (context) => invoke(container, (event: typeof effect) => event, margin)(effect, context)
      )
  }
}

/** The messages of the log lines that an effect writes. */
const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
    return Effect.map(
      Effect.provide(Effect.exit(effect), Logger.layer([logger])),
      (exit) => ({ exit, lines })
    )
  })

/** Lets everything run that needs no time. */
const settled = TestClock.adjust(0)

class Connection extends Context.Service<Connection, { readonly id: number }>()("test/Connection") {}

describe("a handler's layers", () => {
  it.effect("are built once for all invocations", () =>
    Effect.gen(function*() {
      let builds = 0
      const { run } = functionOf(Layer.sync(Connection, () => ({ id: ++builds })))
      const id = Effect.map(Connection, ({ id }) => id)
      assert.deepStrictEqual([yield* run(id), yield* run(id)], [1, 1])
    }))

  it.effect("are built before the first invocation, once asked to", () =>
    Effect.gen(function*() {
      let builds = 0
      const { container, run } = functionOf(Layer.sync(Connection, () => ({ id: ++builds })))
      yield* container.begin
      assert.strictEqual(builds, 1)
      yield* run(Effect.void)
      assert.strictEqual(builds, 1)
    }))

  it.effect("that can't be built fail the invocation with every mistake, and are tried again with the next", () =>
    Effect.gen(function*() {
      let builds = 0
      const { run } = functionOf(
        Layer.unwrap(Effect.sync(() =>
          ++builds === 1
            ? LambdaBreaker.layer({ tripRule: TripRule.consecutive(0), jitter: 2 })
            : LambdaBreaker.layer()
        )).pipe(Layer.provide(CircuitStore.layerMemory))
      )
      const error = yield* Effect.flip(run(Effect.void))
      assert.match(error.message, /tripRule.failures is 0.*\njitter is 2/)
      assert.strictEqual(yield* run(Effect.succeed(1).pipe(withBreaker("quotes"))), 1)
      assert.strictEqual(builds, 2)
    }))

  it.effect("that failed leave nothing open", () =>
    Effect.gen(function*() {
      let open = 0
      const opened = Effect.acquireRelease(
        Effect.sync(() => ++open),
        () => Effect.sync(() => --open)
      )
      const { run } = functionOf(Layer.effect(Connection, Effect.andThen(opened, Effect.fail("no route"))))
      assert.strictEqual(yield* Effect.flip(run(Effect.void)), "no route")
      assert.strictEqual(open, 0)
    }))

  it.effect("that die fail the invocation, and are tried again with the next", () =>
    Effect.gen(function*() {
      let builds = 0
      const { run } = functionOf(
        Layer.effect(Connection, Effect.suspend(() => ++builds === 1 ? Effect.die("torn") : Effect.succeed({ id: 2 })))
      )
      const died = yield* Effect.exit(run(Effect.void))
      assert.isTrue(Exit.isFailure(died) && Cause.hasDies(died.cause))
      assert.strictEqual(yield* run(Effect.map(Connection, ({ id }) => id)), 2)
    }))

  it.effect("that are not built in time fail the invocation, and are tried again with the next", () =>
    Effect.gen(function*() {
      let builds = 0
      let interrupted = 0
      const { run } = functionOf(Layer.effect(
        Connection,
        Effect.suspend(() =>
          ++builds === 1
            ? Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
            : Effect.succeed({ id: builds })
        )
      ))
      const first = yield* Effect.forkChild(Effect.flip(run(Effect.void)), { startImmediately: true })
      yield* TestClock.adjust(2_499)
      assert.strictEqual(interrupted, 0)
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(first)
      assert.strictEqual(error._tag, "DeadlineExceeded")
      assert.strictEqual(interrupted, 1)
      assert.strictEqual(yield* run(Effect.map(Connection, ({ id }) => id)), 2)
    }))

  it.effect("go on being built for others who wait when one of them has no more time", () =>
    Effect.gen(function*() {
      let builds = 0
      const { run } = functionOf(
        Layer.effect(Connection, Effect.delay(Effect.sync(() => ({ id: ++builds })), "2 seconds"))
      )
      const id = Effect.map(Connection, ({ id }) => id)
      const brief = yield* Effect.forkChild(Effect.flip(run(id, 1_500)), { startImmediately: true })
      const patient = yield* Effect.forkChild(run(id, 3_000), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(brief))._tag, "DeadlineExceeded")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(patient), 1)
    }))

  it.effect("go on being built while the process waits for its first invocation", () =>
    Effect.gen(function*() {
      const { container, run } = functionOf(
        Layer.effect(Connection, Effect.as(Effect.sleep("1 second"), { id: 1 }))
      )
      yield* container.begin
      yield* TestClock.adjust("600 millis")
      const answer = yield* Effect.forkChild(run(Effect.succeed("done")), { startImmediately: true })
      yield* TestClock.adjust("400 millis")
      assert.strictEqual(yield* Fiber.join(answer), "done")
    }))

  it.effect("are closed with the container", () =>
    Effect.gen(function*() {
      let open = 0
      const { container, run } = functionOf(
        Layer.effectDiscard(Effect.acquireRelease(Effect.sync(() => ++open), () => Effect.sync(() => --open)))
      )
      yield* run(Effect.void)
      assert.strictEqual(open, 1)
      yield* container.close
      assert.strictEqual(open, 0)
    }))
})

describe("a handler's effect", () => {
  it.effect("answers, fails and dies as it does", () =>
    Effect.gen(function*() {
      const { run } = functionOf(Layer.empty)
      assert.strictEqual(yield* run(Effect.succeed(42)), 42)
      assert.strictEqual(yield* Effect.flip(run(Effect.fail("no"))), "no")
      const died = yield* Effect.exit(run(Effect.die("broken")))
      assert.isTrue(Exit.isFailure(died) && Cause.hasDies(died.cause))
    }))

  it.effect("is told of its invocation", () =>
    Effect.gen(function*() {
      const { run } = functionOf(Layer.empty)
      const { awsRequestId, remaining } = yield* run(
        Effect.gen(function*() {
          const { awsRequestId } = yield* LambdaContext
          return { awsRequestId, remaining: Duration.toMillis(yield* LambdaContext.remaining) }
        }),
        1_234
      )
      assert.deepStrictEqual([awsRequestId, remaining], ["request-1", 1_234])
    }))

  it.effect("is interrupted a margin before its time is over, and fails with that", () =>
    Effect.gen(function*() {
      let interruptedAt = 0
      const { run } = functionOf(Layer.empty)
      const hangs = Effect.onInterrupt(Effect.never, () =>
        Effect.map(Clock.currentTimeMillis, (now) => void (interruptedAt = now)))
      const fiber = yield* Effect.forkChild(Effect.flip(run(hangs)), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "DeadlineExceeded")
      assert.strictEqual(interruptedAt, 2_500)
      assert.match(error.message, /request-1 was given up 500ms before its time was over/)
    }))

  it.effect("has half of its time at least, whatever the margin", () =>
    Effect.gen(function*() {
      const { run } = functionOf(Layer.empty)
      const fiber = yield* Effect.forkChild(run(Effect.as(Effect.sleep(190), "done"), 400), { startImmediately: true })
      yield* TestClock.adjust(190)
      assert.strictEqual(yield* Fiber.join(fiber), "done")
    }))

  it.effect("that is late says by how much, in whole milliseconds", () =>
    Effect.gen(function*() {
      const { run } = functionOf(Layer.empty)
      const fiber = yield* Effect.forkChild(Effect.flip(run(Effect.never, 401)), { startImmediately: true })
      yield* TestClock.adjust(401)
      assert.match((yield* Fiber.join(fiber)).message, /given up 200ms before/)
    }))

  it.effect("that interrupts itself is not said to be late", () =>
    Effect.gen(function*() {
      const { run } = functionOf(Layer.empty)
      const exit = yield* Effect.exit(run(Effect.interrupt))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
    }))

  it.effect("whose finalizers die tells of that, not of the time", () =>
    Effect.gen(function*() {
      const { run } = functionOf(Layer.empty)
      const dies = Effect.onInterrupt(Effect.never, () => Effect.die("a finalizer broke"))
      const fiber = yield* Effect.forkChild(Effect.exit(run(dies)), { startImmediately: true })
      yield* TestClock.adjust(2_500)
      const exit = yield* Fiber.join(fiber)
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "it succeeded", "a finalizer broke")
    }))

  it.effect("that can't be interrupted holds up no response", () =>
    Effect.gen(function*() {
      const { run } = functionOf(Layer.empty)
      const fiber = yield* Effect.forkChild(Effect.flip(run(Effect.uninterruptible(Effect.never))), {
        startImmediately: true
      })
      yield* TestClock.adjust(2_750)
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "DeadlineExceeded")
    }))

  it.effect("may give up earlier, and answer in another way", () =>
    Effect.gen(function*() {
      const { run } = functionOf(Layer.empty)
      const fiber = yield* Effect.forkChild(
        run(Effect.never.pipe(
          LambdaContext.withDeadline("2 seconds"),
          Effect.catchTag("DeadlineExceeded", () => Effect.succeed("half of it"))
        )),
        { startImmediately: true }
      )
      yield* TestClock.adjust(1_000)
      assert.strictEqual(yield* Fiber.join(fiber), "half of it")
    }))
})

describe("before a response", () => {
  const noting = (notes: Array<string>, name: string, run: Effect.Effect<void> = Effect.void) =>
    Layer.effectDiscard(
      Effect.flatMap(BeforeResponse, ({ add }) =>
        add({
          name,
          run: Effect.andThen(Effect.sync(() => void notes.push(name)), run)
        }))
    )

  it.effect("tasks are run in the order in which they were added, however the invocation ended", () =>
    Effect.gen(function*() {
      const notes: Array<string> = []
      const { run } = functionOf(Layer.provideMerge(noting(notes, "second"), noting(notes, "first")))
      yield* run(Effect.sync(() => void notes.push("work")))
      yield* Effect.exit(run(Effect.fail("no")))
      yield* Effect.exit(run(Effect.die("broken")))
      const late = yield* Effect.forkChild(Effect.exit(run(Effect.never)), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(late)
      const both = ["first", "second"]
      assert.deepStrictEqual(notes, ["work", ...both, ...both, ...both, ...both])
    }))

  it.effect("a task that hangs takes half of the time that is left, is told of, and holds up nothing else", () =>
    Effect.gen(function*() {
      const notes: Array<string> = []
      const stuck = noting(notes, "call the moon", Effect.uninterruptible(Effect.never))
      const { run } = functionOf(Layer.provideMerge(noting(notes, "second"), stuck))
      const fiber = yield* Effect.forkChild(logged(run(Effect.succeed("answer"))), { startImmediately: true })
      yield* TestClock.adjust(1_500)
      const { exit, lines } = yield* Fiber.join(fiber)
      assert.deepStrictEqual(exit, Exit.succeed("answer"))
      assert.deepStrictEqual(notes, ["call the moon", "second"])
      assert.deepStrictEqual(lines, ["There was no time to call the moon before the response"])
    }))

  it.effect("a task that dies is told of, and changes no answer", () =>
    Effect.gen(function*() {
      const { run } = functionOf(noting([], "tell it", Effect.die("broken")))
      const { exit, lines } = yield* logged(run(Effect.succeed("answer")))
      assert.deepStrictEqual(exit, Exit.succeed("answer"))
      assert.match(lines.join(), /It was not possible to tell it before the response/)
    }))

  it.effect("all is over before Lambda would end the invocation, whatever hangs", () =>
    Effect.gen(function*() {
      const stuck = (name: string) => noting([], name, Effect.uninterruptible(Effect.never))
      const { run } = functionOf(Layer.provideMerge(stuck("b"), stuck("a")))
      const fiber = yield* Effect.forkChild(Effect.exit(run(Effect.uninterruptible(Effect.never))), {
        startImmediately: true
      })
      yield* TestClock.adjust(2_999)
      assert.isDefined(fiber.pollUnsafe())
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")))
})

describe("a breaker of a function", () => {
  const policy = { tripRule: TripRule.failures({ failures: 3, window: "1 minute" }) }
  const Breakers = LambdaBreaker.layer(policy)
  const fail = Effect.fail("down").pipe(withBreaker("quotes"), Effect.flip)

  it.effect("has told the store before the response, on every way out", () =>
    Effect.gen(function*() {
      const ends: Record<string, Effect.Effect<unknown, unknown>> = {
        success: Effect.void,
        failure: Effect.fail("no"),
        defect: Effect.die("broken"),
        deadline: Effect.never
      }
      for (const [name, end] of Object.entries(ends)) {
        const store = yield* Layer.build(CircuitStore.layerMemory)
        const { run } = functionOf(Layer.provide(Breakers, Layer.succeedContext(store)))
        const fiber = yield* Effect.forkChild(Effect.exit(run(Effect.andThen(fail, end))), { startImmediately: true })
        yield* TestClock.adjust("3 seconds")
        assert.isDefined(fiber.pollUnsafe(), name)
        const { record } = yield* Context.get(store, CircuitStore).read("quotes")
        assert.isDefined(record, name)
      }
    }))

  it.effect("sets no timer that goes on between invocations", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      let timers = 0
      const counting: Clock.Clock = {
        ...clock,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        sleep: (duration) =>
          Effect.suspend(() => {
            timers++
            return Effect.ensuring(clock.sleep(duration), Effect.sync(() => timers--))
          })
      }
      const { run } = functionOf(
        Layer.provide(LambdaBreaker.layer({ ...policy, background: true }), CircuitStore.layerMemory)
      )
      yield* Effect.provideService(run(fail), Clock.Clock, counting)
      yield* settled
      assert.strictEqual(timers, 0)
    }))

  it.effect("does not hold up the response when its store hangs", () =>
    Effect.gen(function*() {
      const Faulty = Breakers.pipe(
        Layer.provideMerge(FaultyStore.layer()),
        Layer.provide(CircuitStore.layerMemory)
      )
      const { run } = functionOf(Faulty)
      yield* run(Effect.void)
      const hang = Effect.flatMap(FaultyStore, ({ pause }) => pause)
      const fiber = yield* Effect.forkChild(run(Effect.andThen(Effect.andThen(hang, fail), Effect.succeed("answer"))), {
        startImmediately: true
      })
      // A second for the first call of a key, and half a second for the flush.
      yield* Effect.repeat(TestClock.adjust(100), Schedule.recurs(15))
      assert.deepStrictEqual(fiber.pollUnsafe(), Exit.succeed("answer"))
    }))

  it.effect("is found under both names", () =>
    Effect.gen(function*() {
      const { run } = functionOf(Layer.provide(Breakers, CircuitStore.layerMemory))
      assert.isTrue(
        yield* run(Effect.gen(function*() {
          return (yield* CircuitBreaker) === (yield* LambdaBreaker)
        }))
      )
    }))
})

describe("the function that Lambda calls", () => {
  it.live("takes two arguments: Lambda takes one with three for a handler with a callback", () =>
    Effect.sync(() => {
      const handler = LambdaHandler.make(Layer.empty, () => Effect.void)
      assert.strictEqual(handler.length, 2)
    }))

  it.live("rejects with errors that Lambda can tell of, whatever the effect failed with", () =>
    Effect.gen(function*() {
      const context = yield* contextOf(3_000)
      const handler = LambdaHandler.make(
        Layer.provide(LambdaBreaker.layer(), CircuitStore.layerMemory),
        (event: Effect.Effect<unknown, unknown, CircuitBreaker>) => event
      )
      const rejection = (event: Effect.Effect<unknown, unknown, CircuitBreaker>) =>
        Effect.promise(() => handler(event, context).then(() => undefined, (error: Error) => error))
      const own = new RangeError("too far")
      assert.strictEqual(yield* rejection(Effect.fail(own)), own)
      assert.strictEqual((yield* rejection(Effect.fail("a text")))?.message, "a text")
      const tagged = yield* rejection(Effect.fail({ _tag: "Mine", at: 1 }))
      assert.deepStrictEqual([tagged?.name, tagged?.message], ["Mine", `{"_tag":"Mine","at":1}`])
      const rejected = yield* rejection(Effect.gen(function*() {
        const breaker = yield* CircuitBreaker
        yield* breaker.forceOpen("quotes")
        return yield* Effect.void.pipe(withBreaker("quotes"))
      }))
      assert.strictEqual(rejected?.name, "CircuitOpen")
      assert.match(rejected?.message ?? "", /forced open/)
      assert.isDefined(rejected?.stack)
    }))
})

it.each(["deadlineMargin", "shutdownTimeout"])("a duration for %s that is none is named, with an example", (option) => {
  // What the types refuse, and JavaScript does not.
  const options: LambdaHandler.Options = JSON.parse(`{"${option}":"5 secs"}`)
  const make = () =>
    LambdaHandler.make(LambdaBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory)), () => Effect.void, options)
  assert.throws(make, PolicyError, `${option} is "5 secs": it must be a duration, such as "30 seconds"`)
})
