/** Circuits as JSON text and back. */
import { assert, describe, it } from "@effect/vitest"
import {
  type Breaker,
  CircuitBreaker,
  type CircuitState,
  CircuitStore,
  Outcome,
  type Policy,
  PolicyError,
  Snapshot,
  TripRule
} from "@reclose/core"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Random, seeds } from "./machine/model/random.ts"
import { failing, key, phase, succeeding, under } from "./support.ts"

/** To JSON text, and what can be read from it. */
const throughText = (snapshot: Snapshot.BreakerSnapshot) =>
  Effect.suspend(() => Snapshot.fromJson(JSON.parse(JSON.stringify(Snapshot.toJson(snapshot)))))

// None of these is a whole number of tenths of milliseconds, so the ages of buckets are no round numbers.
const spans = ["11 millis", "49 millis", "1001 millis", "10 seconds"] as const

const randomRule = (random: Random, depth = 2): TripRule.TripRule => {
  const window = random.chance(0.5) ? random.between(1, 70) : random.pick(spans)
  return random.weighted<TripRule.TripRule>([
    [1, () => TripRule.consecutive(random.between(1, 6))],
    [2, () => TripRule.failures({ failures: random.between(1, 6), window: random.pick(spans) })],
    [2, () => TripRule.failureRate({ threshold: random.pick([0.29, 0.5, 1]), window, minimumCalls: 1 })],
    [2, () => TripRule.slowCallRate({ slowerThan: random.between(1, 5), threshold: 0.7, window, minimumCalls: 1 })],
    [1, () => TripRule.inFlightAge({ olderThan: 20 })],
    [depth, () => TripRule.any(random.list(random.between(1, 3), () => randomRule(random, depth - 1)))],
    [depth, () => TripRule.all(random.list(random.between(1, 3), () => randomRule(random, depth - 1)))]
  ])
}

const randomPolicy = (random: Random): Policy.Policy => ({
  tripRule: randomRule(random),
  openDuration: { initial: random.pick([1, 7, 30.5]), factor: 1.5 },
  jitter: random.pick([0, 0.5]),
  halfOpen: { permits: 2, successThreshold: random.between(1, 3), failureThreshold: random.between(1, 2) },
  warmUp: random.pick([0, 0, 13])
})

/** Does something to a circuit, as a caller or an operator would. */
const act = (random: Random, breaker: Breaker, key: string): Effect.Effect<unknown, PolicyError> => {
  const call = (outcome: Outcome.Outcome) => breaker.withBreaker(Effect.void, { key, classify: () => outcome })
  const slow = Effect.forkDetach(breaker.withBreaker(Effect.sleep(random.between(0, 8)), key), {
    startImmediately: true
  })
  return random.weighted<Effect.Effect<unknown, PolicyError>>([
    [6, () => Effect.exit(call(Outcome.failure({ retryAfter: random.between(0, 50) })))],
    [4, () => Effect.exit(call(Outcome.success))],
    [1, () => Effect.exit(call(Outcome.ignored))],
    [4, () => slow],
    [6, () => TestClock.adjust(random.between(0, 9))],
    [1, () => TestClock.adjust(random.between(0, 2_000))],
    [0.5, () => random.pick([breaker.forceOpen, breaker.forceClosed, breaker.disable, breaker.metricsOnly])(key)],
    [2, () => breaker.release(key)],
    [0.2, () => breaker.reset(key)]
  ])
}

/** What lasts of a circuit: all but its generation, its counts and its probes. A trial begins anew, at once. */
const lasting = ({ consecutiveOpenings, key, override, phase, readings, retryAfter }: CircuitState) => ({
  key,
  phase: phase === "HalfOpen" ? "Open" : phase,
  override,
  consecutiveOpenings,
  retryAfter,
  readings: readings.filter(({ _tag }) => _tag !== "InFlightAge")
})

describe("a snapshot", () => {
  it.effect("of circuits of every kind is the same after JSON, and restores to the same", () =>
    Effect.gen(function*() {
      const kinds = new Set<string>()
      // Each in a scope of its own: a breaker that is over is woken by no clock.
      const restored = Effect.fnUntraced(function*(seed: number) {
        const random = new Random(seed)
        const policy = randomPolicy(random)
        const breaker = yield* CircuitBreaker.make(policy)
        const keys = ["a", "payments/🙂", "__proto__"]
        for (let step = random.between(0, 60); step > 0; step--) yield* act(random, breaker, random.pick(keys))
        const taken = yield* breaker.snapshot
        const read = yield* throughText(taken)
        assert.deepStrictEqual(read, taken, `RECLOSE_SEED=${seed}`)

        const other = yield* CircuitBreaker.make(policy)
        yield* other.restore(read)
        const again = yield* other.snapshot
        assert.deepStrictEqual(
          again.circuits.map((circuit) => ({ ...circuit, generation: circuit.generation - 1 })),
          taken.circuits,
          `RECLOSE_SEED=${seed}, restored`
        )
        assert.deepStrictEqual(
          (yield* other.list).map(lasting),
          (yield* breaker.list).map(lasting),
          `RECLOSE_SEED=${seed}, looked at`
        )
        for (const { measured, phase } of taken.circuits) {
          for (const one of [phase, ...measured.map((part) => part._tag)]) kinds.add(one)
        }
      }, Effect.scoped)
      for (const seed of seeds(300)) yield* restored(seed)
      assert.sameMembers([...kinds], ["Open", "Closed", "Consecutive", "Calls", "Time"])
    }).pipe(Effect.provide(CircuitStore.layerMemory)), 60_000)

  it.effect.each(["11 millis", "27 millis", "49 millis"] as const)(
    "of a window of %s can be written at every moment, however its buckets fall between milliseconds",
    (window) =>
      Effect.gen(function*() {
        const breaker = yield* CircuitBreaker
        for (let millis = 0; millis < 1_500; millis++) {
          yield* breaker.reset(key)
          yield* succeeding
          const taken = yield* breaker.snapshot
          const read = yield* throughText(taken)
          assert.deepStrictEqual(read, taken, `after ${millis} ms`)
          yield* breaker.restore(read)
          const [before, after] = [taken, yield* breaker.snapshot].map(({ circuits: [circuit] }) => circuit?.measured)
          assert.deepStrictEqual(after, before, `after ${millis} ms, restored`)
          yield* TestClock.adjust("1 millis")
        }
      }).pipe(under({ tripRule: TripRule.failureRate({ window }) }))
  )

  it.effect("of no circuits is one, too", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      const taken = yield* breaker.snapshot
      assert.deepStrictEqual(taken, { version: 1, circuits: [] })
      assert.deepStrictEqual(yield* throughText(taken), taken)
    }).pipe(under()))
})

describe("what is read from JSON", () => {
  const circuit = {
    key: "quotes",
    phase: "Closed",
    generation: 3,
    consecutiveOpenings: 1,
    openDuration: 0,
    remaining: 12.5,
    warmUp: 0,
    override: "None",
    measured: [
      { _tag: "Consecutive", failures: 2 },
      { _tag: "Calls", rule: "FailureRate", slowerThan: 0, outcomes: "0110" },
      { _tag: "Time", rule: "Failures", slowerThan: 0, buckets: [{ age: 0.5, calls: 3, hits: 1 }] }
    ]
  }
  const having = (changed: object) => ({ version: 1, circuits: [circuit, { ...circuit, key: "orders", ...changed }] })
  const measuring = (measured: object) => having({ measured: [measured] })
  const [consecutive, calls, time] = circuit.measured
  const bucket = (changed: object) => measuring({ ...time, buckets: [{ age: 1, calls: 1, hits: 1, ...changed }] })

  it.effect("is a snapshot where it is one", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual<unknown>(yield* Snapshot.fromJson(having({})), having({}))
    }))

  it.effect.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["a text", "{}"],
    ["a list", [circuit]],
    ["no version", { circuits: [] }],
    ["another version", { version: 2, circuits: [] }],
    ["a version as text", { version: "1", circuits: [] }],
    ["no circuits", { version: 1 }],
    ["circuits by key", { version: 1, circuits: { quotes: circuit } }],
    ["a circuit that is null", { version: 1, circuits: [circuit, null] }],
    ...Object.keys(circuit).map((
      name
    ): [string, unknown] => [`a circuit without ${name}`, having({ [name]: undefined })]),
    ...["generation", "consecutiveOpenings", "openDuration", "remaining", "warmUp"].flatMap((
      name
    ): Array<[string, unknown]> => [
      [`a negative ${name}`, having({ [name]: -1 })],
      [`a ${name} that is no number`, having({ [name]: "5" })],
      [`a ${name} that is NaN`, having({ [name]: NaN })],
      [`an infinite ${name}`, having({ [name]: Infinity })]
    ]),
    ["half a generation", having({ generation: 1.5 })],
    ["half an opening", having({ consecutiveOpenings: 0.5 })],
    ["a key that is no text", having({ key: 5 })],
    ["a phase that is none", having({ phase: "HalfOpen" })],
    ["an override that is none", having({ override: "Forced" })],
    ["measurements that are no list", having({ measured: consecutive })],
    ["a measurement of an unknown kind", measuring({ _tag: "Streak", failures: 1 })],
    ["a streak without its failures", measuring({ _tag: "Consecutive" })],
    ["a negative streak", measuring({ ...consecutive, failures: -1 })],
    ["outcomes of another alphabet", measuring({ ...calls, outcomes: "012" })],
    ["outcomes in two lines", measuring({ ...calls, outcomes: "01\n" })],
    ["outcomes of an unknown rule", measuring({ ...calls, rule: "Failures" })],
    ["outcomes of a negative slowness", measuring({ ...calls, slowerThan: -1 })],
    ["buckets of an unknown rule", measuring({ ...time, rule: "Consecutive" })],
    ["buckets that are no list", measuring({ ...time, buckets: {} })],
    ["a bucket without its age", bucket({ age: undefined })],
    ["a bucket of the future", bucket({ age: -1 })],
    ["half a call in a bucket", bucket({ calls: 1.5 })],
    ["a negative number of hits in a bucket", bucket({ hits: -1 })],
    ["more hits than calls in a bucket", bucket({ calls: 1, hits: 2 })]
  ])("that is %s is a SchemaError, and restores nothing", ([, json]) =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* failing
      const before = yield* breaker.list
      const error = yield* Effect.flip(Effect.flatMap(Snapshot.fromJson(json), breaker.restore))
      assert.isTrue(Schema.isSchemaError(error))
      assert.deepStrictEqual(yield* breaker.list, before)
    }).pipe(under({ tripRule: TripRule.consecutive(1) })))

  it.effect("says where and why it is no snapshot", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(Snapshot.fromJson(bucket({ calls: 1, hits: 2 })))
      assert.include(message, "a bucket has no more hits than calls")
      assert.include(message, `["circuits"][1]["measured"][0]["buckets"][0]`)
    }))

  it.effect.each([["an empty key", ""], ["a key with a control character", "a\u0000"], [
    "half a surrogate pair",
    "\uD800"
  ]])(
    "with %s is a PolicyError that names it, and restores nothing",
    ([, unsafe]) =>
      Effect.gen(function*() {
        const breaker = yield* CircuitBreaker
        yield* failing
        const before = yield* breaker.list
        const snapshot = yield* Snapshot.fromJson(having({ key: unsafe, phase: "Open", remaining: 5_000 }))
        const error = yield* Effect.flip(breaker.restore(snapshot))
        assert.instanceOf(error, PolicyError)
        assert.deepStrictEqual(error.issues.map(({ value }) => value), [unsafe])
        assert.deepStrictEqual(yield* breaker.list, before)
        assert.strictEqual(yield* phase, "Open")
        assert.notInclude(before.map((state) => state.key), "orders")
        assert.strictEqual(key, "quotes", "the first circuit of the snapshot would have closed this one")
      }).pipe(under({ tripRule: TripRule.consecutive(1) }))
  )
})

describe("a snapshot that is read", () => {
  const snapshot = {
    version: 1,
    circuits: [{
      key,
      phase: "Closed",
      generation: 1,
      consecutiveOpenings: 0,
      openDuration: 0,
      remaining: 0,
      warmUp: 0,
      override: "None",
      measured: [{ _tag: "Consecutive", failures: 1 }]
    }]
  }
  const [circuit] = snapshot.circuits

  it.effect.each<[string, object]>([
    ["a generation that nothing could exceed", { generation: Number.MAX_SAFE_INTEGER }],
    ["a count that nothing could exceed", { measured: [{ _tag: "Consecutive", failures: Number.MAX_SAFE_INTEGER }] }],
    ["openings that nothing could exceed", { consecutiveOpenings: Number.MAX_SAFE_INTEGER }],
    [
      "too many buckets",
      {
        measured: [{
          _tag: "Time",
          rule: "Failures",
          slowerThan: 0,
          buckets: Array.from({ length: 101 }, () => ({ age: 1, calls: 1, hits: 1 }))
        }]
      }
    ],
    [
      "more outcomes than a window has",
      { measured: [{ _tag: "Calls", rule: "FailureRate", slowerThan: 0, outcomes: "1".repeat(1_000_001) }] }
    ]
  ])("has not %s", ([, fields]) =>
    Effect.gen(function*() {
      const result = yield* Effect.result(Snapshot.fromJson({ ...snapshot, circuits: [{ ...circuit, ...fields }] }))
      assert.strictEqual(result._tag, "Failure")
    }))

  it.effect("can be written again after its circuits have gone on from the largest numbers that are read", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker
      yield* breaker.restore(
        yield* Snapshot.fromJson({
          ...snapshot,
          circuits: [{
            ...circuit,
            generation: 2 ** 50,
            consecutiveOpenings: 2 ** 50,
            measured: [{ _tag: "Consecutive", failures: 2 ** 50 }]
          }]
        })
      )
      yield* failing
      assert.strictEqual(yield* phase, "Open")
      Snapshot.toJson(yield* breaker.snapshot)
    }).pipe(under({ tripRule: TripRule.consecutive(3) })))
})

it.effect("a snapshot that is nested too deeply, or holds itself, is none", () =>
  Effect.gen(function*() {
    let deep: unknown = []
    for (let level = 0; level < 200_000; level++) deep = [deep]
    const circular: Record<string, unknown> = { version: 1, circuits: [] }
    circular["self"] = circular
    for (const json of [{ version: 1, circuits: [], deep }, circular]) {
      assert.strictEqual((yield* Effect.flip(Snapshot.fromJson(json)))._tag, "SchemaError")
    }
  }))

it.effect("what is counted on from the largest numbers that are read can be written, and read again", () =>
  Effect.gen(function*() {
    const largest = 2 ** 50
    const breaker = yield* CircuitBreaker.makeLocal({ tripRule: TripRule.consecutive(1) })
    const circuit = { key: "quotes", phase: "Closed", openDuration: 0, warmUp: 0, override: "None", measured: [] }
    const json = {
      version: 1,
      circuits: [{ ...circuit, generation: largest, consecutiveOpenings: largest, remaining: 1_000 }]
    }
    yield* breaker.restore(yield* Snapshot.fromJson(json))
    yield* Effect.flip(breaker.withBreaker(Effect.fail("down"), "quotes"))
    const written: unknown = JSON.parse(JSON.stringify(Snapshot.toJson(yield* breaker.snapshot)))
    assert.strictEqual((yield* Snapshot.fromJson(written)).circuits[0]?.phase, "Open")
  }))

it.effect.each([["warmUp", 1], ["remaining", 7], ["openDuration", 7]] as const)(
  "a %s that is longer than a policy may ask for is refused",
  ([field, days]) =>
    Effect.gen(function*() {
      const own = {
        key: "quotes",
        phase: "Closed",
        generation: 1,
        consecutiveOpenings: 0,
        override: "None",
        measured: []
      }
      const circuit = { ...own, remaining: 0, openDuration: 0, warmUp: 0 }
      const read = (millis: number) => Snapshot.fromJson({ version: 1, circuits: [{ ...circuit, [field]: millis }] })
      const longest = days * 86_400_000
      assert.deepInclude((yield* read(longest)).circuits[0], { [field]: longest })
      assert.include((yield* Effect.flip(read(longest + 1))).message, field)
    })
)
