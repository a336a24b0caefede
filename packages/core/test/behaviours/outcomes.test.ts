/** What the end of a call counts as. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, Outcome, type Policy, TripRule, withBreaker } from "@reclose/core"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { failing, key, listen, phase, reasonsOf, settled, state, succeeding, under } from "../support.ts"

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const readyToProbe = Effect.andThen(failing, TestClock.adjust("30 seconds"))

const missing = Effect.fail("NotFound")
const ignoring = withBreaker<string, string>({
  key,
  classify: Outcome.classifier({ ignoreError: (error) => error === "NotFound" })
})
const forgiving = withBreaker<string, string>({
  key,
  classify: Outcome.classifier({ succeedOnError: (error) => error === "NotFound" })
})

const overloaded = Effect.fail("429").pipe(
  withBreaker({ key, classify: () => Outcome.failure({ soft: true }) }),
  Effect.exit
)

describe("a soft failure", () => {
  it.effect("is no failure in a row, and doesn't end one", () =>
    Effect.gen(function*() {
      yield* failing
      yield* Effect.repeat(overloaded, { times: 5 })
      assert.strictEqual(yield* phase, "Closed")
      assert.strictEqual((yield* state).counts.failed, 7)
      yield* failing
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ ...first, tripRule: TripRule.consecutive(2) })))

  it.effect("counts in a rate", () =>
    Effect.gen(function*() {
      yield* overloaded
      assert.strictEqual(yield* phase, "Closed")
      yield* overloaded
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ ...first, tripRule: TripRule.failureRate({ threshold: 0.5, window: 10, minimumCalls: 2 }) })))

  it.effect("fails a probe", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* overloaded
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(first)))
})

describe("a classifier that is an effect", () => {
  it.effect("settles its call once, and nothing is told of it", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const asked = withBreaker(Effect.succeed("42"), { key, classify: () => Effect.succeed(Outcome.success) })
      assert.strictEqual(yield* asked, "42")
      assert.deepInclude((yield* state).counts, { succeeded: 1, failed: 0, ignored: 0 })
      assert.isEmpty(yield* events)
    }).pipe(under(first)))

  it.effect("takes time that is none of the dependency's", () =>
    Effect.gen(function*() {
      const asked = withBreaker(Effect.delay(Effect.succeed("42"), "900 millis"), {
        key,
        classify: () => Effect.delay(Effect.succeed(Outcome.success), "10 seconds")
      })
      const fiber = yield* Effect.forkChild(asked, { startImmediately: true })
      yield* TestClock.adjust("11 seconds")
      yield* Fiber.join(fiber)
      assert.deepInclude((yield* state).readings[0], { calls: 1, hits: 0 })
    }).pipe(under({
      tripRule: TripRule.slowCallRate({ slowerThan: "1 second", threshold: 0.5, window: 10, minimumCalls: 5 })
    })))

  it.effect.each<[string, Effect.Effect<unknown, unknown, CircuitBreaker>]>([
    ["closed", Effect.void],
    ["on trial", readyToProbe]
  ])(
    "is interrupted with its call while the circuit is %s, which then counts as ignored",
    ([, before]) =>
      Effect.gen(function*() {
        yield* before
        const asked = withBreaker(Effect.succeed("42"), { key, classify: () => Effect.never })
        const fiber = yield* Effect.forkChild(asked, { startImmediately: true })
        const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        yield* settled
        assert.isDefined(interrupting.pollUnsafe())
        assert.deepInclude(yield* state, { probes: 0 })
        assert.deepInclude((yield* state).counts, { succeeded: 0, ignored: 1 })
      }).pipe(under(first))
  )
})

describe("an expected error", () => {
  it.effect("22: it surfaces and is no failure of the dependency", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* missing.pipe(ignoring, Effect.flip), "NotFound")
      assert.strictEqual(yield* phase, "Closed")
      assert.strictEqual((yield* state).counts.ignored, 1)
      assert.strictEqual(yield* Effect.fail("Unavailable").pipe(ignoring, Effect.flip), "Unavailable")
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(first)))

  it.effect("23: as the error of a probe, ignored, it frees the permit and decides nothing", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      assert.strictEqual(yield* missing.pipe(ignoring, Effect.flip), "NotFound")
      const after = yield* state
      assert.strictEqual(after.phase, "HalfOpen")
      assert.strictEqual(after.probes, 0)
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect("23: as the error of a probe, classified as a success, it closes the circuit", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      assert.strictEqual(yield* missing.pipe(forgiving, Effect.flip), "NotFound")
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))
})

describe("a call with no classifier", () => {
  it.effect("is a failure if it dies, or fails for no reason it gives", () =>
    Effect.gen(function*() {
      yield* Effect.exit(withBreaker(Effect.die("broken"), key))
      yield* Effect.exit(withBreaker(Effect.failCause(Cause.empty), key))
      assert.strictEqual((yield* state).counts.failed, 2)
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under({ ...first, tripRule: TripRule.consecutive(2) })))

  it.effect("counts nowhere if it was interrupted from within", () =>
    Effect.gen(function*() {
      const part = yield* Effect.forkChild(Effect.never, { startImmediately: true })
      yield* Fiber.interrupt(part)
      assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(withBreaker(Fiber.join(part), key))))
      const { counts, readings: [reading] } = yield* state
      assert.deepStrictEqual(counts, { succeeded: 0, failed: 0, ignored: 0, rejected: 0 })
      assert.include(reading, { calls: 0 })
    }).pipe(under({ tripRule: TripRule.failureRate({ window: 10 }) })))
})

describe("a classifier", () => {
  it.effect("says what each of its calls is counted as", () =>
    Effect.gen(function*() {
      const guarded = (outcome: Outcome.Outcome) => withBreaker(Effect.void, { key, classify: () => outcome })
      yield* guarded(Outcome.success)
      yield* Effect.replicateEffect(guarded(Outcome.failure()), 2)
      yield* Effect.replicateEffect(guarded(Outcome.ignored), 3)
      assert.deepStrictEqual((yield* state).counts, { succeeded: 1, failed: 2, ignored: 3, rejected: 0 })
    }).pipe(under({ tripRule: TripRule.consecutive(5) })))
})

describe("a classifier that throws", () => {
  const broken = withBreaker<string, string>({
    key,
    classify: () => {
      throw new Error("broken classifier")
    }
  })

  it.effect("24: its call is ignored and dies, and an event says why", () =>
    Effect.gen(function*() {
      const events = yield* listen()
      const exit = yield* Effect.exit(broken(Effect.succeed("42")))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.strictEqual(yield* phase, "Closed")
      assert.strictEqual((yield* state).counts.ignored, 1)
      assert.deepStrictEqual((yield* events).map((event) => event._tag), ["ClassifierFailed"])
    }).pipe(under(first)))

  it.effect.each<[string, Effect.Effect<unknown, unknown, CircuitBreaker>]>([
    ["closed", Effect.void],
    ["half-open", readyToProbe]
  ])(
    "24: the call's typed error stays typed, beside the defect, while the circuit is %s",
    ([, before]) =>
      Effect.gen(function*() {
        yield* before
        assert.deepStrictEqual(reasonsOf(yield* Effect.exit(broken(Effect.fail("down")))), [
          "Fail down",
          "Die Error: broken classifier"
        ])
      }).pipe(under(first))
  )

  it.effect("24: as a probe, it frees its permit", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* Effect.exit(broken(Effect.succeed("42")))
      const after = yield* state
      assert.strictEqual(after.phase, "HalfOpen")
      assert.strictEqual(after.probes, 0)
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))
})

describe("a classifier that fails as an effect", () => {
  const asking = (classify: Effect.Effect<Outcome.Outcome>) =>
    withBreaker<string, string>({ key, classify: () => Effect.andThen(Effect.yieldNow, classify) })

  it.effect.each<[string, Effect.Effect<unknown, unknown, CircuitBreaker>]>([
    ["closed", Effect.void],
    ["half-open", readyToProbe]
  ])("keeps the call's typed error while the circuit is %s", ([, before]) =>
    Effect.gen(function*() {
      yield* before
      const died = yield* Effect.exit(asking(Effect.die("broken"))(Effect.fail("down")))
      assert.deepStrictEqual(reasonsOf(died), ["Fail down", "Die broken"])
      const interrupted = yield* Effect.exit(asking(Effect.interrupt)(Effect.fail("down")))
      assert.deepStrictEqual(reasonsOf(interrupted), ["Fail down", "Interrupt"])
      assert.deepInclude(yield* state, { probes: 0 })
    }).pipe(under(first)))

  it.effect("leaves the interruption alone of a call that succeeded", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(asking(Effect.interrupt)(Effect.succeed("42")))
      assert.deepStrictEqual(reasonsOf(exit), ["Interrupt"])
    }).pipe(under(first)))
})

describe("a classifier that returns no outcome", () => {
  // As JavaScript does, or a cast.
  const nonsense: ReadonlyArray<[string, unknown, string]> = [
    ["nothing", undefined, "undefined"],
    ["null", null, "null"],
    ["the name of an outcome", "Success", `"Success"`],
    ["a tag of its own", { _tag: "Fine" }, "an object"],
    ["a failure with a duration in words", { _tag: "Failure", retryAfter: "2 minutes" }, "an object"],
    ["an effect of nothing", Effect.succeed(undefined), "undefined"]
  ]
  const guarded = (returned: unknown) =>
    withBreaker<string, string>({ key, classify: () => returned as Outcome.Outcome }) // a hole in the types, on purpose

  it.effect.each(nonsense)("%s: the call is ignored and dies with a message that names circuit and remedy", (
    [, returned, shown]
  ) =>
    Effect.gen(function*() {
      const events = yield* listen()
      const message = `TypeError: the classifier of the circuit "quotes" returned ${shown}: ` +
        "return Outcome.success, Outcome.failure() or Outcome.ignored"
      assert.deepStrictEqual(reasonsOf(yield* Effect.exit(guarded(returned)(Effect.fail("down")))), [
        "Fail down",
        `Die ${message}`
      ])
      assert.deepStrictEqual((yield* state).counts, { succeeded: 0, failed: 0, ignored: 1, rejected: 0 })
      assert.deepStrictEqual((yield* events).map(({ _tag }) => _tag), ["ClassifierFailed"])
    }).pipe(under(first)))

  it.effect.each(nonsense)("%s: a probe frees its permit", ([, returned]) =>
    Effect.gen(function*() {
      yield* readyToProbe
      yield* Effect.exit(guarded(returned)(Effect.succeed("42")))
      assert.deepInclude(yield* state, { phase: "HalfOpen", probes: 0 })
      yield* succeeding
      assert.strictEqual(yield* phase, "Closed")
    }).pipe(under(first)))

  it.effect.each(nonsense)(
    "%s: a call that is settled by hand is ignored, and nothing is thrown",
    ([, returned]) =>
      Effect.gen(function*() {
        const events = yield* listen()
        const breaker = yield* CircuitBreaker
        const admission = yield* breaker.admit(key)
        admission.settle(returned as Outcome.Outcome) // a hole in the types, on purpose
        assert.strictEqual((yield* state).counts.ignored, 1)
        assert.deepStrictEqual((yield* events).map(({ _tag }) => _tag), ["ClassifierFailed"])
      }).pipe(under(first))
  )
})

describe("a classifier that never returns", () => {
  it.effect("holds its probe until the caller is interrupted", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const asked = withBreaker(Effect.succeed("42"), { key, classify: () => Effect.never })
      const fiber = yield* Effect.forkChild(asked, { startImmediately: true })
      assert.deepInclude(yield* state, { phase: "HalfOpen", probes: 1 })
      yield* Fiber.interrupt(fiber)
      assert.deepInclude(yield* state, { phase: "HalfOpen", probes: 0 })
    }).pipe(under(first)))

  it.effect("holds the circuit half-open no longer than the deadline of its probes", () =>
    Effect.gen(function*() {
      yield* readyToProbe
      const asked = withBreaker(Effect.succeed("42"), { key, classify: () => Effect.never })
      yield* Effect.forkChild(asked, { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* state, { phase: "Open" })
    }).pipe(under({ ...first, halfOpen: { maxDuration: "1 minute" } })))
})

describe("a call that hangs", () => {
  it.effect("26: a timeout inside the breaker is counted as a failure", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.never.pipe(
        Effect.timeout("2 seconds"),
        withBreaker(key),
        Effect.exit,
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      assert.strictEqual(yield* phase, "Open")
    }).pipe(under(first)))

  it.effect("26: a timeout outside the breaker interrupts the call, which is ignored", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.never.pipe(
        withBreaker(key),
        Effect.timeout("2 seconds"),
        Effect.exit,
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      assert.strictEqual(yield* phase, "Closed")
      assert.strictEqual((yield* state).counts.failed, 0)
    }).pipe(under(first)))
})

it.live("a classifier that returns a promise, which is rejected, ends its call and not the process", () =>
  Effect.gen(function*() {
    const rejections: Array<unknown> = []
    const onRejection = (reason: unknown) => rejections.push(reason)
    process.on("unhandledRejection", onRejection)
    const breaker = yield* CircuitBreaker.makeLocal()
    // What JavaScript lets a program do.
    const classify = (() => Promise.reject(new Error("a bug"))) as unknown as () => Outcome.Outcome
    const exit = yield* Effect.exit(breaker.withBreaker(Effect.fail("down"), { key: "quotes", classify }))
    yield* Effect.sleep("10 millis")
    process.off("unhandledRejection", onRejection)
    assert.strictEqual(exit._tag, "Failure")
    assert.deepStrictEqual(rejections, [])
  }))
